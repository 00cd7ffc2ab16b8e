import { describe, expect, it } from 'vitest'

import { Workshop } from './support/workshop.ts'

const ready = { value: { type: 'worker.ready' } }
const refused = (code: string) => ({ value: { type: 'worker.refused', code } })

describe('a loaded model', () => {
  it('leaves memory when it was not used for its time, and the report says so', async () => {
    const shop = new Workshop({ keepAliveMs: 5000 })
    await shop.load('x')
    await shop.world.run(4900)
    expect(shop.isLoaded('x')).toBe(true)
    await shop.world.run(200)
    expect(shop.isLoaded('x')).toBe(false)
    expect(shop.process('x').ended).toBe(true)
    expect(shop.reported()).toEqual([])
  })

  it('stays while it is used, and its time begins when the last request ends', async () => {
    const shop = new Workshop({ keepAliveMs: 1000 })
    await shop.load('x', { requests: 2 })
    await shop.world.run(5000)
    shop.end('x')
    await shop.world.run(5000)
    expect(shop.isLoaded('x')).toBe(true)
    shop.end('x')
    await shop.world.run(900)
    expect(shop.isLoaded('x')).toBe(true)
    await shop.world.run(200)
    expect(shop.isLoaded('x')).toBe(false)
  })

  it('stays for ever with a keep-alive of -1', async () => {
    const shop = new Workshop()
    await shop.load('x', { keepAliveMs: -1 })
    await shop.world.run((40 * 24 * 3_600_000) / 1000)
    expect(shop.isLoaded('x')).toBe(true)
    expect(shop.reported()).toMatchObject([{ expiresAtMs: -1 }])
  })

  it('leaves at once after its request with a keep-alive of 0, and not before that request came', async () => {
    const shop = new Workshop()
    const answer = shop.acquire('x', 0)
    await shop.settle()
    shop.process('x').becomesReady()
    await shop.world.run(50)
    expect(answer).toMatchObject(ready)
    expect(shop.isLoaded('x')).toBe(true)
    shop.begin('x', 0)
    await shop.world.run(5000)
    expect(shop.isLoaded('x')).toBe(true)
    shop.end('x')
    await shop.settle()
    expect(shop.isLoaded('x')).toBe(false)
  })

  it('leaves soon when the request that it was loaded for with a keep-alive of 0 never comes', async () => {
    const shop = new Workshop()
    await shop.load('x', { keepAliveMs: 0 })
    await shop.world.run(10_000)
    expect(shop.isLoaded('x')).toBe(false)
  })

  it('has an expiry in whole milliseconds, as reports demand, whatever fraction a client asks for', async () => {
    const shop = new Workshop()
    await shop.load('x', { keepAliveMs: 5000.25 })
    expect(Number.isInteger(shop.reported()?.[0]?.expiresAtMs)).toBe(true)
  })

  it('stays as long as its last request said', async () => {
    const shop = new Workshop({ keepAliveMs: 1000 })
    await shop.load('x')
    shop.begin('x', 30_000)
    shop.end('x')
    await shop.world.run(29_000)
    expect(shop.isLoaded('x')).toBe(true)
    await shop.world.run(2000)
    expect(shop.isLoaded('x')).toBe(false)
  })

  it('counts no request that ran in an earlier process', async () => {
    const shop = new Workshop({ keepAliveMs: 60_000 })
    await shop.load('x', { requests: 1 })
    const earlier = shop.process('x').load
    shop.process('x').dies()
    await shop.world.run(100)
    shop.process('x').becomesReady()
    await shop.settle()
    shop.begin('x')
    await shop.settle()
    shop.runtime.tell('n/node/engines/x', { type: 'request.ended', load: earlier })
    await shop.settle()
    expect(shop.stateOf('node/engines/x')).toBe('ready.busy')
    shop.end('x')
    await shop.settle()
    expect(shop.stateOf('node/engines/x')).toBe('ready.idle')
  })
})

describe('unloading on demand', () => {
  it('ends an idle model at once and says that it was there', async () => {
    const shop = new Workshop()
    await shop.load('x')
    const answer = shop.ask({ type: 'engine.unload', digest: 'x' })
    await shop.settle()
    expect(answer.value).toMatchObject({ type: 'engine.unloaded', found: true })
    expect(shop.isLoaded('x')).toBe(false)
  })

  it('waits for the requests that run', async () => {
    const shop = new Workshop()
    await shop.load('x', { requests: 2 })
    shop.ask({ type: 'engine.unload', digest: 'x' })
    await shop.world.run(60_000)
    shop.end('x')
    await shop.settle()
    expect(shop.isLoaded('x')).toBe(true)
    shop.end('x')
    await shop.settle()
    expect(shop.isLoaded('x')).toBe(false)
  })

  it('says so when there is nothing to unload', async () => {
    const shop = new Workshop()
    const answer = shop.ask({ type: 'engine.unload', digest: 'x' })
    await shop.settle()
    expect(answer.value).toMatchObject({ type: 'engine.unloaded', found: false })
  })

  it('lets a request that comes meanwhile have it loaded anew', async () => {
    const shop = new Workshop()
    await shop.load('x', { requests: 1 })
    shop.ask({ type: 'engine.unload', digest: 'x' })
    await shop.settle()
    const answer = shop.acquire('x')
    await shop.settle()
    expect(answer).toEqual({})
    shop.end('x')
    await shop.settle()
    expect(shop.started('x')).toBe(2)
    shop.process('x').becomesReady()
    await shop.settle()
    expect(answer).toMatchObject(ready)
  })

  it('of a model that waits for room leaves those who wait for it in their place', async () => {
    const shop = new Workshop({ maxLoaded: 1 })
    await shop.load('x', { requests: 1 })
    const answer = shop.acquire('y')
    await shop.settle()
    shop.ask({ type: 'engine.unload', digest: 'y' })
    await shop.settle()
    shop.end('x')
    await shop.settle()
    shop.process('y').becomesReady()
    await shop.settle()
    expect(answer).toMatchObject(ready)
  })
})

describe('an engine process that dies', () => {
  it('is started anew by its supervisor, and who waits meanwhile is told when it is ready again', async () => {
    const shop = new Workshop()
    await shop.load('x', { requests: 1 })
    shop.process('x').dies()
    await shop.settle()
    expect(shop.reported()).toEqual([])
    const answer = shop.acquire('x')
    await shop.world.run(100)
    expect(shop.started('x')).toBe(2)
    expect(answer).toEqual({})
    shop.process('x').becomesReady()
    await shop.settle()
    expect(answer).toMatchObject(ready)
    expect(shop.reported()).toMatchObject([{ digest: 'x' }])
  })

  it('again and again is started after growing pauses, and never given up without a word', async () => {
    const shop = new Workshop()
    await shop.load('x')
    for (let i = 0; i < 5; i++) {
      shop.process('x').dies()
      await shop.world.run(200)
      shop.process('x').becomesReady()
      await shop.settle()
    }
    expect(shop.started('x')).toBe(6)
    const answer = shop.acquire('x')
    await shop.settle()
    expect(answer).toMatchObject(ready)
  })

  it('and cannot be loaded again refuses those who wait; the next request tries anew', async () => {
    const shop = new Workshop()
    await shop.load('x')
    shop.process('x').dies()
    await shop.settle()
    const waiter = shop.acquire('x')
    await shop.world.run(100)
    shop.process('x').cannotLoad('model-unusable')
    await shop.settle()
    expect(waiter).toMatchObject(refused('model-unusable'))
    const next = shop.acquire('x')
    await shop.settle()
    shop.process('x').becomesReady()
    await shop.settle()
    expect(next).toMatchObject(ready)
    expect(shop.started('x')).toBe(3)
  })

  it('and is told to unload while it starts is gone, and the next request loads it', async () => {
    const shop = new Workshop()
    await shop.load('x')
    shop.process('x').dies()
    await shop.world.run(100)
    shop.ask({ type: 'engine.unload', digest: 'x' })
    await shop.settle()
    expect(shop.isLoaded('x')).toBe(false)
    const next = shop.acquire('x')
    await shop.settle()
    shop.process('x').becomesReady()
    await shop.settle()
    expect(next).toMatchObject(ready)
  })
})
