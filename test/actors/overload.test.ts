/** An hour of three times what a cluster can compute, in virtual time. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import type { AcceptedTask, TaskEnd } from '../../actors/task-journal.ts'
import type { Message } from '../../protocols/ref.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { Lan } from './support/lan.ts'
import { MemoryJournal } from './support/memory-journal.ts'
import { digestA, held } from './support/reports.ts'
import { type Request, Site } from './support/site.ts'

setFlagsFromString('--expose_gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Two slots, each a token a second, and two tokens a request: one request a second. */
const words = 2
const tokensPerSecond = 1
const offeredEveryMs = 333
const hourMs = 60 * 60_000
/** What is looked at this often: bounds, and answers that have ended. */
const sliceMs = 10_000
/** As `support/site.ts` configures it. */
const maxQueue = 16
const slots = 2
const windowPerSlot = 3
/** Before its slots are known a holder is sent more. */
const unknownWindow = 8
const maxGrowth = 1.1

/** Remembers what is open, and how often each way to end happened. */
class Ledger extends MemoryJournal {
  readonly counts = { completed: 0, failed: 0, cancelled: 0 }
  accepts = 0
  /** Ends of requests that were not open. */
  strays = 0

  override accepted(task: AcceptedTask): void {
    this.accepts++
    super.accepted(task)
  }

  override ended(id: string, { status }: TaskEnd): void {
    if (!this.tasks.delete(id)) this.strays++
    this.counts[status]++
  }
}

class Clients {
  served = 0
  readonly refusals = new Map<unknown, number>()
  readonly #site: Site
  #open: Request[] = []

  constructor(site: Site) {
    this.#site = site
  }

  ask(): void {
    this.#open.push(this.#site.submit('m', words))
  }

  /** Counts who has an answer and forgets them. */
  settle(): void {
    this.#open = this.#open.filter((request) => {
      if (request.refused !== undefined) {
        this.refusals.set(request.refused, (this.refusals.get(request.refused) ?? 0) + 1)
        return false
      }
      if (!request.ended) return true
      const last = request.frames.at(-1)
      expect(last?.kind === 'refused' ? last.reason : last?.kind).toMatch(/^(done|busy)$/)
      if (last?.kind === 'done') this.served++
      else this.refusals.set('busy', (this.refusals.get('busy') ?? 0) + 1)
      return false
    })
  }

  get waiting(): number {
    return this.#open.length
  }
}

function heapBytes(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

async function start() {
  const world = new SimulatedWorld(1)
  const lan = new Lan(world)
  const models = [held('m:latest', digestA)]
  const worker = new Site(lan, 'a', { models, sim: { tokensPerSecond } })
  const journal = new Ledger()
  const entry = new Site(lan, 'b', { join: ['a'], journal })
  await world.run(3000)
  return { world, worker, entry, journal }
}

/** Nothing that waits is more than it may be. */
async function expectBounds(world: SimulatedWorld, entry: Site, worker: Site): Promise<void> {
  const load = entry.ask('scheduler', { type: 'load.get' })
  await world.run(2)
  const { active, queued } = load.value as Message & { active: number; queued: number }
  expect(queued).toBeLessThanOrEqual(maxQueue)
  expect(active).toBeLessThanOrEqual(Math.max(unknownWindow, slots * windowPerSlot))
  for (const site of [entry, worker]) {
    const census = site.runtime.census()
    expect(census.filter(({ path }) => path.startsWith('node/tasks/')).length).toBeLessThanOrEqual(maxQueue + 8)
    for (const { path, waiting } of census) expect(waiting, path).toBeLessThan(64)
  }
}

it('an hour of overload leaves no trace: typed refusals, bounded queues, flat memory, and full service afterwards', async () => {
  const { world, worker, entry, journal } = await start()
  const clients = new Clients(entry)
  const overload = async (forMs: number): Promise<void> => {
    for (let slice = 0; slice < forMs / sliceMs; slice++) {
      for (let ms = 0; ms < sliceMs; ms += offeredEveryMs) {
        clients.ask()
        await world.run(offeredEveryMs)
      }
      clients.settle()
      await expectBounds(world, entry, worker)
    }
  }
  await overload(hourMs / 2)
  const halfBytes = heapBytes()
  const halfServed = clients.served
  await overload(hourMs / 2)
  expect(heapBytes()).toBeLessThan(halfBytes * maxGrowth)

  expect(clients.served / halfServed).toBeCloseTo(2, 1)
  expect(clients.served).toBeGreaterThan(0.9 * (hourMs / 1000))
  expect([...clients.refusals.keys()]).toEqual(['busy'])
  expect(clients.refusals.get('busy')).toBeGreaterThan(clients.served)

  await world.run(60_000)
  clients.settle()
  expect(clients.waiting).toBe(0)
  expect(journal.tasks.size + journal.strays).toBe(0)
  expect(journal.counts.completed).toBe(clients.served)
  expect(journal.accepts).toBe(Object.values(journal.counts).reduce((sum, count) => sum + count))

  const { refusals, served } = clients
  const before = refusals.get('busy')
  for (let count = 0; count < 30; count++) {
    clients.ask()
    await world.run(1100)
  }
  await world.run(10_000)
  clients.settle()
  expect(clients.served - served).toBe(30)
  expect(refusals.get('busy')).toBe(before)
}, 120_000)

it('a client of another node is served while the clients of the holder never let up', async () => {
  const { world, worker, entry } = await start()
  const own = new Clients(worker)
  const offer = async (forMs: number): Promise<void> => {
    for (let ms = 0; ms < forMs; ms += offeredEveryMs) {
      own.ask()
      await world.run(offeredEveryMs)
    }
    own.settle()
  }
  await offer(30_000)
  const guests = []
  for (let count = 0; count < 5; count++) {
    const guest = entry.submit('m', words)
    await offer(10_000)
    guests.push(guest.frames.at(-1)?.kind)
  }
  expect(guests).toEqual(Array(5).fill('done'))
  expect(own.refusals.get('busy')).toBeGreaterThan(0)
})

it('thirty clients at once are served or told that there is no place, by one node and by two', async () => {
  const { world, worker, entry } = await start()
  for (const sites of [[worker], [worker, entry]]) {
    const asked = sites.flatMap((site) => Array.from({ length: 30 }, () => site.submit('m', words)))
    await world.run(60_000)
    const ends = asked.map(({ refused, frames }) => {
      const last = frames.at(-1)
      return refused ?? (last?.kind === 'refused' ? last.reason : last?.kind)
    })
    expect(ends.filter((end) => end !== 'done' && end !== 'busy')).toEqual([])
    expect(ends.filter((end) => end === 'done').length).toBeGreaterThanOrEqual(sites.length * maxQueue)
    expect(ends.filter((end) => end === 'busy').length).toBeGreaterThan(0)
  }
})
