import { describe, expect, it } from 'vitest'
import type { InferFrame, InferRequest, Resume } from '../../protocols/infer.ts'
import { type AttemptSink, attemptLogic } from '../../src/net/attempt.ts'
import { Channel } from '../../src/runtime/channel.ts'
import { type AnyActorLogic, setup } from '../../src/runtime/logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { supervisor } from '../runtime/kit.ts'
import { SimulatedWorld } from '../sim/world.ts'

const load = { active: 1, waiting: 0, slots: 2 }
const request: InferRequest = {
  id: 'r',
  traceId: 'r',
  model: 'm',
  digest: 'd',
  work: { kind: 'generate', prompt: 'x', raw: true },
  options: {},
  remainingMs: 0,
}
const accepted: InferFrame = { kind: 'accepted', load }
const token = (index: number, count = 1): InferFrame => ({
  kind: 'token',
  index,
  tokens: Array.from({ length: count }, (_, n) => index + n),
  text: 'x',
})
const done: InferFrame = {
  kind: 'done',
  reason: 'stop',
  promptTokens: 1,
  cachedTokens: 0,
  promptNs: 1,
  evalTokens: 1,
  evalNs: 1,
  loadNs: 0,
}

/** A response that holds as many frames as it is given room for. */
class Sink implements AttemptSink {
  nextIndex = 0
  resume: Resume | undefined
  worker: string | undefined
  readonly frames: InferFrame[] = []
  room = Infinity
  #drained: (() => void) | undefined

  acceptedBy(node: string): void {
    this.worker = node
  }

  push(frame: InferFrame): boolean {
    this.frames.push(frame)
    if (frame.kind === 'token') this.nextIndex += frame.tokens.length
    return this.frames.length < this.room
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained = resolve
    })
  }

  drain(): void {
    this.room = Infinity
    this.#drained?.()
  }
}

/** One attempt, invoked by an actor that keeps what it is told; the test is the worker. */
async function attempt(init: { sink: Sink | undefined } = { sink: new Sink() }) {
  const { sink } = init
  const world = new SimulatedWorld(1)
  const runtime = new Runtime('n', world)
  const worker = { left: 0, opened: [] as InferRequest[] }
  const frames = new Channel<InferFrame>({ highWater: 4, onCancel: () => void worker.left++ })
  const loads: unknown[] = []
  const told: Array<{ type: string }> = []
  const logic = attemptLogic({
    open: (_, asked) => {
      worker.opened.push(asked)
      return frames
    },
    sinkOf: () => sink,
    onLoad: (node, digest, heard) => void loads.push([node, digest, heard]),
  })
  const host = setup({ types: { events: {} as { type: string } }, actors: { attempt: logic } }).createMachine({
    invoke: { src: 'attempt', input: { node: 'w', request } },
    on: { '*': { actions: ({ event }) => void told.push(event) } },
  })
  runtime.spawn(supervisor('node', { children: [{ id: 'task', logic: host as AnyActorLogic }] }))
  await world.run(1)
  const give = async (...given: InferFrame[]): Promise<void> => {
    for (const frame of given) frames.push(frame)
    await world.run(1)
  }
  const stop = async (): Promise<void> => {
    void runtime.stop('n/node')
    await world.run(1)
  }
  return { world, frames, worker, loads, told, give, stop, sink: sink as Sink }
}

const types = (told: ReadonlyArray<{ type: string }>): string[] => told.map(({ type }) => type)

describe('an attempt', () => {
  it('carries tokens to the response and tells the task only what happened', async () => {
    const { give, sink, told, loads } = await attempt()
    await give(accepted, { kind: 'progress', phase: 'prefill', done: 1, total: 2 }, token(0, 2), token(2))
    await give(token(3), done)
    expect(sink.frames.map(({ kind }) => kind)).toEqual(['token', 'token', 'token'])
    expect(sink.worker).toBe('w')
    expect(types(told)).toEqual(['attempt.started', 'attempt.done'])
    expect(told.at(-1)).toMatchObject({ frame: { kind: 'done' } })
    expect(loads).toEqual([['w', 'd', load]])
  })

  it('carries vectors as well', async () => {
    const { give, sink, told } = await attempt()
    await give(accepted, { kind: 'embedding', index: 0, vector: new Float32Array([1]) }, done)
    expect(sink.frames.map(({ kind }) => kind)).toEqual(['embedding'])
    expect(types(told)).toEqual(['attempt.started', 'attempt.done'])
  })

  it('tells a refusal with its reason and the load of who refused', async () => {
    const { give, told, loads, sink } = await attempt()
    await give({ kind: 'refused', reason: 'busy', message: 'full', load })
    expect(told).toMatchObject([{ type: 'attempt.refused', node: 'w', reason: 'busy', message: 'full', load }])
    expect(loads).toHaveLength(1)
    expect(sink.worker).toBeUndefined()
  })

  it('tells a failure as it is', async () => {
    const { give, told } = await attempt()
    await give(accepted, { kind: 'failed', code: 'engine-crashed', message: 'dead' })
    expect(told).toMatchObject([{ type: 'attempt.failed', failure: { code: 'engine-crashed', message: 'dead' } }])
  })

  it.each([
    ['a gap', [token(0), token(2)]],
    ['a repetition', [token(0), token(0)]],
  ])('takes %s between tokens for a failure, and nothing after it', async (_, given) => {
    const { give, sink, told } = await attempt()
    await give(accepted, ...given, token(1), done)
    expect(sink.frames).toHaveLength(1)
    expect(types(told)).toEqual(['attempt.started', 'attempt.failed'])
    expect(told.at(-1)).toMatchObject({ failure: { code: 'protocol' } })
  })

  it('takes a stream that just ends for a failure, never for an answer', async () => {
    const { frames, give, told, world } = await attempt()
    await give(accepted, token(0))
    frames.end()
    await world.run(1)
    expect(told.at(-1)).toMatchObject({ type: 'attempt.failed', failure: { code: 'protocol' } })
  })

  it('takes no more from the worker than the client takes, and goes on when there is room again', async () => {
    const { frames, give, sink } = await attempt()
    sink.room = 2
    await give(token(0), token(1))
    await give(token(2), token(3))
    expect(sink.frames).toHaveLength(2)
    expect(frames.waiting).toBe(2)
    sink.drain()
    await give(done)
    expect(sink.frames).toHaveLength(4)
  })

  it('leaves the worker when its task has moved on, and tells and carries nothing more', async () => {
    const { give, sink, stop, told, worker } = await attempt()
    await give(accepted, token(0))
    await stop()
    expect(worker.left).toBe(1)
    await give(token(1), done)
    expect(sink.frames).toHaveLength(1)
    expect(types(told)).toEqual(['attempt.started'])
  })

  it('asks the next worker to go on where the response stands', async () => {
    const sink = new Sink()
    sink.resume = { tokens: [7, 8] }
    sink.nextIndex = 2
    const { give, worker, told } = await attempt({ sink })
    expect(worker.opened).toMatchObject([{ id: 'r', resume: { tokens: [7, 8] } }])
    await give(accepted, token(2), done)
    expect(types(told)).toEqual(['attempt.started', 'attempt.done'])
  })

  it('asks nobody when nobody waits for the answer, and says so instead of waiting for ever', async () => {
    const { worker, told } = await attempt({ sink: undefined })
    expect(worker.opened).toEqual([])
    expect(told).toMatchObject([{ type: 'attempt.failed', failure: { code: 'cancelled' } }])
  })
})
