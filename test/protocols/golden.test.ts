import { describe, expect, it } from 'vitest'
import { type ActorFrame, decodeActorFrame, encodeActorFrame } from '../../protocols/actor.ts'
import { decodeFileHead, decodeFileRequest, encodeFileHead, encodeFileRequest } from '../../protocols/file.ts'
import { frame } from '../../protocols/framing.ts'
import { decodeInferFrame, encodeInferFrame } from '../../protocols/infer-frame.ts'
import { decodeInferRequest, encodeInferRequest } from '../../protocols/infer-request.ts'
import { decodeReport, encodeReport } from '../../protocols/report-codec.ts'
import { actorFrames, inferFrames, inferRequests, laterReport, report } from './examples.ts'

/**
 * Bytes of another version are what a rolling upgrade meets. Where one of these files changes, the protocol has
 * changed: give it a new id, or make sure that the old bytes are still read.
 */
const hexOf = (bytes: Uint8Array) =>
  `${Buffer.from(bytes)
    .toString('hex')
    .replace(/(.{64})/g, '$1\n')}\n`

const file = (protocol: string, name: string) => `../../protocols/golden/${protocol}-${name}.hex`

describe('golden bytes', () => {
  it.each(Object.entries(actorFrames))('of the actor frame %s are written and read', async (name, value) => {
    const bytes = encodeActorFrame(value)
    await expect(hexOf(bytes)).toMatchFileSnapshot(file('actor', name))
    expect(decodeActorFrame(bytes)).toEqual(value)
  })

  it.each(Object.entries(inferRequests))('of the infer request %s are written and read', async (name, value) => {
    const bytes = encodeInferRequest(value)
    await expect(hexOf(bytes)).toMatchFileSnapshot(file('infer-request', name))
    expect(decodeInferRequest(bytes)).toEqual(value)
  })

  it.each(Object.entries(inferFrames))('of the infer frame %s are written and read', async (name, value) => {
    const bytes = encodeInferFrame(value)
    await expect(hexOf(bytes)).toMatchFileSnapshot(file('infer-frame', name))
    expect(decodeInferFrame(bytes)).toEqual(value)
  })

  it('of a report and of a delta are written and read', async () => {
    const full = encodeReport(report)
    const delta = encodeReport(laterReport, report)
    await expect(hexOf(full)).toMatchFileSnapshot(file('report', 'full'))
    await expect(hexOf(delta)).toMatchFileSnapshot(file('report', 'delta'))
    expect(decodeReport(full)).toEqual({ kind: 'full', report })
    expect(decodeReport(delta)).toEqual({
      kind: 'delta',
      base: report.version,
      version: laterReport.version,
      changes: { state: 'draining', loaded: [] },
    })
  })

  it('of a request for a file and of the head of its answer are written and read', async () => {
    const request = { kind: 'blob', digest: `sha256:${'0123456789abcdef'.repeat(4)}`, start: 7, end: 2 ** 40 } as const
    const asked = encodeFileRequest(request)
    const head = { status: 'found', sizeBytes: 2 ** 52 + 1 } as const
    const answered = encodeFileHead(head)
    await expect(hexOf(asked)).toMatchFileSnapshot(file('file', 'request'))
    await expect(hexOf(answered)).toMatchFileSnapshot(file('file', 'head'))
    expect(decodeFileRequest(asked)).toEqual(request)
    expect(decodeFileHead(answered)).toEqual(head)
  })

  it('of two framed bodies are written', async () => {
    const bodies = [actorFrames.unwatch, actorFrames.watched].map((value) => encodeActorFrame(value as ActorFrame))
    await expect(hexOf(frame(bodies))).toMatchFileSnapshot(file('framing', 'two'))
  })
})
