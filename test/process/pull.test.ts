/** A real node brings a model from a registry, asked by the official client. */
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { TestRegistry } from '../registry/server.ts'
import { tinyGguf, useCluster } from './support/cluster.ts'

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
