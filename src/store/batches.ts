/**
 * Records that go to a SQLite file in batches, one transaction for all of a turn: never on a request's path, and safe from
 * the end of this process before anybody hears what the turn decided. A history and a journal differ in their tables.
 */
import { DatabaseSync } from 'node:sqlite'
import { causeText, StoreError } from './store-error.ts'

/** Records that wait for the end of the turn or for a disk that writes again; the oldest make room for more. */
const maxWaiting = 10_000

/** Records written at once when a turn makes very many. */
const maxBatch = 1_000

/** Records between two prunings: a pruning reads an index, so it is not worth one per record. */
const recordsPerPruning = 200

/** After a batch that could not be written the next is tried this much later, not with every record. */
const retryMs = 1_000

/** What a kind of record is, in its tables. */
export interface Table<T> {
  insert(record: T): void
  /** Deletes what is too old or too much. */
  prune(): void
}

export interface BatchesInit<T> {
  readonly path: string
  /** What the file is, and what it holds, in the plural: for messages. */
  readonly file: string
  readonly records: string
  readonly schema: string
  readonly table: (database: DatabaseSync) => Table<T>
  /** Told when writing begins to fail, and how many records were lost by the time it worked again. */
  readonly onError: (error: StoreError) => void
}

export class Batches<T> {
  readonly database: DatabaseSync
  readonly #init: BatchesInit<T>
  readonly #table: Table<T>
  #waiting: T[] = []
  #lost = 0
  /** Starts full, so that the first batch of a run prunes what earlier runs left. */
  #sincePruning = recordsPerPruning
  /** Whether the end of this turn writes. */
  #due = false
  #retry: NodeJS.Timeout | undefined

  /** Opens or creates the file. Throws a StoreError when it is damaged or cannot be written. */
  constructor(init: BatchesInit<T>) {
    this.#init = init
    let database: DatabaseSync | undefined
    try {
      database = new DatabaseSync(init.path)
      database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; ${init.schema}`)
      this.#table = init.table(database)
      this.database = database
    } catch (error) {
      database?.close()
      throw new StoreError(
        'corrupt',
        `The ${init.file} ${init.path} cannot be opened: ${causeText(error)}. It holds no settings: remove it and start again.`,
        { cause: error },
      )
    }
  }

  /** Takes a record; it is written at the end of this turn, before any promise that the turn resolved goes on. */
  add(record: T): void {
    if (!this.database.isOpen) return
    this.#waiting.push(record)
    if (this.#retry !== undefined) this.#dropExcess()
    else if (this.#waiting.length >= maxBatch) this.flush()
    else if (!this.#due) {
      this.#due = true
      process.nextTick(() => this.flush())
    }
  }

  /** Writes what waits, now. A batch that cannot be written waits for the next try. */
  flush(): void {
    this.#due = false
    if (this.#waiting.length === 0 || !this.database.isOpen) return
    const isRetry = this.#retry !== undefined
    clearTimeout(this.#retry)
    this.#retry = undefined
    try {
      this.#write(this.#waiting)
      this.#waiting = []
      this.#tellLost()
    } catch (error) {
      if (this.database.isTransaction) this.database.exec('ROLLBACK')
      this.#retry = setTimeout(() => this.flush(), retryMs)
      this.#retry.unref()
      const message = `wait to be written: ${causeText(error)}. Check the disk of the data folder.`
      if (!isRetry) this.#tell(this.#waiting.length, message, error)
    }
  }

  /** Writes what waits and closes the file. Calling it again does nothing. */
  close(): void {
    if (!this.database.isOpen) return
    this.flush()
    clearTimeout(this.#retry)
    this.#lost += this.#waiting.length
    this.#tellLost()
    this.database.close()
  }

  #write(records: readonly T[]): void {
    const sincePruning = this.#sincePruning + records.length
    const isDue = sincePruning >= recordsPerPruning
    this.database.exec('BEGIN IMMEDIATE')
    for (const record of records) this.#table.insert(record)
    if (isDue) this.#table.prune()
    this.database.exec('COMMIT')
    this.#sincePruning = isDue ? 0 : sincePruning
  }

  #dropExcess(): void {
    if (this.#waiting.length <= maxWaiting) return
    this.#waiting.shift()
    this.#lost++
  }

  #tellLost(): void {
    if (this.#lost > 0) this.#tell(this.#lost, 'found no room and are lost.')
    this.#lost = 0
  }

  #tell(count: number, what: string, cause?: unknown): void {
    this.#init.onError(new StoreError('unwritable', `${count} ${this.#init.records} ${what}`, { cause }))
  }
}
