/**
 * The task journal in SQLite: rows are added, never changed. It outlives the process, not a power cut: a request does not
 * wait for the disk. A file that cannot be written refuses no request either; what waits for it is bounded, and what is
 * lost is counted and logged.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { AcceptedTask, TaskEnd, TaskJournal } from '../../actors/task-journal.ts'
import { Batches, type Table } from './batches.ts'
import type { StoreError } from './store-error.ts'

/** How far back the journal reaches in ms: no request lives longer. */
const retentionMs = 24 * 60 * 60 * 1000

/** Tasks that are kept: one a second for a day and some more; about 25 MB. */
const maxTasks = 100_000

/** Longest model name kept, in characters: a valid one is shorter. */
const maxModelLength = 512

export interface StoredTaskJournal extends TaskJournal {
  /** Tasks that an earlier run had accepted and not ended: they are ended now, as failed with `node-restarted`. */
  readonly cutOff: number
  /** Writes what waits and closes the file. Calling it again does nothing. */
  close(): void
}

/** `seq` orders the tasks of a file; a task has one row in `accepted` and at most one in `ended`. */
const schema = `
  CREATE TABLE IF NOT EXISTS accepted (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, model TEXT NOT NULL, digest TEXT NOT NULL, at_ms INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS ended (
    seq INTEGER PRIMARY KEY, status TEXT NOT NULL, code TEXT, worker TEXT, at_ms INTEGER NOT NULL
  );
`

type Row =
  | ({ readonly kind: 'accepted'; readonly seq: number } & AcceptedTask)
  | ({ readonly kind: 'ended'; readonly seq: number } & TaskEnd)

/**
 * Opens or creates the file, and closes what an earlier run left open. Throws a StoreError when it is damaged or cannot
 * be written. `nowMs`: since 1970.
 */
export function openTaskJournal(path: string, nowMs: number, onError: (error: StoreError) => void): StoredTaskJournal {
  const batches = new Batches({ path, file: 'task journal', records: 'task records', schema, table, onError })
  const cutOff = endLeftOpen(batches.database, nowMs)
  let lastSeq = latestSeq(batches.database)
  /** Accepted and not ended; bounded by what the scheduler admits. */
  const open = new Map<string, number>()
  return {
    cutOff,
    accepted: (task) => {
      lastSeq++
      open.set(task.id, lastSeq)
      batches.add({ kind: 'accepted', seq: lastSeq, ...task })
    },
    ended: (id, end) => {
      const seq = open.get(id)
      if (seq === undefined) return
      open.delete(id)
      batches.add({ kind: 'ended', seq, ...end })
    },
    close: () => batches.close(),
  }
}

function endLeftOpen(database: DatabaseSync, nowMs: number): number {
  const { changes } = database
    .prepare(
      `INSERT INTO ended (seq, status, code, worker, at_ms)
         SELECT seq, 'failed', 'node-restarted', NULL, ? FROM accepted
         WHERE NOT EXISTS (SELECT 1 FROM ended WHERE ended.seq = accepted.seq)`,
    )
    .run(Math.round(nowMs))
  return Number(changes)
}

function latestSeq(database: DatabaseSync): number {
  return Number(database.prepare('SELECT max(seq) AS seq FROM accepted').get()?.seq ?? 0)
}

function table(database: DatabaseSync): Table<Row> {
  const insertAccepted = database.prepare('INSERT INTO accepted (seq, id, model, digest, at_ms) VALUES (?, ?, ?, ?, ?)')
  const insertEnded = database.prepare('INSERT INTO ended (seq, status, code, worker, at_ms) VALUES (?, ?, ?, ?, ?)')
  const oldestKept = database.prepare('SELECT seq FROM accepted WHERE at_ms >= ? ORDER BY seq LIMIT 1')
  const drop = [
    database.prepare('DELETE FROM accepted WHERE seq < ?'),
    database.prepare('DELETE FROM ended WHERE seq < ?'),
  ]
  // Retention counts from the latest record, so that it needs no clock of its own.
  let latest = { atMs: 0, seq: 0 }
  return {
    insert: (row) => {
      const { seq } = row
      const atMs = Math.round(row.atMs)
      latest = { atMs: Math.max(latest.atMs, atMs), seq: Math.max(latest.seq, seq) }
      if (row.kind === 'ended') insertEnded.run(seq, row.status, row.code ?? null, row.worker ?? null, atMs)
      else insertAccepted.run(seq, row.id, row.model.slice(0, maxModelLength), row.digest, atMs)
    },
    prune: () => {
      const young = Number(oldestKept.get(latest.atMs - retentionMs)?.seq ?? latest.seq)
      for (const statement of drop) statement.run(Math.max(young, latest.seq - maxTasks + 1))
    },
  }
}
