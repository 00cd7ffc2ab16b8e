/** A real node whose folder has become unreadable says so where its administrator looks. */
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { useCluster } from './support/cluster.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()

const lines = ({ process }: OmxNode) => process.stderr.split('\n').filter((line) => line.includes('cannot be read out'))

it('another node that brings a model from there is told that it failed, and the holder logs what to do', async () => {
  const data = cluster.newFolder()
  const holder = await cluster.start('holder', { engine: 'sim', holds: true, data })
  const other = await cluster.start('other', { engine: 'sim', join: holder })
  await other.knowsHolders('tiny', holder)
  const blobs = join(data, 'models', 'blobs')
  await rename(blobs, `${blobs}.away`)
  await writeFile(blobs, 'a file in place of the folder')
  await expect(other.client.create({ model: 'mine', from: 'tiny', stream: false })).rejects.toThrow()
  const [line] = await eventually('the holder has logged', () => (lines(holder).length > 0 ? lines(holder) : undefined))
  expect(line).toMatch(/"level":40/)
  expect(line).toMatch(/Reading .*blobs.* failed: ENOTDIR/)
  expect(line).toContain('check who owns it and the disk, or pull its model again')
})
