import { describe, expect, it } from 'vitest'
import type { InferFrame } from '../../protocols/infer.ts'
import type { Driver } from '../../src/engine/driver.ts'
import { Executions } from './executions.ts'
import { NodeWorld } from './node-world.ts'
import { SimulatedWorld } from './world.ts'

const accepted: InferFrame = { kind: 'accepted', load: { active: 1, waiting: 0, slots: 1 } }

const done = { kind: 'done' } as InferFrame

/** An engine that answers every request with these batches. */
const driverOf = (...batches: readonly InferFrame[][]): Driver =>
  ({
    name: 'scripted',
    load: async () => ({
      async *infer() {
        yield* batches
      },
    }),
  }) as unknown as Driver

async function stream(executions: Executions, ...batches: readonly InferFrame[][]) {
  const engine = await executions
    .watched(driverOf(...batches), 'a', new NodeWorld(new SimulatedWorld(1), 'a'))
    .load({} as never, {} as never, new AbortController().signal)
  return engine.infer({ id: 'request' } as never)[Symbol.asyncIterator]()
}

describe('what an engine computes', () => {
  it('runs from its acceptance until it is left', async () => {
    const executions = new Executions()
    const frames = await stream(executions, [accepted], [])
    await frames.next()
    expect([...executions.running].map(({ id }) => id)).toEqual(['request'])
    await frames.return?.()
    expect(executions.running.size).toBe(0)
  })

  it('does not run when it was left before its first frame had come', async () => {
    const executions = new Executions()
    const frames = await stream(executions, [accepted], [])
    const first = frames.next()
    const left = frames.return?.()
    await Promise.all([first, left])
    expect(executions.running.size).toBe(0)
  })

  it('was computed where its acceptance and its end come at once', async () => {
    const executions = new Executions()
    const frames = await stream(executions, [accepted, done])
    await frames.next()
    expect(executions.begun.get('request')).toBe(1)
    expect(executions.running.size).toBe(0)
  })
})
