/** Real nodes as registries of each other: pulled from and pushed to, also through a node that holds nothing. */
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { tinyGguf, useCluster } from './support/cluster.ts'
import { omx } from './support/omx-process.ts'

/** A large file is written, read and hashed at both ends, and three nodes start: on a busy machine that takes its time. */
const largePush = { timeout: 90_000 }

const cluster = useCluster()

/** The last line of a stream of progress. */
async function lastOf(lines: AsyncIterable<{ status: string }>): Promise<string> {
  let last = ''
  for await (const { status } of lines) last = status
  return last
}

it('a model goes from one cluster to another and back through nodes that do not hold it', async () => {
  const holder = await cluster.start('holder', { holds: true })
  const front = await cluster.start('front', { join: holder })
  const other = await cluster.start('other')
  await front.knowsHolders('tiny', holder)
  const there = `${front.url}/library/tiny`
  expect(await lastOf(await other.client.pull({ model: there, insecure: true, stream: true }))).toBe('success')
  const pulled = `${front.url.slice('http://'.length)}/library/tiny:latest`
  const [model] = (await other.client.list()).models
  expect(model?.name).toBe(pulled)
  expect(model?.digest).toBe((await holder.client.list()).models[0]?.digest)
  expect((await other.client.generate({ model: pulled, prompt: 'x', options: { num_predict: 3 } })).eval_count).toBe(3)

  // Named after where it is to go, it goes there: to the node that holds nothing, by the one that computed with it.
  const mine = `${front.url.slice('http://'.length)}/me/mine`
  await other.client.copy({ source: pulled, destination: mine })
  const seen: string[] = []
  for await (const { status } of await other.client.push({ model: mine, insecure: true, stream: true })) {
    if (status !== seen.at(-1)) seen.push(status)
  }
  expect([seen[0], ...seen.slice(-2)]).toEqual(['retrieving manifest', 'pushing manifest', 'success'])
  expect(seen[1]).toMatch(/^pushing [0-9a-f]{12}$/)
  expect((await front.client.list()).models.map(({ name }) => name)).toContain('me/mine:latest')
  expect((await front.client.generate({ model: 'me/mine', prompt: 'x', options: { num_predict: 3 } })).eval_count).toBe(
    3,
  )

  const none = other.client.push({ model: `${front.url.slice('http://'.length)}/me/none`, insecure: true })
  await expect(none).rejects.toThrow('not found')
})

it('a model that is deleted over /v2 of a node that does not hold it is gone from every node', async () => {
  const holder = await cluster.start('holder', { holds: true })
  const other = await cluster.start('other', { holds: true, join: holder })
  const front = await cluster.start('front', { join: holder })
  await front.knowsHolders('tiny', holder, other)
  const remove = () => fetch(`${front.url}/v2/library/tiny/manifests/latest`, { method: 'DELETE' })
  expect((await remove()).status).toBe(202)
  for (const node of [holder, other, front]) {
    await eventually('the model is gone', async () => (await node.client.list()).models.length === 0)
  }
  const again = await remove()
  expect([again.status, (await again.json()) as unknown]).toMatchObject([
    404,
    { errors: [{ code: 'MANIFEST_UNKNOWN' }] },
  ])
})

it('a push goes on when the node that takes it is killed in the middle and started again', largePush, async () => {
  const holder = await cluster.start('holder')
  const folder = mkdtempSync(join(tmpdir(), 'omx-push-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'large.gguf')
  // Far more than is under way at once.
  writeFileSync(file, Buffer.concat([readFileSync(tinyGguf), Buffer.alloc(150_000_000, 'pad')]))
  const data = cluster.newFolder()
  const first = await cluster.start('taker', { data })
  const { host } = new URL(first.url)
  const name = `${host}/me/large`
  writeFileSync(join(folder, 'Modelfile'), `FROM ${file}\n`)
  const made = await omx('create', name, '-f', join(folder, 'Modelfile'), '--api', new URL(holder.url).host)
  expect(made).toMatchObject({ code: 0 })
  let again: Promise<unknown> | undefined
  let last = ''
  for await (const { status, completed = 0, total = 0 } of await holder.client.push({
    model: name,
    insecure: true,
    stream: true,
  })) {
    last = status
    if (again !== undefined || completed === 0 || completed >= total) continue
    first.process.kill('SIGKILL')
    again = first.process.exited.then(() => cluster.start('taker', { data, words: ['--api', host] }))
  }
  expect([again !== undefined, last]).toEqual([true, 'success'])
  const taker = (await again) as typeof first
  const [there] = (await taker.client.list()).models
  expect(there).toMatchObject({ name: 'me/large:latest', digest: (await holder.client.list()).models[0]?.digest })
  expect(readdirSync(join(data, 'models', 'blobs')).filter((file) => file.startsWith('omx-'))).toEqual([])
})

it('a model is made of one that only another node holds, and stays when that node is gone', async () => {
  const holder = await cluster.start('holder', { holds: true })
  const front = await cluster.start('front', { join: holder })
  await front.knowsHolders('tiny', holder)
  const seen: string[] = []
  for await (const { status } of await front.client.create({
    model: 'mine',
    from: 'tiny',
    system: 'Be brief.',
    stream: true,
  })) {
    if (status !== seen.at(-1)) seen.push(status)
  }
  expect(seen[0]).toBe('pulling manifest')
  expect(seen.filter((status) => status === 'success')).toHaveLength(1)
  expect(seen.at(-1)).toBe('success')
  holder.process.kill('SIGKILL')
  expect((await front.client.show({ model: 'mine' })).system).toBe('Be brief.')
  expect((await front.client.generate({ model: 'mine', prompt: 'x', options: { num_predict: 3 } })).eval_count).toBe(3)

  // Nobody holds it: its registry is asked, which is not there.
  const nowhere = front.client.create({ model: 'other', from: '127.0.0.1:9/library/none' })
  await expect(nowhere).rejects.toThrow(/^pull model manifest: .*127\.0\.0\.1:9 cannot be reached/)
})

it('a blob is read from another holder when the one that a node would ask has died', async () => {
  const first = await cluster.start('first', { holds: true })
  const second = await cluster.start('second', { holds: true, join: first })
  const front = await cluster.start('front', { join: first })
  await front.knowsHolders('tiny', first, second)
  const { layers } = (await (await fetch(`${front.url}/v2/library/tiny/manifests/latest`)).json()) as {
    layers: { digest: string }[]
  }
  const url = `${front.url}/v2/library/tiny/blobs/${layers[0]?.digest}`
  first.process.kill('SIGKILL')
  const bytes = await eventually('the blob comes from the one that lives', async () => {
    const answer = await fetch(url)
    return answer.ok ? Buffer.from(await answer.arrayBuffer()) : undefined
  })
  expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(layers[0]?.digest)
})
