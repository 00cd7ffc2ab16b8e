import { describe, expect, it } from 'vitest'
import { lifeLog } from '../runtime/kit.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { Lan } from './support/lan.ts'
import { poison } from './support/poison.ts'
import { digestA, digestB, held } from './support/reports.ts'
import { Site } from './support/site.ts'

const model = held('m:latest', digestA)

/** The children of the root in the order of their start, as `docs/architecture.md` draws them. */
const order = [
  'reporter',
  'network',
  'membership',
  'peers',
  'prober',
  'joiners',
  'models',
  'worker',
  'engines',
  'health',
  'scheduler',
  'tasks',
  'courier',
  'transfers',
  'ollama-api',
  'inspector',
]

/** A manager ends with the supervisor of what it manages: it must not go on with what it knew. */
const managers: Readonly<Record<string, string>> = { peers: 'membership', engines: 'worker' }

const supervisors = new Set(['peers', 'joiners', 'engines', 'tasks', 'transfers'])

/** Two nodes that know each other; the first holds the model and has computed with it. */
async function pair(seed = 1) {
  const world = new SimulatedWorld(seed)
  const lan = new Lan(world)
  const a = new Site(lan, 'a', { models: [model] })
  const b = new Site(lan, 'b', { join: ['a'] })
  await world.run(2000)
  await b.generate()
  await world.run(3000)
  return { world, lan, a, b }
}

function crash(site: Site, child: string): void {
  if (site.runtime.has(site.ref(child))) site.tell(child, supervisors.has(child) ? { type: 'die' } : poison())
}

/** Both know each other, and each can have the model computed. */
async function expectServing({ world, a, b }: Awaited<ReturnType<typeof pair>>): Promise<void> {
  expect(await a.peers()).toEqual({ b: 'healthy' })
  expect(await b.peers()).toEqual({ a: 'healthy' })
  for (const site of [a, b]) {
    const { frames, refused } = await site.generate()
    expect(refused, site.node).toBeUndefined()
    expect(frames.at(-1), site.node).toMatchObject({ kind: 'done' })
  }
  await world.run(4000)
  const own = (await a.view()).get('a')?.report
  const told = (await b.view()).get('a')?.report
  expect(own?.models.map(({ name }) => name)).toEqual(['m:latest'])
  expect(own?.loaded.map(({ digest }) => digest)).toEqual([digestA])
  expect(own?.api).toBe('a:11434')
  expect(told).toEqual(own)
}

it('a node starts its actors in the order of the tree and stops them in reverse', async () => {
  const world = new SimulatedWorld(1)
  const lan = new Lan(world)
  const site = new Site(lan, 'a')
  await world.run(100)
  expect(site.runtime.census().map(({ path }) => path)).toEqual(['node', ...order.map((id) => `node/${id}`)])
  const log = lifeLog(site.runtime)
  void site.runtime.stop('a/node')
  await world.run(2000)
  expect(log).toEqual([...order.toReversed().map((id) => `-node/${id}`), '-node'])
  expect(site.runtime.census()).toEqual([])
})

describe.each(order)('a node whose actor %s crashes', (child) => {
  it('starts it and those after it anew, leaves those before it alone, and serves again', async () => {
    const both = await pair()
    const log = lifeLog(both.a.runtime)
    crash(both.a, child)
    await both.world.run(8000)
    const started = log.filter((line) => /^\+node\/[^/]+$/.test(line)).map((line) => line.slice('+node/'.length))
    expect(started).toEqual(order.slice(order.indexOf(managers[child] ?? child)))
    await expectServing(both)
  })
})

it('a reporter that crashed goes on with a higher version than before, so that its reports count', async () => {
  const { world, a, b } = await pair()
  const before = (await b.view()).get('a')?.report?.version ?? 0
  for (let i = 0; i < 3; i++) {
    a.models = i % 2 === 0 ? [model, held('n:latest', digestB)] : [model]
    a.ask('models', { type: 'models.refresh' })
    await world.run(3000)
  }
  crash(a, 'reporter')
  await world.run(8000)
  a.models = [model]
  a.ask('models', { type: 'models.refresh' })
  await world.run(5000)
  const after = (await b.view()).get('a')?.report
  expect(after?.version).toBeGreaterThan(before)
  expect(after?.models.map(({ name }) => name)).toEqual(['m:latest'])
})

it('a request under way when its scheduler crashes is ended, not forgotten', async () => {
  const world = new SimulatedWorld(1)
  const lan = new Lan(world)
  const a = new Site(lan, 'a', { models: [model], sim: { tokensPerSecond: 5 } })
  await world.run(2000)
  const request = a.submit()
  await world.run(100)
  crash(a, 'scheduler')
  await world.run(100)
  expect(request.frames.at(-1)).toMatchObject({ kind: 'failed', code: 'internal' })
})

it('a request that comes while the supervisor of the tasks is restarted is refused as busy, and nothing stays open', async () => {
  const { world, a } = await pair()
  crash(a, 'tasks')
  await world.run(1)
  const request = a.submit()
  await world.run(1)
  expect(request.refused).toBe('busy')
  expect(a.journal.endsOf(request.id)).toMatchObject([{ status: 'failed', code: 'busy' }])
  await world.run(5000)
  expect((await a.generate()).frames.at(-1)).toMatchObject({ kind: 'done' })
  expect(a.journal.open).toEqual([])
})

it('a node that crashes again and again in one place gives up, with the reason', async () => {
  const { world, a } = await pair()
  const escalations: string[] = []
  a.runtime.facts.observe(['escalated'], ({ exit }) => {
    escalations.push(exit.kind === 'crash' ? exit.failure.message : exit.kind)
  })
  for (let i = 0; i < 8; i++) {
    crash(a, 'health')
    await world.run(2500)
  }
  expect(escalations).toHaveLength(1)
  expect(a.runtime.census()).toEqual([])
})
