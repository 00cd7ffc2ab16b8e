import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { type HealthHistory, type HealthRecord, openHealthHistory } from '../../src/store/health-history.ts'
import { lockDatabase, temporaryFolder } from './fixtures.ts'

const dayMs = 24 * 60 * 60 * 1000
const startMs = Date.UTC(2026, 0, 2)

async function newPath(): Promise<string> {
  return join(await temporaryFolder(), 'health.sqlite')
}

function open(path: string, onError: (error: Error) => void = failing): HealthHistory {
  const history = openHealthHistory(path, onError)
  onTestFinished(() => history.close())
  return history
}

function failing(error: Error): void {
  throw error
}

function check(peer: string, atMs: number): HealthRecord {
  return { peer, atMs, ok: true, latencyMs: 1.5 }
}

describe('the health history', () => {
  it('answers with the results of one peer since a time, oldest first', async () => {
    const history = open(await newPath())
    const failed: HealthRecord = { peer: 'a', atMs: startMs + 2, ok: false, latencyMs: 0, error: 'timed out' }
    history.record(failed)
    history.record(check('a', startMs + 1))
    history.record(check('a', startMs))
    history.record(check('b', startMs + 3))
    expect(history.history('a', startMs + 1)).toEqual([check('a', startMs + 1), failed])
    expect(history.history('nobody', 0)).toEqual([])
  })

  it('is on the disk after the turn, for the next process too', async () => {
    const path = await newPath()
    const history = open(path)
    history.record(check('a', startMs))
    const other = new DatabaseSync(path, { readOnly: true })
    onTestFinished(() => other.close())
    const rows = () => other.prepare('SELECT count(*) AS rows FROM health').get()?.rows
    expect(rows()).toBe(0)
    await vi.waitFor(() => expect(rows()).toBe(1), { interval: 1 })
    history.close()
    history.close()
    expect(open(path).history('a', 0)).toEqual([check('a', startMs)])
  })

  it('forgets what is older than a day', async () => {
    const path = await newPath()
    const history = open(path)
    history.record(check('a', startMs))
    history.close()
    const next = open(path)
    next.record(check('b', startMs + dayMs + 1))
    expect(next.history('a', 0)).toEqual([])
    expect(next.history('b', 0)).toHaveLength(1)
  })

  it('keeps the newest rows of a peer that is checked too often, and all of the others', async () => {
    const history = open(await newPath())
    history.record(check('quiet', startMs))
    for (let count = 0; count < 6_000; count++) history.record(check('busy', startMs + count))
    const kept = history.history('busy', 0)
    expect(kept.length).toBeLessThanOrEqual(5_200)
    expect(kept.length).toBeGreaterThanOrEqual(5_000)
    expect(kept.at(-1)?.atMs).toBe(startMs + 5_999)
    expect(history.history('quiet', 0)).toHaveLength(1)
  })

  it('cuts an endless error text', async () => {
    const history = open(await newPath())
    history.record({ ...check('a', startMs), ok: false, error: 'x'.repeat(10_000) })
    expect(history.history('a', 0)[0]?.error).toHaveLength(500)
  })

  it('tells once of a file that cannot be written, and writes what waited when it can', async () => {
    const path = await newPath()
    const errors: Error[] = []
    const history = open(path, (error) => errors.push(error))
    const other = lockDatabase(path)
    history.record(check('a', startMs))
    expect(history.history('a', 0)).toEqual([])
    history.record(check('a', startMs + 1))
    expect(history.history('a', 0)).toEqual([])
    expect(errors.map(({ message }) => message)).toEqual([
      '1 health checks wait to be written: database is locked. Check the disk of the data folder.',
    ])
    other.exec('ROLLBACK')
    history.record(check('a', startMs + 2))
    expect(history.history('a', 0)).toHaveLength(3)
    expect(errors).toHaveLength(1)
  })

  it('keeps the newest of what waits for the file, and says how many were lost', async () => {
    const path = await newPath()
    const errors: Error[] = []
    const history = open(path, (error) => errors.push(error))
    const other = lockDatabase(path)
    for (let count = 0; count < 10_007; count++) history.record(check(String(count), startMs + count))
    other.exec('ROLLBACK')
    expect(history.history('6', 0)).toEqual([])
    expect(history.history('7', 0)).toHaveLength(1)
    expect(history.history('10006', 0)).toHaveLength(1)
    expect(errors.map(({ message }) => message).slice(1)).toEqual(['7 health checks found no room and are lost.'])
  })

  it('that is no database is refused with what to do', async () => {
    const path = await newPath()
    await writeFile(path, 'x'.repeat(5_000))
    expect(() => openHealthHistory(path, failing)).toThrow(/health\.sqlite cannot be opened: .*remove it/)
  })
})
