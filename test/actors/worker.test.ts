import { describe, expect, it } from 'vitest'
import { factsOf, outcome } from '../runtime/kit.ts'
import { poison } from './support/poison.ts'
import { Workshop } from './support/workshop.ts'

const ready = { value: { type: 'worker.ready' } }
const refused = (code: string) => ({ value: { type: 'worker.refused', code } })

describe('a model that a request needs', () => {
  it('is loaded once, however many ask, and all are told when it is ready', async () => {
    const shop = new Workshop()
    const answers = [shop.acquire('x'), shop.acquire('x'), shop.acquire('x')]
    await shop.settle()
    expect(shop.processes).toHaveLength(1)
    expect(answers).toEqual([{}, {}, {}])
    shop.process('x').becomesReady()
    await shop.settle()
    for (const answer of answers) expect(answer).toMatchObject(ready)
  })

  it('is there at once when it is loaded already', async () => {
    const shop = new Workshop()
    await shop.load('x')
    const answer = shop.acquire('x')
    await shop.settle()
    expect(answer).toMatchObject(ready)
    expect(shop.started('x')).toBe(1)
  })

  it('is reported as soon as it is ready, with what its engine knows of itself', async () => {
    const shop = new Workshop()
    await shop.load('x', { keepAliveMs: 10_000 })
    expect(shop.reported()).toMatchObject([{ digest: 'x', name: 'm', contextLength: 64, slots: 2, active: 0 }])
    expect(shop.reported()?.[0]?.expiresAtMs).toBeGreaterThan(shop.world.wallMs() + 9_000)
  })

  it('is reported while it is being loaded, with who waits, and for how long it will stay then', async () => {
    const shop = new Workshop()
    const wanted = [shop.acquire('x', 5000.25), shop.acquire('x', 5000.25)]
    await shop.settle()
    expect(shop.reported()).toBeUndefined()
    shop.process('x').begins()
    await shop.settle()
    const loading = { keepAliveMs: 5001 }
    expect(shop.reported()).toMatchObject([{ digest: 'x', contextLength: 64, active: 0, waiting: 2, loading }])
    shop.process('x').becomesReady()
    await shop.settle()
    expect(wanted).toMatchObject([ready, ready])
    expect(shop.reported()).toMatchObject([{ digest: 'x', waiting: 0 }])
    expect(shop.reported()?.[0]).not.toHaveProperty('loading')
  })

  it('is in no report while it waits for room, nor once it is known that it cannot be loaded', async () => {
    const shop = new Workshop({ maxLoaded: 1 })
    await shop.load('a', { requests: 1 })
    shop.acquire('x')
    await shop.world.run(1000)
    expect(shop.reported()?.map(({ digest }) => digest)).toEqual(['a'])
    shop.end('a')
    await shop.settle()
    shop.process('x').begins()
    await shop.settle()
    expect(shop.reported()?.map(({ digest }) => digest)).toEqual(['x'])
    shop.process('x').cannotLoad()
    await shop.settle()
    expect(shop.reported()).toEqual([])
  })

  it('is reported with its load a second after that has changed', async () => {
    const shop = new Workshop()
    await shop.load('x', { requests: 1 })
    shop.loads.set('x', { active: 1, waiting: 3, slots: 2 })
    await shop.world.run(1000)
    expect(shop.reported()).toMatchObject([{ digest: 'x', active: 1, waiting: 3 }])
  })

  it('lets at most 512 requests wait for it', async () => {
    const shop = new Workshop()
    const answers = Array.from({ length: 513 }, () => shop.acquire('x'))
    await shop.settle()
    expect(answers.filter(({ value }) => value === undefined)).toHaveLength(512)
    expect(answers.at(-1)).toMatchObject(refused('busy'))
  })
})

describe('a model that cannot be loaded', () => {
  it('refuses those who wait, is tried once, and is tried anew for the next request', async () => {
    const shop = new Workshop()
    const first = shop.acquire('x')
    await shop.settle()
    shop.process('x').cannotLoad('model-unusable')
    await shop.world.run(1000)
    expect(first).toMatchObject(refused('model-unusable'))
    expect(shop.started('x')).toBe(1)
    expect(shop.isLoaded('x')).toBe(false)
    const second = shop.acquire('x')
    await shop.settle()
    expect(shop.started('x')).toBe(2)
    shop.process('x').becomesReady()
    await shop.settle()
    expect(second).toMatchObject(ready)
  })

  it('for lack of memory evicts one idle model and is tried once more when that has left', async () => {
    const shop = new Workshop({ maxLoaded: 8 })
    await shop.load('a', { keepAliveMs: 50_000 })
    await shop.load('b', { keepAliveMs: 10_000 })
    await shop.load('c', { keepAliveMs: 90_000 })
    const answer = shop.acquire('x')
    await shop.settle()
    shop.process('x').cannotLoad('insufficient-memory')
    await shop.settle()
    expect(['a', 'b', 'c'].filter((digest) => shop.isLoaded(digest))).toEqual(['a', 'c'])
    expect(answer).toEqual({})
    expect(shop.started('x')).toBe(2)
    shop.process('x').becomesReady()
    await shop.settle()
    expect(answer).toMatchObject(ready)
    expect(['a', 'c'].filter((digest) => shop.isLoaded(digest))).toEqual(['a', 'c'])
  })

  it('for lack of memory waits until the evicted one has really left', async () => {
    const shop = new Workshop({ maxLoaded: 8 })
    await shop.load('a')
    const answer = shop.acquire('x')
    await shop.settle()
    shop.begin('a') // On its way to the engine when the worker decides.
    shop.process('x').cannotLoad('insufficient-memory')
    await shop.world.run(1000)
    expect(shop.started('x')).toBe(1)
    shop.end('a')
    await shop.settle()
    expect(shop.started('x')).toBe(2)
    shop.process('x').becomesReady()
    await shop.settle()
    expect(answer).toMatchObject(ready)
  })

  it('for lack of memory is refused when nothing idle is left to evict', async () => {
    const shop = new Workshop({ maxLoaded: 8 })
    await shop.load('a', { requests: 1 })
    const answer = shop.acquire('x')
    await shop.settle()
    shop.process('x').cannotLoad('insufficient-memory')
    await shop.settle()
    expect(answer).toMatchObject(refused('insufficient-memory'))
    expect(shop.isLoaded('a')).toBe(true)
  })

  it('does not wait for an evicted model that others have loaded again', async () => {
    const shop = new Workshop({ maxLoaded: 8 })
    await shop.load('a')
    shop.acquire('x')
    await shop.settle()
    shop.process('x').cannotLoad('insufficient-memory')
    await shop.settle()
    shop.process('x').becomesReady()
    await shop.settle()
    await shop.load('a', { requests: 1 })
    shop.begin('x')
    await shop.settle()
    shop.ask({ type: 'engine.unload', digest: 'x' })
    await shop.settle()
    shop.acquire('x') // While it leaves: wanted again.
    shop.end('x')
    await shop.settle()
    expect(shop.started('x')).toBe(3)
  })

  it('is tried again also when the evicted one died instead of leaving', async () => {
    const shop = new Workshop({ maxLoaded: 8 })
    await shop.load('a')
    const answer = shop.acquire('x')
    await shop.settle()
    shop.begin('a')
    shop.process('x').cannotLoad('insufficient-memory')
    await shop.settle()
    shop.process('a').dies()
    await shop.settle()
    expect(shop.started('x')).toBe(2)
    shop.process('x').becomesReady()
    await shop.settle()
    expect(answer).toMatchObject(ready)
  })
})

describe('more models than may be loaded', () => {
  it('evict the idle one that would expire first', async () => {
    const shop = new Workshop({ maxLoaded: 2 })
    await shop.load('a', { keepAliveMs: 90_000 })
    await shop.load('b', { keepAliveMs: 10_000 })
    shop.acquire('x')
    await shop.settle()
    expect(['a', 'b', 'x'].filter((digest) => shop.isLoaded(digest))).toEqual(['a', 'x'])
    expect(shop.processes.filter(({ ended }) => !ended)).toHaveLength(2)
  })

  it('wait when all are busy, and take the place of the first that becomes idle', async () => {
    const shop = new Workshop({ maxLoaded: 2 })
    await shop.load('a', { requests: 1 })
    await shop.load('b', { requests: 1 })
    const answer = shop.acquire('x')
    await shop.world.run(5000)
    expect(shop.started('x')).toBe(0)
    shop.end('b')
    await shop.settle()
    expect(shop.started('x')).toBe(1)
    shop.process('x').becomesReady()
    await shop.settle()
    expect(answer).toMatchObject(ready)
    expect(['a', 'b', 'x'].filter((digest) => shop.isLoaded(digest))).toEqual(['a', 'x'])
  })

  it('take turns: each of several that wait for one place gets it', async () => {
    const shop = new Workshop({ maxLoaded: 1 })
    await shop.load('a')
    const answers = ['x', 'y', 'z'].map((digest) => shop.acquire(digest))
    for (const digest of ['x', 'y', 'z']) {
      await shop.settle()
      shop.process(digest).becomesReady()
      await shop.settle()
      shop.begin(digest)
      await shop.settle()
      shop.end(digest)
      await shop.settle()
    }
    for (const answer of answers) expect(answer).toMatchObject(ready)
    expect(shop.processes.filter(({ ended }) => !ended)).toHaveLength(1)
  })
})

describe('a model that was loaded for somebody', () => {
  it('gives way to another only when those have come, so that two with one place between them are both served', async () => {
    const shop = new Workshop({ maxLoaded: 1 })
    const answers = ['x', 'y'].map((digest) => shop.acquire(digest))
    await shop.settle()
    shop.process('x').becomesReady()
    await shop.settle()
    expect(answers[0]).toMatchObject(ready)
    expect(shop.process('x').ended).toBe(false)
    expect(shop.started('y')).toBe(0)
    shop.begin('x')
    await shop.world.run(3000)
    expect(shop.process('x').ended).toBe(false)
    shop.end('x')
    await shop.settle()
    expect(shop.process('x').ended).toBe(true)
    expect(shop.started('y')).toBe(1)
  })

  it('waits for nobody who stays away for a second', async () => {
    const shop = new Workshop({ maxLoaded: 1 })
    for (const digest of ['x', 'y']) shop.acquire(digest)
    await shop.settle()
    shop.process('x').becomesReady()
    await shop.world.run(900)
    expect(shop.started('y')).toBe(0)
    await shop.world.run(200)
    expect(shop.started('y')).toBe(1)
  })
})

describe('a worker that drains', () => {
  it('answers at once when nothing runs, and refuses whatever comes', async () => {
    const shop = new Workshop()
    await shop.load('x')
    const drained = shop.ask({ type: 'drain' })
    await shop.settle()
    expect(drained.value).toMatchObject({ type: 'drained' })
    const late = shop.acquire('x')
    await shop.settle()
    expect(late).toMatchObject(refused('draining'))
  })

  it('answers when the last request has ended, to everybody who asked', async () => {
    const shop = new Workshop()
    await shop.load('x', { requests: 1 })
    const first = shop.ask({ type: 'drain' })
    await shop.world.run(10_000)
    const second = shop.ask({ type: 'drain' })
    const late = shop.acquire('x')
    await shop.settle()
    expect([first, second]).toEqual([{}, {}])
    expect(late).toMatchObject(refused('draining'))
    shop.end('x')
    await shop.settle()
    expect(first.value).toMatchObject({ type: 'drained' })
    expect(second.value).toMatchObject({ type: 'drained' })
  })

  it('answers at once also when it has drained before', async () => {
    const shop = new Workshop()
    shop.ask({ type: 'drain' })
    await shop.settle()
    const again = shop.ask({ type: 'drain' })
    await shop.settle()
    expect(again.value).toMatchObject({ type: 'drained' })
  })
})

describe('a worker that crashed', () => {
  it('knows nothing, owns nothing and says so: no process is left, and the report is empty', async () => {
    const shop = new Workshop()
    await shop.load('x')
    expect(shop.reported()).toHaveLength(1)
    shop.runtime.tell('n/node/worker', poison())
    await shop.world.run(2000)
    expect(shop.processes.filter(({ ended }) => !ended)).toEqual([])
    expect(shop.reported()).toEqual([])
    const answer = shop.acquire('x')
    await shop.settle()
    shop.process('x').becomesReady()
    await shop.settle()
    expect(answer).toMatchObject(ready)
  })

  it('leaves nobody waiting: who asked for a model hears that it will not be answered', async () => {
    const shop = new Workshop()
    const waiting = outcome(shop.runtime.ask('n/node/worker', { type: 'worker.acquire', digest: 'x' }, 300_000))
    await shop.settle()
    shop.runtime.tell('n/node/worker', poison())
    await shop.settle()
    expect(waiting.reason).toBe('down')
  })
})

it('a supervisor of the engines that gives up takes the worker with it, so that none waits for an engine that is gone', async () => {
  const shop = new Workshop({ intensity: 1 })
  await shop.load('x')
  shop.process('x').dies()
  await shop.world.run(100)
  const waiting = shop.acquire('x')
  await shop.settle()
  shop.process('x').dies()
  await shop.world.run(100)
  expect(waiting.reason).toBe('down')
  const next = shop.acquire('x')
  await shop.settle()
  shop.process('x').becomesReady()
  await shop.settle()
  expect(next).toMatchObject(ready)
})

it('a node that stops ends its engines without a crash', async () => {
  const shop = new Workshop()
  const crashes = factsOf(shop.runtime, 'exited')
  await shop.load('x')
  void shop.runtime.stop('n/node')
  await shop.world.run(100)
  expect(shop.process('x').ended).toBe(true)
  expect(crashes.filter(({ exit }) => exit.kind === 'crash')).toEqual([])
})

describe('a request that wants a model loaded otherwise', () => {
  it('has it loaded anew, once those that run have finished', async () => {
    const shop = new Workshop()
    await shop.load('a', { requests: 1 })
    const answer = shop.acquire('a', undefined, { num_ctx: 8192 })
    await shop.settle()
    expect([answer.value, shop.started('a'), shop.process('a').ended]).toEqual([undefined, 1, false])
    shop.end('a')
    await shop.settle()
    expect(shop.started('a')).toBe(2)
    expect(shop.contexts.get('a')).toBe(8192)
    shop.process('a').becomesReady()
    await shop.settle()
    expect(answer.value).toMatchObject({ type: 'worker.ready' })
  })

  it('is ready at once where it is loaded so already', async () => {
    const shop = new Workshop()
    await shop.load('a')
    shop.contexts.set('a', 4096)
    const same = shop.acquire('a', undefined, { num_ctx: 4096 })
    await shop.settle()
    expect([same.value?.type, shop.started('a')]).toEqual(['worker.ready', 1])
  })

  it('does not wait behind requests that go on coming: an engine that is to leave gets nothing new', async () => {
    const shop = new Workshop()
    await shop.load('a', { requests: 2 })
    const answer = shop.acquire('a', undefined, { num_ctx: 8192 })
    await shop.settle()
    expect(shop.process('a').isLeaving).toBe(true)
    const others = [shop.acquire('a'), shop.acquire('a')]
    shop.end('a')
    shop.end('a')
    await shop.settle()
    expect(shop.contexts.get('a')).toBe(8192)
    shop.process('a').becomesReady()
    await shop.settle()
    expect([answer, ...others].map(({ value }) => value?.type)).toEqual(Array(3).fill('worker.ready'))
  })

  it('is served in its turn, whatever the others want: who has waited longest decides', async () => {
    const shop = new Workshop()
    await shop.load('a', { requests: 1 })
    const sizes = [1024, 2048, 4096]
    const wanting = sizes.map((num_ctx) => shop.acquire('a', undefined, { num_ctx }))
    await shop.settle()
    shop.end('a')
    await shop.settle()
    const loaded = [shop.contexts.get('a')]
    shop.process('a').becomesReady()
    await shop.settle()
    expect(wanting.map(({ value }) => value?.type)).toEqual(Array(3).fill('worker.ready'))
    // The first is served; the others find that it is not what they wanted, and ask again.
    shop.begin('a')
    for (const num_ctx of sizes.slice(1)) shop.acquire('a', undefined, { num_ctx })
    await shop.settle()
    shop.end('a')
    await shop.settle()
    loaded.push(shop.contexts.get('a'))
    expect(loaded).toEqual([1024, 2048])
  })
})

describe('a model that is to leave memory', () => {
  it('leaves also when it is told so by a version that its engine serves too', async () => {
    const shop = new Workshop()
    await shop.load('a')
    shop.owners.set('b', 'a')
    const answer = shop.ask({ type: 'engine.unload', digest: 'b' })
    await shop.settle()
    expect(answer.value).toMatchObject({ type: 'engine.unloaded', found: true })
    expect([shop.isLoaded('a'), shop.process('a').ended]).toEqual([false, true])
  })

  it('is not found where neither it nor its weights are there', async () => {
    const shop = new Workshop()
    await shop.load('a')
    const answer = shop.ask({ type: 'engine.unload', digest: 'b' })
    await shop.settle()
    expect(answer.value).toMatchObject({ type: 'engine.unloaded', found: false })
    expect(shop.isLoaded('a')).toBe(true)
  })
})
