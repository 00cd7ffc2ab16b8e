import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decide, type EngineRow, type EngineTable, evictable, withRow, withWaiter } from '../../actors/engine-table.ts'

const empty: EngineRow = {
  state: 'wanted',
  facts: undefined,
  active: 0,
  expiresAtMs: 0,
  keepAliveMs: 0,
  options: {},
  waiters: [],
  after: undefined,
}

const row = (rest: Partial<EngineRow>): EngineRow => ({ ...empty, ...rest })

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
const rows = fc
  .dictionary(
    name,
    fc.record({
      state: fc.constantFrom('wanted', 'loading', 'ready', 'leaving'),
      active: fc.nat(2),
      expiresAtMs: fc.integer({ min: -1, max: 5 }),
      after: fc.option(name, { nil: undefined }),
    }),
  )
  .map((found) => new Map(Object.entries(found).map(([key, rest]) => [key, row(rest as Partial<EngineRow>)])))

/** What the worker does with a decision. */
function carryOut(table: EngineTable, maxLoaded: number): EngineTable {
  const { start, evict } = decide(table, maxLoaded)
  const started = start.reduce((next, digest) => withRow(next, digest, { state: 'loading' }), table)
  return evict.reduce((next, digest) => withRow(next, digest, { state: 'leaving' }), started)
}

const inMemory = (table: EngineTable): number => [...table.values()].filter(({ state }) => state !== 'wanted').length

describe('deciding what to load', () => {
  it('never brings more models into memory than may be there', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 4 }), (table, maxLoaded) => {
        expect(inMemory(carryOut(table, maxLoaded))).toBeLessThanOrEqual(Math.max(maxLoaded, inMemory(table)))
      }),
    )
  })

  it('unloads only what is ready and idle, and only when something waits for its place', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 4 }), (table, maxLoaded) => {
        for (const victim of decide(table, maxLoaded).evict) {
          expect(table.get(victim)).toMatchObject({ state: 'ready', active: 0 })
          expect([...table.values()].some(({ state }) => state === 'wanted')).toBe(true)
        }
      }),
    )
  })

  it('says the same again once it was carried out: nothing more to start, and no second victim for the same place', () => {
    fc.assert(
      fc.property(rows, (table) => {
        const maxLoaded = 1
        const { start } = decide(carryOut(table, maxLoaded), maxLoaded)
        expect(start).toEqual([])
      }),
    )
  })

  it('gives a place to whoever has waited longest', () => {
    const table = new Map([
      ['a', row({})],
      ['b', row({})],
      ['c', row({})],
    ])
    expect(decide(table, 2).start).toEqual(['a', 'b'])
  })

  it('keeps a place until the model that must leave first has left', () => {
    const table = new Map([
      ['a', row({ after: 'b' })],
      ['b', row({ state: 'leaving' })],
    ])
    expect(decide(table, 4)).toEqual({ start: [], evict: [] })
  })
})

describe('choosing what to unload', () => {
  it('takes the idle model that would be the first to go anyway', () => {
    const table = new Map([
      ['forever', row({ state: 'ready', expiresAtMs: -1 })],
      ['late', row({ state: 'ready', expiresAtMs: 90 })],
      ['soon', row({ state: 'ready', expiresAtMs: 10 })],
      ['busy', row({ state: 'ready', expiresAtMs: 1, active: 1 })],
      ['loading', row({ state: 'loading', expiresAtMs: 0 })],
    ])
    expect(evictable(table)).toBe('soon')
  })

  it('takes one that was to stay for ever only when there is no other', () => {
    expect(evictable(new Map([['forever', row({ state: 'ready', expiresAtMs: -1 })]]))).toBe('forever')
    expect(evictable(new Map([['busy', row({ state: 'ready', active: 1 })]]))).toBeUndefined()
  })
})

it('a model is wanted once, however many wait for it', () => {
  const once = withWaiter(new Map(), 'a', { waiter: 'n/$ask/1', keepAliveMs: 10, options: { num_ctx: 1 } })
  const twice = withWaiter(withRow(once, 'a', { state: 'loading' }), 'a', {
    waiter: 'n/$ask/2',
    keepAliveMs: 20,
    options: { num_ctx: 2 },
  })
  expect(twice.get('a')?.options).toEqual({ num_ctx: 1 })
  const leaving = withWaiter(withRow(once, 'a', { state: 'leaving' }), 'a', {
    waiter: 'n/$ask/3',
    keepAliveMs: 20,
    options: { num_ctx: 3 },
  })
  expect(leaving.get('a')?.options).toEqual({ num_ctx: 1 })
  const unasked = withRow(once, 'a', { state: 'leaving', waiters: [] })
  const anew = withWaiter(unasked, 'a', { waiter: 'n/$ask/4', keepAliveMs: 20, options: { num_ctx: 4 } })
  expect(anew.get('a')?.options).toEqual({ num_ctx: 4 })
  expect(twice.get('a')).toMatchObject({ state: 'loading', waiters: ['n/$ask/1', 'n/$ask/2'], keepAliveMs: 20 })
})
