/** What health checks found over the last day, per peer, in SQLite: written in batches, never on a request's path. */
import { DatabaseSync } from 'node:sqlite'
import { causeText, StoreError } from './store-error.ts'

/** How far back the history reaches in ms. */
const retentionMs = 24 * 60 * 60 * 1000

/** Rows per peer: a day of checks every 30 s is 2,880; the rest is room for checks on demand. */
const maxRowsPerPeer = 5_000

/** Records between two prunings: a pruning reads an index, so it is not worth one per record. */
const recordsPerPruning = 200

/** Records that may wait for the end of the turn; more are written at once. */
const maxWaiting = 1_000

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

/**
 * Opens or creates the file. Throws a StoreError when it is damaged or cannot be written. A batch that cannot be
 * written later (a full disk) is dropped and `onError` told: a history is no reason to end a node.
 */
export function openHealthHistory(path: string, onError: (error: StoreError) => void): HealthHistory {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path)
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS health (
        peer TEXT NOT NULL, at_ms INTEGER NOT NULL, ok INTEGER NOT NULL, latency_ms REAL NOT NULL, error TEXT
      );
      CREATE INDEX IF NOT EXISTS health_by_peer ON health (peer, at_ms);
      CREATE INDEX IF NOT EXISTS health_by_time ON health (at_ms);
    `)
    return new SqliteHistory(database, onError)
  } catch (error) {
    database?.close()
    throw new StoreError(
      'corrupt',
      `The health history ${path} cannot be opened: ${causeText(error)}. It holds no settings: remove it and start again.`,
      { cause: error },
    )
  }
}

class SqliteHistory implements HealthHistory {
  readonly #database: DatabaseSync
  readonly #onError: (error: StoreError) => void
  readonly #insert
  readonly #select
  readonly #dropOld
  readonly #dropExcess
  #waiting: HealthRecord[] = []
  /** Starts full, so that the first batch of a run prunes what earlier runs left. */
  #sincePruning = recordsPerPruning
  /** Latest time recorded: retention counts from it, so that it needs no clock of its own. */
  #latestMs = 0
  #timer: NodeJS.Immediate | undefined

  constructor(database: DatabaseSync, onError: (error: StoreError) => void) {
    this.#database = database
    this.#onError = onError
    this.#insert = database.prepare('INSERT INTO health (peer, at_ms, ok, latency_ms, error) VALUES (?, ?, ?, ?, ?)')
    this.#select = database.prepare(
      'SELECT peer, at_ms, ok, latency_ms, error FROM health WHERE peer = ? AND at_ms >= ? ORDER BY at_ms, rowid',
    )
    this.#dropOld = database.prepare('DELETE FROM health WHERE at_ms < ?')
    this.#dropExcess = database.prepare(
      `DELETE FROM health WHERE rowid IN (
         SELECT rowid FROM (
           SELECT rowid, row_number() OVER (PARTITION BY peer ORDER BY at_ms DESC, rowid DESC) AS place FROM health
         ) WHERE place > ?
       )`,
    )
  }

  record(record: HealthRecord): void {
    if (!this.#database.isOpen) return
    this.#waiting.push(record)
    if (this.#waiting.length >= maxWaiting) this.#flush()
    else this.#timer ??= setImmediate(() => this.#flush())
  }

  history(peer: string, sinceMs: number): readonly HealthRecord[] {
    this.#flush()
    return this.#select.all(peer, sinceMs).map((row) => ({
      peer: String(row.peer),
      atMs: Number(row.at_ms),
      ok: row.ok === 1,
      latencyMs: Number(row.latency_ms),
      ...(row.error === null ? {} : { error: String(row.error) }),
    }))
  }

  close(): void {
    if (!this.#database.isOpen) return
    this.#flush()
    this.#database.close()
  }

  #flush(): void {
    clearImmediate(this.#timer)
    this.#timer = undefined
    if (this.#waiting.length === 0) return
    const records = this.#waiting
    this.#waiting = []
    try {
      this.#write(records)
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      this.#onError(
        new StoreError(
          'unwritable',
          `${records.length} health checks were not recorded: ${causeText(error)}. Check the disk of the data folder.`,
          { cause: error },
        ),
      )
    }
  }

  #write(records: readonly HealthRecord[]): void {
    this.#database.exec('BEGIN IMMEDIATE')
    for (const { peer, atMs, ok, latencyMs, error } of records) {
      this.#insert.run(peer, Math.round(atMs), ok ? 1 : 0, latencyMs, error?.slice(0, maxErrorLength) ?? null)
      this.#latestMs = Math.max(this.#latestMs, atMs)
    }
    this.#sincePruning += records.length
    if (this.#sincePruning >= recordsPerPruning) this.#prune()
    this.#database.exec('COMMIT')
  }

  #prune(): void {
    this.#sincePruning = 0
    this.#dropOld.run(this.#latestMs - retentionMs)
    this.#dropExcess.run(maxRowsPerPeer)
  }
}
