import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { actorProtocol } from '../../protocols/actor.ts'
import { FrameReader, frame } from '../../protocols/framing.ts'
import { type InferFrame, type InferRequest, inferProtocol } from '../../protocols/infer.ts'
import { decodeInferFrame, encodeInferFrame, maxInferFrameBytes } from '../../protocols/infer-frame.ts'
import type { NodeId } from '../../protocols/ref.ts'
import { createNode, startNode } from '../../src/net/libp2p.ts'
import { keepaliveMs, maxInferStreams } from '../../src/net/limits.ts'
import { tcpAndTls } from '../../src/net/medium.ts'
import { Channel } from '../../src/runtime/channel.ts'
import {
  accepted,
  answer,
  collect,
  done,
  gate,
  host,
  type host as openTestHost,
  pair,
  request,
  token,
} from './hosts.ts'

type TestHost = Awaited<ReturnType<typeof openTestHost>>

/** A worker under the test's hand: what it pushes is what the entry node gets. */
function manual(highWater = 64) {
  const cancelled = gate<number>()
  const drained = gate()
  const channel = new Channel<InferFrame>({
    highWater,
    onCancel: () => cancelled.open(performance.now()),
    onDrain: () => drained.open(),
  })
  return { channel, cancelled: cancelled.opened, drained: drained.opened }
}

/** A libp2p node without our protocols: it says whatever a test wants to have said. */
async function rogue(handle: (node: Awaited<ReturnType<typeof createNode>>) => Promise<void> = async () => {}) {
  const node = await createNode({
    privateKey: await generateKeyPair('Ed25519'),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    medium: tcpAndTls,
    mdns: false,
    software: 'rogue',
    admits: () => true,
    onDiscovered: () => {},
  })
  await handle(node)
  await startNode(node, [])
  return node
}

const failed = (code: string) => expect.objectContaining({ kind: 'failed', code })

describe('infer', () => {
  it('brings a request to the worker and its frames back in order', async () => {
    const seen = gate<[InferRequest, NodeId]>()
    const [entry, worker] = await pair(
      {},
      {
        serve: (served, from) => {
          seen.open([served, from])
          return answer(
            [accepted],
            [{ kind: 'progress', phase: 'prefill', done: 1, total: 3 }, token(0)],
            [token(1), done],
          )
        },
      },
    )
    const asked = request({ remainingMs: 1234, keepAliveMs: Number.POSITIVE_INFINITY, resume: { tokens: [1, 2, 3] } })
    const frames = await collect(entry.infer(worker.peerId, asked))
    expect(frames).toEqual([
      accepted,
      { kind: 'progress', phase: 'prefill', done: 1, total: 3 },
      token(0),
      token(1),
      done,
    ])
    expect(await seen.opened).toEqual([asked, entry.peerId])
  })

  it('carries a request of several megabytes and embeddings of any size', async () => {
    const vector = Float32Array.from({ length: 4096 }, (_, index) => index / 7)
    const [entry, worker] = await pair(
      {},
      { serve: () => answer([accepted, { kind: 'embedding', index: 0, vector }, done]) },
    )
    const prompt = 'x'.repeat(8 << 20)
    const frames = await collect(entry.infer(worker.peerId, request({ work: { kind: 'generate', prompt, raw: true } })))
    expect(frames[1]).toEqual({ kind: 'embedding', index: 0, vector })
  })

  it('answers `link-lost` where there is no connection', async () => {
    const lonely = await host()
    const other = await host()
    expect(await collect(lonely.infer(other.peerId, request()))).toEqual([failed('link-lost')])
  })

  it('answers `link-lost` at once when the worker dies in the middle', async () => {
    const work = manual()
    const [entry, worker] = await pair({}, { serve: () => work.channel })
    work.channel.push(accepted)
    work.channel.push(token(0))
    const frames: InferFrame[] = []
    let died = 0
    for await (const batch of entry.infer(worker.peerId, request())) {
      frames.push(...batch)
      if (died === 0 && frames.length === 2) {
        died = performance.now()
        void worker.close()
      }
    }
    expect(frames).toEqual([accepted, token(0), failed('link-lost')])
    expect(performance.now() - died).toBeLessThan(1000)
  })

  it('stops the worker within milliseconds when the consumer leaves', async () => {
    const work = manual()
    const [entry, worker] = await pair({}, { serve: () => work.channel })
    work.channel.push(accepted)
    let left = 0
    for await (const _ of entry.infer(worker.peerId, request())) {
      left = performance.now()
      break
    }
    expect((await work.cancelled) - left).toBeLessThan(200)
  })

  it('stops the worker and ends as `cancelled` when the signal aborts', async () => {
    const work = manual()
    const [entry, worker] = await pair({}, { serve: () => work.channel })
    work.channel.push(accepted)
    const abort = new AbortController()
    const frames: InferFrame[] = []
    for await (const batch of entry.infer(worker.peerId, request(), abort.signal)) {
      frames.push(...batch)
      abort.abort()
    }
    expect(frames).toEqual([accepted, failed('cancelled')])
    await work.cancelled
    expect(await collect(entry.infer(worker.peerId, request(), AbortSignal.abort()))).toEqual([failed('cancelled')])
  })

  it('cancels the work of an entry node that dies', async () => {
    const work = manual()
    const [entry, worker] = await pair({}, { serve: () => work.channel })
    work.channel.push(accepted)
    const stream = entry.infer(worker.peerId, request())[Symbol.asyncIterator]()
    await stream.next()
    void entry.close()
    await work.cancelled
  })

  it('says that it failed when the worker stops without an end or throws', async () => {
    let turn = 0
    const [entry, worker] = await pair(
      {},
      {
        serve: async function* () {
          yield [accepted]
          if (turn++ > 0) throw new Error('out of luck')
        },
      },
    )
    expect(await collect(entry.infer(worker.peerId, request()))).toEqual([accepted, failed('internal')])
    expect(await collect(entry.infer(worker.peerId, request()))).toEqual([
      accepted,
      { kind: 'failed', code: 'internal', message: 'out of luck' },
    ])
  })

  it('slows the worker down to the speed of the consumer', async () => {
    const text = 'x'.repeat(1000)
    let produced = 0
    const [entry, worker] = await pair(
      {},
      {
        serve: async function* () {
          yield [accepted]
          for (;;) yield [token(produced++, text)]
        },
      },
    )
    const stream = entry.infer(worker.peerId, request())[Symbol.asyncIterator]()
    await stream.next()
    // Nobody takes more: the worker stops when the buffers between the two are full.
    const stopped = await settled(() => produced)
    expect(stopped).toBeLessThan(8000)
    let taken = 0
    while (taken <= stopped) taken += ((await stream.next()).value as readonly InferFrame[]).length
    expect(produced).toBeGreaterThan(stopped)
    await stream.return?.()
  })

  it('accuses nobody of a stall while the consumer itself is slow', async () => {
    const text = 'x'.repeat(1000)
    const stallMs = 300
    let produced = 0
    const [entry, worker] = await pair(
      {},
      {
        serve: async function* () {
          yield [accepted]
          while (produced < 6000) yield [token(produced++, text)]
          yield [done]
        },
      },
      { stallMs },
    )
    const stream = entry.infer(worker.peerId, request())[Symbol.asyncIterator]()
    const frames: InferFrame[] = [...((await stream.next()).value as readonly InferFrame[])]
    await settled(() => produced)
    await new Promise((resolve) => setTimeout(resolve, 2 * stallMs))
    for (let next = await stream.next(); !next.done; next = await stream.next()) frames.push(...next.value)
    expect(frames.at(-1)).toEqual(done)
    expect(frames.length).toBe(6002)
  })

  it('reuses a stream for the next request, and opens more only for those at the same time', async () => {
    let streams = 0
    const worker = await rogue(async (node) => {
      await node.handle(inferProtocol, (stream) => {
        streams += 1
        stream.addEventListener('message', () => {
          stream.send(frame([accepted, token(0), done].map(encodeInferFrame)))
        })
      })
    })
    const entry = await host()
    await entry.dial(worker.getMultiaddrs().map(String))
    for (let turn = 0; turn < 20; turn++) {
      expect(await collect(entry.infer(worker.peerId.toString(), request()))).toHaveLength(3)
    }
    expect(streams).toBe(1)
    await Promise.all([1, 2, 3].map(() => collect(entry.infer(worker.peerId.toString(), request()))))
    expect(streams).toBe(3)
    await worker.stop()
  })

  it('is refused as busy, and not sent, when as many requests as a connection carries are under way', async () => {
    const [entry, worker] = await pair({}, { serve: () => manual().channel })
    const calls = Array.from({ length: maxInferStreams + 3 }, () => entry.infer(worker.peerId, request()))
    const refused = calls.slice(maxInferStreams).map(collect)
    const busy = {
      kind: 'refused',
      reason: 'busy',
      message: `256 requests from here are under way at ${worker.peerId}`,
    }
    for (const frames of await Promise.all(refused)) expect(frames).toMatchObject([busy])
    expect(entry.connected(worker.peerId)).toBe(true)
  })

  it('is refused as busy when the worker has no room for unfinished requests, and the next one is served', async () => {
    const violations: string[] = []
    const worker = await host({
      serve: () => answer([accepted], [done]),
      onViolation: (_, { message }) => violations.push(message),
    })
    const flooder = await rogue()
    const connection = await flooder.dial(worker.addresses().map((address) => multiaddr(address)))
    const header = Uint8Array.from([1, 2, 0, 0, 0])
    const half = new Uint8Array(30 * 1024 * 1024)
    const heard = gate<InferFrame>()
    const reader = new FrameReader(maxInferFrameBytes)
    for (let at = 0; at < 5; at++) {
      const stream = await connection.newStream(inferProtocol)
      stream.addEventListener('message', ({ data }) => {
        for (const body of reader.push(data.subarray())) heard.open(decodeInferFrame(body))
      })
      stream.send(header)
      stream.send(half)
    }
    expect(await heard.opened).toMatchObject({ kind: 'refused', reason: 'busy' })
    const entry = await host()
    await entry.dial(worker.addresses())
    expect(await collect(entry.infer(worker.peerId, request()))).toMatchObject([accepted, done])
    expect(violations).toEqual([])
    await flooder.stop()
  })

  it('serves many requests on one stream one after the other', async () => {
    const [entry, worker] = await pair({}, { serve: () => answer([accepted], [token(0)], [done]) })
    for (let turn = 0; turn < 200; turn++) {
      expect(await collect(entry.infer(worker.peerId, request()))).toHaveLength(3)
    }
  })
})

describe('infer watchdog', () => {
  it('ends an answer as `stalled` when the worker falls silent', async () => {
    const worker = await rogue((node) =>
      node.handle(inferProtocol, (stream) => {
        stream.addEventListener('message', () => stream.send(frame([encodeInferFrame(accepted)])))
      }),
    )
    const entry = await host({}, { stallMs: 200 })
    await entry.dial(worker.getMultiaddrs().map(String))
    const frames = await collect(entry.infer(worker.peerId.toString(), request()))
    expect(frames).toEqual([accepted, failed('stalled')])
    await worker.stop()
  })

  it('sees a live worker behind an engine that takes its time', async () => {
    const work = manual()
    const [entry, worker] = await pair({}, { serve: () => work.channel }, { stallMs: keepaliveMs * 1.8 })
    work.channel.push(accepted)
    work.channel.push({ kind: 'progress', phase: 'loading', done: 1, total: 2 })
    const frames: InferFrame[] = []
    for await (const batch of entry.infer(worker.peerId, request())) {
      frames.push(...batch)
      if (frames.length === 4) work.channel.push(done)
    }
    const progress = { kind: 'progress', phase: 'loading', done: 1, total: 2 }
    expect(frames).toEqual([accepted, progress, progress, progress, done])
  }, 15_000)
})

describe('bytes that are no protocol', () => {
  const garbage = Uint8Array.from([1, 0, 0, 0, 2, 0xc1, 0xc1])

  it('end an answer as `protocol`, reset the stream and leave the connection alone', async () => {
    const worker = await rogue((node) =>
      node.handle(inferProtocol, (stream) => {
        stream.addEventListener('message', () => stream.send(garbage))
      }),
    )
    const violation = gate<NodeId>()
    const entry = await host({ onViolation: (from) => violation.open(from) })
    await entry.dial(worker.getMultiaddrs().map(String))
    expect(await collect(entry.infer(worker.peerId.toString(), request()))).toEqual([failed('protocol')])
    expect(await violation.opened).toBe(worker.peerId.toString())
    expect(entry.connected(worker.peerId.toString())).toBe(true)
    await worker.stop()
  })

  it.each([
    ['tokens before the request was accepted', [token(0)]],
    ['a second acceptance', [accepted, accepted]],
    ['frames after the end', [accepted, done, token(0)]],
  ])('%s break the protocol', async (_name, frames) => {
    const worker = await rogue((node) =>
      node.handle(inferProtocol, (stream) => {
        stream.addEventListener('message', () => stream.send(frame(frames.map(encodeInferFrame))))
      }),
    )
    const violation = gate<NodeId>()
    const entry = await host({ onViolation: (from) => violation.open(from) })
    await entry.dial(worker.getMultiaddrs().map(String))
    await collect(entry.infer(worker.peerId.toString(), request()))
    expect(await violation.opened).toBe(worker.peerId.toString())
    await worker.stop()
  })

  it.each([inferProtocol, actorProtocol])('sent to a node on %s close that stream only', async (protocol) => {
    const violation = gate<NodeId>()
    const target: TestHost = await host({
      onViolation: (from) => violation.open(from),
      serve: () => answer([accepted, done]),
    })
    const attacker = await rogue()
    const [address] = target.addresses()
    const { multiaddr } = await import('@multiformats/multiaddr')
    const connection = await attacker.dial(multiaddr(address as string))
    const bad = await connection.newStream(protocol)
    const closed = gate()
    bad.addEventListener('close', () => closed.open())
    bad.send(Uint8Array.from([9, 9, 9, 9, 9, 9, 9]))
    expect(await violation.opened).toBe(attacker.peerId.toString())
    await closed.opened
    expect(connection.status).toBe('open')
    await attacker.stop()
  })
})

/** The value of a counter that has stopped. */
async function settled(read: () => number): Promise<number> {
  for (let before = -1, now = read(); ; before = now, now = read()) {
    if (before === now) return now
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
}
