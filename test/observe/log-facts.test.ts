import pino from 'pino'
import { expect, it } from 'vitest'
import { logFacts } from '../../src/observe/log-facts.ts'
import { order, puppet, restartMs, simulated, supervisor } from '../runtime/kit.ts'

/** A runtime with two actors, and every line that its log was given. */
async function logged() {
  const { world, runtime } = simulated()
  const lines: Array<Record<string, unknown>> = []
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  logFacts(runtime, log)
  runtime.spawn(supervisor('node', { children: [puppet('one').spec, puppet('two').spec] }))
  await world.run(1)
  const of = (msg: string) => lines.filter((line) => line.msg === msg)
  return { world, runtime, lines, of }
}

it('a crash is a warning with the reason, and a restart a line with their number', async () => {
  const { world, runtime, of } = await logged()
  runtime.tell('n1/node/one', { type: 'die' })
  await world.run(restartMs)
  expect(of('crashed')).toMatchObject([{ level: 40, actor: 'node/one', reason: 'died as told' }])
  expect(of('restarted')).toMatchObject([{ level: 30, actor: 'node/one', restarts: 1 }])
})

it('an actor that ends in order is no warning', async () => {
  const { world, runtime, lines } = await logged()
  runtime.tell('n1/node/one', { type: 'finish' })
  void runtime.stop('n1/node')
  await world.run(10)
  expect(lines.filter(({ level }) => Number(level) > 20)).toEqual([])
})

it('what was not delivered is one line for each kind within ten seconds, with how often it happened', async () => {
  const { world, runtime, of } = await logged()
  const lose = (count: number): void => {
    for (let i = 0; i < count; i++) runtime.tell('n1/node/nobody', { type: 'lost' })
  }
  lose(5)
  runtime.tell('n1/node/nobody', { type: 'also.lost' })
  expect(of('not delivered')).toMatchObject([
    { type: 'lost', why: 'absent', count: 1, to: 'node/nobody' },
    { type: 'also.lost', count: 1 },
  ])
  await world.run(10_001)
  lose(1)
  expect(of('not delivered').at(-1)).toMatchObject({ type: 'lost', count: 5 })
})

it('what a peer may not send is a warning that names it', async () => {
  const { runtime, of } = await logged()
  runtime.receive('stranger', new Uint8Array([1, 2, 3]))
  expect(of('message refused')).toMatchObject([{ level: 40, from: 'stranger' }])
})

it('a root that gives up is fatal', async () => {
  const { world, runtime, of } = await logged()
  for (let i = 0; i < 6; i++) {
    order(runtime, 'n1/node/one', () => {
      throw new Error('again')
    })
    await world.run(restartMs)
  }
  expect(of('gave up')).toHaveLength(1)
  expect(of('gave up')[0]?.level).toBe(60)
})
