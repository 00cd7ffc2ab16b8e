import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encode } from '../../protocols/codec.ts'
import { ProtocolError } from '../../protocols/protocol-error.ts'
import type { NodeReport } from '../../protocols/report.ts'
import { applyReport, decodeReport, encodeReport, maxReportBytes } from '../../protocols/report-codec.ts'
import { laterReport, report } from './examples.ts'

const changed = fc.record(
  {
    name: fc.string({ maxLength: 20 }),
    api: fc.string({ maxLength: 20 }),
    state: fc.constantFrom('serving' as const, 'draining' as const),
    models: fc.constantFrom(report.models, []),
    loaded: fc.constantFrom(report.loaded, []),
    capacity: fc.record({ cpus: fc.nat(), memoryBytes: fc.nat() }),
  },
  { requiredKeys: [] },
)

describe('reports', () => {
  it('come out of a delta on its base as they went in', () => {
    fc.assert(
      fc.property(changed, changed, (before, after) => {
        const base: NodeReport = { ...report, ...before }
        const next: NodeReport = { ...base, ...after, version: base.version + 1 }
        expect(applyReport(base, decodeReport(encodeReport(next, base)))).toEqual(next)
      }),
    )
  })

  it('are asked for in full where the base is missing', () => {
    const delta = decodeReport(encodeReport(laterReport, report))
    expect(applyReport(undefined, delta)).toBeUndefined()
    expect(applyReport({ ...report, version: 1 }, delta)).toBeUndefined()
    expect(applyReport(undefined, decodeReport(encodeReport(laterReport)))).toEqual(laterReport)
  })

  it('are small while little changes', () => {
    const full = { ...report, models: new Array(500).fill(report.models[0]) }
    expect(encodeReport({ ...full, version: full.version + 1, loaded: [] }, full).length).toBeLessThan(100)
  })

  it('refuse to be published above their limit', () => {
    const long = { ...report.models[0], name: 'x'.repeat(256), capabilities: new Array(32).fill('y'.repeat(256)) }
    const models = new Array(512).fill(long)
    expect(() => encodeReport({ ...report, models } as NodeReport)).toThrow(
      expect.objectContaining({ name: 'ProtocolError', code: 'too-large' }),
    )
    expect(() => decodeReport(new Uint8Array(maxReportBytes + 1))).toThrow(ProtocolError)
  })

  it.each([
    ['no array', report],
    ['an unknown mark', [2, report]],
    ['a report without models', [0, { ...report, models: undefined }]],
    ['a delta whose version falls', [1, 5, 4, {}]],
    ['a delta without a base', [1, null, 4, {}]],
    ['a delta with an invalid field', [1, 4, 5, { state: 'tired' }]],
  ])('are refused with %s', (_name, value) => {
    expect(() => decodeReport(encode(value))).toThrow(expect.objectContaining({ name: 'ProtocolError', code: 'shape' }))
  })

  it('cannot change whose they are, nor their version, by a delta', () => {
    const decoded = decodeReport(
      encode([1, report.version, report.version + 1, { node: 'other', version: 1, name: 'x' }]),
    )
    expect(applyReport(report, decoded)).toEqual({ ...report, version: report.version + 1, name: 'x' })
  })

  it('answer any mutation with a report or a ProtocolError', () => {
    const bytes = encodeReport(report)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, byte) => {
        const mutated = Uint8Array.from(bytes)
        mutated[at] = byte
        try {
          decodeReport(mutated)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
