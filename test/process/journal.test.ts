/** What a node has written about its requests when it is killed in the middle of them, and when it is stopped. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { useCluster } from './support/cluster.ts'
import { LineStream } from './support/line-stream.ts'

const cluster = useCluster()

const slow = ['--sim-tokens-per-second', '20', '--drain', '0s']

function tasksIn(data: string): unknown[] {
  const database = new DatabaseSync(join(data, 'tasks.sqlite'), { readOnly: true })
  try {
    return database
      .prepare('SELECT model, status, code FROM accepted LEFT JOIN ended USING (seq) ORDER BY seq')
      .all()
      .map((row) => ({ ...row }))
  } finally {
    database.close()
  }
}

it('each accepted request has exactly one end, also when its node was killed in the middle', async () => {
  const data = cluster.newFolder()
  const body = (tokens: number) => ({ model: 'tiny', prompt: 'x', options: { num_predict: tokens } })
  const first = await cluster.start('a', { engine: 'sim', data, holds: true, words: slow })
  await (await LineStream.post(first, '/api/generate', body(2))).rest()
  const cut = await LineStream.post(first, '/api/generate', body(1000))
  await cut.next()
  first.process.kill('SIGKILL')
  await first.process.exited
  await cut.rest().catch(() => {})
  expect(tasksIn(data)).toEqual([
    { model: 'tiny', status: 'completed', code: null },
    { model: 'tiny', status: null, code: null },
  ])

  const second = await cluster.start('a', { engine: 'sim', data, words: slow })
  expect(second.process.stderr).toContain('cut off in the middle of requests')
  const stopped = await LineStream.post(second, '/api/generate', body(1000))
  await stopped.next()
  second.process.kill('SIGTERM')
  await stopped.rest()
  await second.process.exited
  expect(tasksIn(data).slice(1)).toEqual([
    { model: 'tiny', status: 'failed', code: 'node-restarted' },
    { model: 'tiny', status: 'failed', code: 'stopped' },
  ])
})
