import { describe, expect, it } from 'vitest'
import type { InferFrame } from '../../protocols/infer.ts'
import type { Driver } from '../../src/engine/driver.ts'
import { Executions } from './executions.ts'
import { NodeWorld } from './node-world.ts'
import { SimulatedWorld } from './world.ts'

const accepted: InferFrame = { kind: 'accepted', load: { active: 1, waiting: 0, slots: 1 } }

/** An engine whose every request is accepted and then computed without end. */
const driver = {
  name: 'endless',
  load: async () => ({
    async *infer() {
      for (;;) yield [accepted]
    },
  }),
} as unknown as Driver

async function stream(executions: Executions) {
  const engine = await executions
    .watched(driver, 'a', new NodeWorld(new SimulatedWorld(1), 'a'))
    .load({} as never, {} as never, new AbortController().signal)
  return engine.infer({ id: 'request' } as never)[Symbol.asyncIterator]()
}

describe('what an engine computes', () => {
  it('runs from its acceptance until it is left', async () => {
    const executions = new Executions()
    const frames = await stream(executions)
    await frames.next()
    expect([...executions.running].map(({ id }) => id)).toEqual(['request'])
    await frames.return?.()
    expect(executions.running.size).toBe(0)
  })

  it('does not run when it was left before its first frame had come', async () => {
    const executions = new Executions()
    const frames = await stream(executions)
    const first = frames.next()
    const left = frames.return?.()
    await Promise.all([first, left])
    expect(executions.running.size).toBe(0)
  })
})
