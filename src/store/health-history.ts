/** What health checks found over the last day, per peer, in SQLite: written in batches, never on a request's path. */
import type { DatabaseSync } from 'node:sqlite'
import { Batches, type Table } from './batches.ts'
import type { StoreError } from './store-error.ts'

/** How far back the history reaches in ms. */
const retentionMs = 24 * 60 * 60 * 1000

/** Rows per peer: a day of checks every 30 s is 2,880; the rest is room for checks on demand. */
const maxRowsPerPeer = 5_000

/** Longest error text kept, in characters. */
const maxErrorLength = 500

export interface HealthRecord {
  readonly peer: string
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly ok: boolean
  readonly latencyMs: number
  readonly error?: string
}

export interface HealthHistory {
  /** Adds a result; it is written at the end of this turn, together with the others. */
  record(record: HealthRecord): void
  /** A peer's results since a time, oldest first. */
  history(peer: string, sinceMs: number): readonly HealthRecord[]
  /** Writes what waits and closes the file. Calling it again does nothing. */
  close(): void
}

const schema = `
  CREATE TABLE IF NOT EXISTS health (
    peer TEXT NOT NULL, at_ms INTEGER NOT NULL, ok INTEGER NOT NULL, latency_ms REAL NOT NULL, error TEXT
  );
  CREATE INDEX IF NOT EXISTS health_by_peer ON health (peer, at_ms);
  CREATE INDEX IF NOT EXISTS health_by_time ON health (at_ms);
`

/**
 * Opens or creates the file. Throws a StoreError when it is damaged or cannot be written. What cannot be written later (a
 * full disk) waits, to a limit, and `onError` is told: a history is no reason to end a node.
 */
export function openHealthHistory(path: string, onError: (error: StoreError) => void): HealthHistory {
  const batches = new Batches({ path, file: 'health history', records: 'health checks', schema, table, onError })
  const select = batches.database.prepare(
    'SELECT peer, at_ms, ok, latency_ms, error FROM health WHERE peer = ? AND at_ms >= ? ORDER BY at_ms, rowid',
  )
  return {
    record: (record) => batches.add(record),
    history: (peer, sinceMs) => {
      batches.flush()
      return select.all(peer, sinceMs).map((row) => ({
        peer: String(row.peer),
        atMs: Number(row.at_ms),
        ok: row.ok === 1,
        latencyMs: Number(row.latency_ms),
        ...(row.error === null ? {} : { error: String(row.error) }),
      }))
    },
    close: () => batches.close(),
  }
}

function table(database: DatabaseSync): Table<HealthRecord> {
  const insert = database.prepare('INSERT INTO health (peer, at_ms, ok, latency_ms, error) VALUES (?, ?, ?, ?, ?)')
  const dropOld = database.prepare('DELETE FROM health WHERE at_ms < ?')
  const dropExcess = database.prepare(
    `DELETE FROM health WHERE rowid IN (
       SELECT rowid FROM (
         SELECT rowid, row_number() OVER (PARTITION BY peer ORDER BY at_ms DESC, rowid DESC) AS place FROM health
       ) WHERE place > ?
     )`,
  )
  // Retention counts from the latest time recorded, so that it needs no clock of its own.
  let latestMs = 0
  return {
    insert: ({ peer, atMs, ok, latencyMs, error }) => {
      insert.run(peer, Math.round(atMs), ok ? 1 : 0, latencyMs, error?.slice(0, maxErrorLength) ?? null)
      latestMs = Math.max(latestMs, atMs)
    },
    prune: () => {
      dropOld.run(latestMs - retentionMs)
      dropExcess.run(maxRowsPerPeer)
    },
  }
}
