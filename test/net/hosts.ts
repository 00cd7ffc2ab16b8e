/** Real hosts on loopback for the tests of this folder: opened with what a test cares about, all closed after each test. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import { afterEach } from 'vitest'
import type { InferFrame, InferRequest, InferStream } from '../../protocols/infer.ts'
import type { NodeId } from '../../protocols/ref.ts'
import { type Host, type HostEvents, type HostInit, openHost } from '../../src/net/host.ts'

const opened: Host[] = []

afterEach(async () => {
  await Promise.all(opened.splice(0).map((host) => host.close()))
})

const quiet: HostEvents = {
  onConnected: () => {},
  onDisconnected: () => {},
  onDiscovered: () => {},
  onFrame: () => {},
  onFramesLost: () => {},
  onStreamLost: () => {},
  onReport: () => {},
  onViolation: () => {},
  admits: () => true,
  openFile: async () => undefined,
  serve: () => answer([{ kind: 'failed', code: 'internal', message: 'nothing is served here' }]),
}

export async function host(events: Partial<HostEvents> = {}, init: Partial<HostInit> = {}): Promise<Host> {
  const privateKey = init.privateKey ?? (await generateKeyPair('Ed25519'))
  const created = await openHost({
    listen: ['/ip4/127.0.0.1/tcp/0'],
    mdns: false,
    software: 'test/1',
    ...init,
    privateKey,
    events: { ...quiet, ...events },
  })
  opened.push(created)
  return created
}

/** Two connected hosts. */
export async function pair(
  left: Partial<HostEvents> = {},
  right: Partial<HostEvents> = {},
  init: Partial<HostInit> = {},
): Promise<[Host, Host]> {
  const seen = gate<NodeId>()
  const onConnected = (node: NodeId) => {
    right.onConnected?.(node)
    seen.open(node)
  }
  const [one, other] = await Promise.all([host(left, init), host({ ...right, onConnected }, init)])
  await one.dial(other.addresses())
  await seen.opened
  return [one, other]
}

/** A promise and what resolves it. */
export function gate<T = void>(): { readonly opened: Promise<T>; open(value: T): void } {
  const { promise, resolve } = Promise.withResolvers<T>()
  return { opened: promise, open: resolve }
}

export function request(fields: Partial<InferRequest> = {}): InferRequest {
  return {
    id: 'task-1',
    traceId: '',
    model: 'tiny',
    digest: 'a'.repeat(64),
    work: { kind: 'generate', prompt: 'hello', raw: false },
    options: {},
    remainingMs: 0,
    ...fields,
  }
}

export const accepted: InferFrame = { kind: 'accepted', load: { active: 1, waiting: 0, slots: 4 } }

export const done: InferFrame = {
  kind: 'done',
  reason: 'stop',
  promptTokens: 3,
  cachedTokens: 0,
  promptNs: 1000,
  evalTokens: 2,
  evalNs: 2000,
  loadNs: 0,
}

export function token(index: number, text = `t${index} `): InferFrame {
  return { kind: 'token', index, tokens: [index], text }
}

/** A stream of these batches. */
export async function* answer(...batches: ReadonlyArray<readonly InferFrame[]>): InferStream {
  yield* batches
}

export async function collect(stream: InferStream): Promise<InferFrame[]> {
  const frames: InferFrame[] = []
  for await (const batch of stream) frames.push(...batch)
  return frames
}
