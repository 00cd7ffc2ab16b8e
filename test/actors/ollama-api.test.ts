import { describe, expect, it } from 'vitest'
import { type ListenerEvent, ollamaApiMachine } from '../../actors/ollama-api.ts'
import { fromCallback } from '../../src/runtime/logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { outcome, puppet, steady, supervisor } from '../runtime/kit.ts'
import { SimulatedWorld } from '../sim/world.ts'

/** The actor of a listener that the test plays. */
async function api() {
  const world = new SimulatedWorld(1)
  const runtime = new Runtime('n', world)
  const reporter = puppet('reporter')
  const listeners: Array<{ send(event: ListenerEvent): void; drains: number; closed: boolean }> = []
  const listener = fromCallback<{ type: 'drain' }>(({ sendBack, receive }) => {
    const bound = { send: (event: ListenerEvent) => sendBack(event as never), drains: 0, closed: false }
    listeners.push(bound)
    receive(() => void bound.drains++)
    return () => {
      bound.closed = true
    }
  })
  const logic = ollamaApiMachine.provide({ actors: { listener } })
  runtime.spawn(
    supervisor('node', {
      policy: steady,
      children: [reporter.spec, { id: 'ollama-api', logic, restart: 'permanent' }],
    }),
  )
  await world.run(1)
  const drain = () => outcome(runtime.ask('n/node/ollama-api', { type: 'drain' }, 30_000))
  return { world, runtime, reporter, listeners, drain }
}

describe('the listener of a node', () => {
  it('is told to the reporter with its address when it is bound', async () => {
    const { world, reporter, listeners } = await api()
    listeners[0]?.send({ type: 'listener.open', api: '127.0.0.1:1' })
    await world.run(1)
    expect(reporter.heard).toEqual([{ type: 'api.open', api: '127.0.0.1:1' }])
  })

  it('that fails is a crash, and is bound anew', async () => {
    const { world, listeners } = await api()
    listeners[0]?.send({ type: 'listener.failed', error: new Error('gone') })
    await world.run(100)
    expect(listeners.map(({ closed }) => closed)).toEqual([true, false])
  })

  it('drains once, and all who asked are answered when it has', async () => {
    const { world, listeners, drain } = await api()
    listeners[0]?.send({ type: 'listener.open', api: '127.0.0.1:1' })
    const answers = [drain(), drain()]
    await world.run(1000)
    expect(listeners[0]?.drains).toBe(1)
    expect(answers).toEqual([{}, {}])
    listeners[0]?.send({ type: 'listener.drained' })
    await world.run(1)
    for (const answer of answers) expect(answer.value).toMatchObject({ type: 'drained' })
  })

  it('answers at once when it has drained before', async () => {
    const { world, listeners, drain } = await api()
    listeners[0]?.send({ type: 'listener.open', api: '127.0.0.1:1' })
    drain()
    await world.run(1)
    listeners[0]?.send({ type: 'listener.drained' })
    await world.run(1)
    const again = drain()
    await world.run(1)
    expect(again.value).toMatchObject({ type: 'drained' })
  })

  it('drains also while it is being bound', async () => {
    const { world, listeners, drain } = await api()
    const answer = drain()
    await world.run(1)
    expect(listeners[0]?.drains).toBe(1)
    listeners[0]?.send({ type: 'listener.drained' })
    await world.run(1)
    expect(answer.value).toMatchObject({ type: 'drained' })
  })
})
