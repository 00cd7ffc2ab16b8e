/**
 * The data folder and its lock. The lock is an exclusive SQLite transaction that is held open: the operating system
 * ends it with the process, however that dies, and nothing needs to judge whether a lock file is stale.
 */
import { existsSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { makeFolder } from './make-folder.ts'
import { readRunFile, removeRunFile } from './run-file.ts'
import { causeText, StoreError } from './store-error.ts'

/** How long an opening waits for the lock in ms: a command that only asks whether it is held has it for less. */
const lockWaitMs = 250

/** SQLite's primary result codes for "somebody else holds the lock". */
const sqliteBusy = 5
const sqliteLocked = 6

/** The locks that this process holds: a database that nothing refers to would be closed with the garbage. */
const heldLocks = new Set<DatabaseSync>()

export interface DataFolder {
  /** Absolute. */
  readonly path: string
  /** Gives the folder to the next one. Calling it again does nothing. */
  release(): void
}

/**
 * Creates the folder (mode 0700) if need be and takes it for this process. Throws a StoreError: `unwritable`, or
 * `locked` with the holder's process id where its run file tells.
 */
export async function openDataFolder(path: string): Promise<DataFolder> {
  const folder = resolve(path)
  await makeWritable(folder)
  const database = lock(folder)
  if (database === undefined) throw await heldError(folder)
  heldLocks.add(database)
  const release = () => {
    if (heldLocks.delete(database)) database.close()
  }
  try {
    // Whoever wrote it has died: the lock was free.
    await removeRunFile(folder)
  } catch (error) {
    release()
    throw error
  }
  return { path: folder, release }
}

/** Whether a process holds the folder now. Creates nothing. Throws a StoreError when the lock cannot be read. */
export function isHeld(path: string): boolean {
  const file = lockPath(resolve(path))
  if (!existsSync(file)) return false
  const database = lock(resolve(path))
  database?.close()
  return database === undefined
}

/** The open transaction that is the lock; undefined when another one holds it. */
function lock(folder: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(lockPath(folder), { timeout: lockWaitMs })
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database?.close()
    if (isBusy(error)) return undefined
    throw new StoreError(
      'unwritable',
      `The lock ${lockPath(folder)} cannot be taken: ${causeText(error)}. Remove that file if no node runs, or choose another folder with --data.`,
      { cause: error },
    )
  }
}

function lockPath(folder: string): string {
  return join(folder, 'lock.sqlite')
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && [sqliteBusy, sqliteLocked].includes(Number(error.errcode))
}

async function makeWritable(folder: string): Promise<void> {
  try {
    await makeFolder(folder, 0o700)
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new StoreError(
      'unwritable',
      `The data folder ${folder} cannot be created or written: ${causeText(error)}. Choose another one with --data.`,
      { cause: error },
    )
  }
}

async function heldError(folder: string): Promise<StoreError> {
  const run = await readRunFile(folder).catch(() => undefined)
  const holder = run === undefined ? 'another omx-node' : `the omx-node with process id ${run.pid} (${run.api})`
  return new StoreError(
    'locked',
    `The data folder ${folder} is in use by ${holder}. Stop that node, or choose another folder with --data.`,
  )
}
