import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openTaskJournal, type StoredTaskJournal } from '../../src/store/task-journal.ts'
import { lockDatabase, temporaryFolder } from './fixtures.ts'

const dayMs = 24 * 60 * 60 * 1000
const startMs = Date.UTC(2026, 0, 2)
const child = fileURLToPath(new URL('journal-child.ts', import.meta.url))

const newPath = async (): Promise<string> => join(await temporaryFolder(), 'tasks.sqlite')

function open(path: string, onError: (error: Error) => void = failing): StoredTaskJournal {
  const journal = openTaskJournal(path, startMs + 60_000, onError)
  onTestFinished(() => journal.close())
  return journal
}

function failing(error: Error): void {
  throw error
}

function rows(path: string, table: 'accepted' | 'ended'): Array<Record<string, unknown>> {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return database
      .prepare(`SELECT * FROM ${table} ORDER BY seq`)
      .all()
      .map((row) => ({ ...row }))
  } finally {
    database.close()
  }
}

const task = (id: string, atMs = startMs) => ({ id, model: 'm', digest: 'd', atMs })

describe('the task journal', () => {
  it('has an accepted request in its file before a promise of the same turn goes on', async () => {
    const path = await newPath()
    const journal = open(path)
    const inFile = await new Promise((resolve) => {
      setImmediate(() => {
        const answer = Promise.resolve()
        journal.accepted(task('one'))
        void answer.then(() => resolve(rows(path, 'accepted')))
        expect(rows(path, 'accepted')).toEqual([])
      })
    })
    expect(inFile).toEqual([{ seq: 1, id: 'one', model: 'm', digest: 'd', at_ms: startMs }])
  })

  it('writes the first end of a request it has accepted, and no other', async () => {
    const path = await newPath()
    const journal = open(path)
    journal.accepted(task('one'))
    journal.accepted(task('two'))
    journal.ended('one', { status: 'completed', worker: 'a', atMs: startMs + 5 })
    journal.ended('one', { status: 'failed', code: 'internal', atMs: startMs + 6 })
    journal.ended('two', { status: 'failed', code: 'link-lost', atMs: startMs + 7 })
    journal.ended('never accepted', { status: 'cancelled', atMs: startMs + 8 })
    journal.close()
    expect(rows(path, 'ended')).toEqual([
      { seq: 1, status: 'completed', code: null, worker: 'a', at_ms: startMs + 5 },
      { seq: 2, status: 'failed', code: 'link-lost', worker: null, at_ms: startMs + 7 },
    ])
  })

  it('ends what a killed process left open when the next one starts, once', async () => {
    const path = await newPath()
    const process = fork(child, [path], { stdio: 'inherit', execArgv: ['--disable-warning=ExperimentalWarning'] })
    onTestFinished(() => void process.kill('SIGKILL'))
    await once(process, 'message')
    process.kill('SIGKILL')
    await once(process, 'exit')
    const second = open(path)
    expect(second.cutOff).toBe(1)
    second.accepted(task('after'))
    second.ended('after', { status: 'completed', atMs: startMs })
    second.close()
    expect(open(path).cutOff).toBe(0)
    expect(rows(path, 'accepted').map(({ id }) => id)).toEqual(['done', 'open', 'after'])
    expect(rows(path, 'ended').map(({ seq, status, code }) => ({ seq, status, code }))).toEqual([
      { seq: 1, status: 'completed', code: null },
      { seq: 2, status: 'failed', code: 'node-restarted' },
      { seq: 3, status: 'completed', code: null },
    ])
  })

  it('forgets what is older than a day', async () => {
    const path = await newPath()
    const journal = open(path)
    journal.accepted(task('old'))
    journal.ended('old', { status: 'completed', atMs: startMs })
    journal.close()
    const next = open(path)
    next.accepted(task('new', startMs + dayMs + 1))
    next.close()
    expect(rows(path, 'accepted').map(({ id }) => id)).toEqual(['new'])
    expect(rows(path, 'ended')).toEqual([])
  })

  it('keeps the newest requests of a busy day', async () => {
    const path = await newPath()
    const journal = open(path)
    for (let count = 0; count < 100_500; count++) {
      journal.accepted(task(String(count), startMs + count))
      journal.ended(String(count), { status: 'completed', atMs: startMs + count })
    }
    journal.close()
    for (const table of ['accepted', 'ended'] as const) {
      const kept = rows(path, table)
      expect(kept.length).toBeGreaterThanOrEqual(100_000)
      expect(kept.length).toBeLessThanOrEqual(100_000 + 1_000)
      expect(kept.at(-1)?.seq).toBe(100_500)
    }
  })

  it('refuses nothing while its file cannot be written, and writes then what it can', async () => {
    const path = await newPath()
    const errors: Error[] = []
    const journal = open(path, (error) => errors.push(error))
    const other = lockDatabase(path)
    journal.accepted(task('one'))
    await new Promise(setImmediate)
    journal.ended('one', { status: 'completed', atMs: startMs })
    await new Promise(setImmediate)
    expect(errors.map(({ message }) => message)).toEqual([
      '1 task records wait to be written: database is locked. Check the disk of the data folder.',
    ])
    other.exec('ROLLBACK')
    journal.close()
    expect(rows(path, 'accepted')).toHaveLength(1)
    expect(rows(path, 'ended')).toHaveLength(1)
  })
})
