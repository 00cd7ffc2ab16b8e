/** A real node brings a model from a registry, asked by the official client. */
import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { TestRegistry } from '../registry/server.ts'
import { eventually } from '../support/eventually.ts'
import { tinyGguf, useCluster } from './support/cluster.ts'

const mebibyte = 1024 * 1024

const cluster = useCluster()

it('the official client pulls a model, sees its progress, lists it at once and computes with it', async () => {
  const server = await TestRegistry.start()
  const [digest = ''] = server.add('tiny', await readFile(tinyGguf))
  const node = await cluster.start('node')
  const name = `${server.url}/library/tiny`
  const seen: string[] = []
  let last = {}
  for await (const line of await node.client.pull({ model: name, insecure: true, stream: true })) {
    if (line.status !== seen.at(-1)) seen.push(line.status)
    if (line.digest === digest) last = line
  }
  expect([seen[0], seen[1]]).toEqual(['pulling manifest', `pulling ${digest.slice(7, 19)}`])
  expect(seen.slice(-3)).toEqual(['verifying sha256 digest', 'writing manifest', 'success'])
  expect(last).toMatchObject({
    digest,
    total: server.blobs.get(digest)?.length,
    completed: server.blobs.get(digest)?.length,
  })
  const stored = `${server.url.slice('http://'.length)}/library/tiny:latest`
  expect((await node.client.list()).models.map((model) => model.name)).toEqual([stored])
  const answer = await node.client.generate({ model: stored, prompt: 'x', options: { num_predict: 3 } })
  expect(answer.eval_count).toBe(3)
  const missing = node.client.pull({ model: `${server.url}/library/none`, insecure: true })
  await expect(missing).rejects.toThrow('pull model manifest: file does not exist')
})

it('a node that is killed in the middle of a pull asks, started again, only for what is missing', async () => {
  const server = await TestRegistry.start()
  // Weights that a computation never reads, so that there is something to be in the middle of.
  const model = Buffer.concat([await readFile(tinyGguf), randomBytes(46 * mebibyte)])
  const [digest = ''] = server.add('big', model)
  // Every part stops within its third piece.
  const sentBytes = 2.5 * mebibyte
  let parts = 0
  let askedBytes = 0
  server.trick = (request, response, url) => {
    const [, first = '', last = ''] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    if (url.pathname !== `/storage/${digest}`) return false
    parts += 1
    askedBytes += Number(last) + 1 - Number(first)
    const contentRange = `bytes ${first}-${last}/${model.length}`
    response.writeHead(206, { 'content-length': Number(last) + 1 - Number(first), 'content-range': contentRange })
    response.write(model.subarray(Number(first), Number(first) + sentBytes))
    return true
  }
  const data = cluster.newFolder()
  const request = { model: `${server.url}/library/big`, insecure: true }
  const killed = await cluster.start('killed', { data })
  let completed = 0
  const reading = (async () => {
    for await (const line of await killed.client.pull({ ...request, stream: true })) completed = line.completed
  })()
  await eventually(
    'all that the registry sends has come',
    () => askedBytes === model.length && completed === parts * sentBytes,
  )
  expect(parts).toBeGreaterThan(1)
  killed.process.kill('SIGKILL')
  await expect(reading).rejects.toThrow()
  await killed.process.exited
  const files = await readdir(join(data, 'models', 'blobs'))
  expect(files.filter((file) => !file.startsWith('omx-partial-'))).toEqual([])

  server.trick = () => false
  const before = server.asked.length
  const again = await cluster.start('again', { data })
  expect(await again.client.pull(request)).toEqual({ status: 'success' })
  expect(server.bytesAsked(digest, before)).toBe(model.length - parts * 2 * mebibyte)
  const { models } = await again.client.list()
  expect(models).toMatchObject([{ size: expect.any(Number), details: { family: 'llama' } }])
  const name = models[0]?.name ?? ''
  expect((await again.client.generate({ model: name, prompt: 'x', options: { num_predict: 3 } })).eval_count).toBe(3)
})

it('a node that may take only so many bytes a second takes its time', async () => {
  const server = await TestRegistry.start()
  const model = await readFile(tinyGguf)
  server.add('tiny', model)
  const node = await cluster.start('slow', { words: ['--pull-max-bytes-per-second', '1000000'] })
  const startMs = performance.now()
  await node.client.pull({ model: `${server.url}/library/tiny`, insecure: true })
  // All but what a tenth of a second lets through at once.
  expect(performance.now() - startMs).toBeGreaterThan((model.length / 1_000_000 - 0.1) * 1000)
})
