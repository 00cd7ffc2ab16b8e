/** What a node that does not hold a model shows of it, when it is large and when it is damaged. */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { useCluster } from './support/cluster.ts'

const cluster = useCluster()

it('a licence of megabytes is shown whole by a node that does not hold the model', async () => {
  const holder = await cluster.start('holder', { holds: true })
  const front = await cluster.start('front', { join: holder })
  await front.knowsHolders('tiny', holder)
  // Of characters that take three bytes, so that a piece is as large as it can be.
  const license = 'Der Käufer zahlt 3 € – „gern“. '.repeat(100_000)
  await holder.client.create({ model: 'licensed', from: 'tiny', license, stream: false })
  await front.knowsHolders('licensed', holder)
  expect((await front.client.show({ model: 'licensed' })).license).toBe(license)
})

it('a model with a layer that cannot be read is no model that is not there: what is wrong is told, by every node', async () => {
  const data = cluster.newFolder()
  const holder = await cluster.start('holder', { holds: true, data })
  const front = await cluster.start('front', { join: holder })
  const messages = [{ role: 'user', content: 'Hi' }]
  await holder.client.create({ model: 'damaged', from: 'tiny', messages, stream: false })
  await front.knowsHolders('damaged', holder)
  const layer = `${JSON.stringify(messages)}\n`
  const hex = createHash('sha256').update(layer).digest('hex')
  writeFileSync(join(data, 'models', 'blobs', `sha256-${hex}`), 'x'.repeat(layer.length))
  for (const node of [holder, front]) {
    const shown = await fetch(`${node.url}/api/show`, { method: 'POST', body: JSON.stringify({ model: 'damaged' }) })
    const { error } = (await shown.json()) as { error: string }
    expect([shown.status, error]).toEqual([500, expect.stringMatching(/^holder: .* is not JSON: .* again\.$/)])
  }
})
