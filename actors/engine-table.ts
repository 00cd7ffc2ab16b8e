/** The worker's table of engines: pure decisions about what to load and what to unload. */
import type { Ref } from '../protocols/ref.ts'
import type { EngineFacts } from './engine.ts'

/** wanted: asked for, waiting for room; loading: also while it restarts; leaving: told to unload. */
export type EngineState = 'wanted' | 'loading' | 'ready' | 'leaving'

export interface EngineRow {
  readonly state: EngineState
  /** Undefined until its process has begun to load. */
  readonly facts: EngineFacts | undefined
  readonly active: number
  /** Wall time of its unloading if nothing more comes; -1: never. */
  readonly expiresAtMs: number
  readonly keepAliveMs: number
  /** What it is to be loaded with, or was. */
  readonly options: Readonly<Record<string, unknown>>
  /** Who is told when it is ready or cannot be. */
  readonly waiters: readonly Ref[]
  /** The version that must leave memory first. */
  readonly after: string | undefined
}

export type EngineTable = ReadonlyMap<string, EngineRow>

export function withRow(table: EngineTable, digest: string, change: Partial<EngineRow>): EngineTable {
  const row = table.get(digest)
  return row === undefined ? table : new Map(table).set(digest, { ...row, ...change })
}

export function withoutRow(table: EngineTable, digest: string): EngineTable {
  const rest = new Map(table)
  rest.delete(digest)
  return rest
}

/** A version has left memory, or its process has: who waited for its room need not any more. */
export function withRoomOf(table: EngineTable, digest: string): EngineTable {
  return new Map([...table].map(([key, row]) => [key, row.after === digest ? { ...row, after: undefined } : row]))
}

/** What somebody who waits for a version wants of it. */
export interface Want {
  readonly waiter: Ref
  readonly keepAliveMs: number
  readonly options: Readonly<Record<string, unknown>>
}

/**
 * One more who waits for a version; it is wanted from now on, if it is not on its way already. Where it has yet to be
 * loaded, who has waited longest decides how: whom that does not suit asks again, and none is overtaken for ever.
 */
export function withWaiter(table: EngineTable, digest: string, { waiter, keepAliveMs, options }: Want): EngineTable {
  const row = table.get(digest)
  const waiters = [...(row?.waiters ?? []), waiter]
  if (row !== undefined) {
    const isFirst = row.state !== 'loading' && row.waiters.length === 0
    return new Map(table).set(digest, { ...row, waiters, keepAliveMs, options: isFirst ? options : row.options })
  }
  const wanted: EngineRow = {
    state: 'wanted',
    facts: undefined,
    active: 0,
    expiresAtMs: 0,
    keepAliveMs,
    options,
    waiters,
    after: undefined,
  }
  return new Map(table).set(digest, wanted)
}

/** The idle engine that would be the first to be unloaded anyway. */
export function evictable(table: EngineTable): string | undefined {
  const soonest = ({ expiresAtMs }: EngineRow): number => (expiresAtMs < 0 ? Infinity : expiresAtMs)
  return [...table]
    .filter(([, { state, active }]) => state === 'ready' && active === 0)
    .toSorted(([, a], [, b]) => soonest(a) - soonest(b))[0]?.[0]
}

/** What to start and what to unload, so that what is wanted finds room among `maxLoaded`. */
export function decide(table: EngineTable, maxLoaded: number): { start: string[]; evict: string[] } {
  const rows = [...table]
  const wanted = rows.filter(([, { state, after }]) => state === 'wanted' && after === undefined)
  const room = maxLoaded - rows.filter(([, { state }]) => state !== 'wanted').length
  const start = wanted.slice(0, Math.max(0, room)).map(([digest]) => digest)
  const leaving = rows.filter(([, { state }]) => state === 'leaving').length
  const missing = wanted.length - start.length - leaving
  const victim = missing > 0 ? evictable(table) : undefined
  return { start, evict: victim === undefined ? [] : [victim] }
}
