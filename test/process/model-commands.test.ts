/** The commands that move, show and remove models, against a real node and a registry. */
import { readFile } from 'node:fs/promises'
import { beforeAll, expect, it } from 'vitest'
import { TestRegistry } from '../registry/server.ts'
import { eventually } from '../support/eventually.ts'
import { tinyGguf, useCluster } from './support/cluster.ts'
import type { OmxNode } from './support/omx-node.ts'
import { omx } from './support/omx-process.ts'

const cluster = useCluster()
const mebibyte = 1024 * 1024

let node: OmxNode
beforeAll(async () => {
  node = await cluster.start('node')
})

const run = (...words: string[]) => omx(...words, '--api', node.url.slice('http://'.length))

/** A registry with a model of these bytes, the model's name there, and what nodes call it. */
async function registryWith(name: string, bytes: Buffer) {
  const server = await TestRegistry.start()
  const digests = server.add(name, bytes)
  return { server, digests, stored: `${server.url.slice('http://'.length)}/library/${name}:latest` }
}

it('a model is pulled with a line for each step and layer, and is shown, copied and removed', async () => {
  const { server, digests, stored } = await registryWith('whole', await readFile(tinyGguf))
  expect(await run('pull', `${server.url}/library/whole`, '--insecure')).toEqual({
    ...{ code: 0, stdout: `Pulled ${stored}.\n` },
    stderr: [
      'pulling manifest',
      `pulling ${digests[0]?.slice(7, 19)} 100%  1.7 MB`,
      `pulling ${digests[1]?.slice(7, 19)} 100%  ${server.blobs.get(digests[1] ?? '')?.length} B`,
      'verifying sha256 digest',
      'writing manifest',
      '',
    ].join('\n'),
  })
  expect((await run('ls')).stdout).toContain(stored)
  expect((await run('show', stored)).stdout).toMatch(
    /^ {2}Model\n {4}architecture {8}llama\n {4}parameters {10}1\.54M\n/,
  )
  expect((await run('show', stored, '--modelfile')).stdout).toContain(`# FROM ${stored}\n`)
  expect((await run('show', stored, '--verbose')).stdout).toMatch(
    / {2}Tensors\n(.*\n)* +output\.weight +Q8_0 +\[128 1024\]\n/,
  )
  expect(await run('cp', stored, 'mine')).toEqual({ code: 0, stdout: `Copied ${stored} to mine:latest.\n`, stderr: '' })
  const removed = await run('rm', stored, 'mine', 'none')
  expect([removed.code, removed.stdout]).toEqual([1, `Deleted ${stored}.\nDeleted mine:latest.\n`])
  expect(removed.stderr).toMatch(/^omx-node: .*model 'none' not found\. See what there is: omx-node models\n$/)
  expect((await node.client.list()).models).toEqual([])
})

it('a model that is run is pulled first, answers, and is listed as loaded', async () => {
  const { server, stored } = await registryWith('asked', await readFile(tinyGguf))
  const words = ['run', `${server.url}/library/asked`, 'What is the capital of Norway?', '--insecure']
  const first = await run(...words)
  expect([first.code, first.stdout.trim()]).toEqual([0, expect.stringContaining('Oslo')])
  expect(first.stderr).toContain('writing manifest\n')
  expect(await run(...words)).toMatchObject({ code: 0, stderr: '' })
  const [title = '', row = ''] = (await run('ps')).stdout.split('\n')
  expect(title).toMatch(/^NAME +VERSION +SIZE +PROCESSOR +CONTEXT +UNTIL$/)
  expect(row).toMatch(new RegExp(`^${stored} +[0-9a-f]{12} +\\d+ MB +100% CPU +1024 +\\d+ min from now$`))
})

it('a pull that is interrupted ends with 130, and the next one goes on from what has come', async () => {
  const whole = Buffer.concat([await readFile(tinyGguf), Buffer.alloc(3 * mebibyte)])
  const { server, digests, stored } = await registryWith('slow', whole)
  const [digest = ''] = digests
  server.trick = (_request, response, url) => {
    if (url.pathname !== `/storage/${digest}`) return false
    const contentRange = `bytes 0-${whole.length - 1}/${whole.length}`
    response.writeHead(206, { 'content-length': whole.length, 'content-range': contentRange })
    response.write(whole.subarray(0, 2 * mebibyte)) // And no more.
    return true
  }
  const words = ['pull', `${server.url}/library/slow`, '--insecure', '--api', node.url]
  const interrupted = cluster.spawn([...words, '--json'])
  await eventually('two pieces have come', () => interrupted.stdout.includes(`"completed":${2 * mebibyte}`))
  interrupted.kill('SIGINT')
  expect(await interrupted.exited).toEqual({ code: 130, signal: null })
  expect(interrupted.stderr).toBe(
    `omx-node: Interrupted: what has come is kept, and the next pull of ${stored} goes on from there.\n`,
  )
  server.trick = () => false
  const before = server.asked.length
  expect(await omx(...words)).toMatchObject({ code: 0, stdout: `Pulled ${stored}.\n` })
  const ranges = server.asked.slice(before).flatMap(({ line, range }) => (line.includes(digest) ? [range] : []))
  expect(ranges.filter((range) => range !== undefined && !range.startsWith(`bytes=${2 * mebibyte}-`))).toEqual([])
  expect(ranges).toContain(`bytes=${2 * mebibyte}-${whole.length - 1}`)
})

it('a model is pushed to where its name says, in lines as a pull has them, and one that is not there is not', async () => {
  const { server, digests, stored } = await registryWith('made', await readFile(tinyGguf))
  await node.client.pull({ model: `${server.url}/library/made`, insecure: true })
  const there = await TestRegistry.start()
  there.takesPushes()
  const name = `${there.url.slice('http://'.length)}/ada/mine`
  await node.client.copy({ source: stored, destination: name })
  const [model = '', config = ''] = digests
  expect(await run('push', name, '--insecure')).toEqual({
    ...{ code: 0, stdout: `Pushed ${name}:latest.\n` },
    stderr: [
      'retrieving manifest',
      `pushing ${model.slice(7, 19)} 100%  1.7 MB`,
      `pushing ${config.slice(7, 19)} 100%  ${server.blobs.get(config)?.length} B`,
      'pushing manifest',
      '',
    ].join('\n'),
  })
  expect(there.blobs.get(model)?.equals(server.blobs.get(model) as Buffer)).toBe(true)
  expect([...there.manifests.keys()]).toEqual(['/v2/ada/mine/manifests/latest'])
  const missing = await run('push', `${name}-not`, '--insecure')
  expect([missing.code, missing.stdout]).toEqual([1, ''])
  expect(missing.stderr).toMatch(
    /\nomx-node: model '.*mine-not:latest' not found\. See what there is: omx-node models\n$/,
  )
})

it('a model that cannot be pulled is said in one sentence with the next step', async () => {
  const { server } = await registryWith('there', await readFile(tinyGguf))
  const missing = await run('pull', `${server.url}/library/none`, '--insecure')
  expect([missing.code, missing.stdout]).toEqual([1, ''])
  expect(missing.stderr).toMatch(
    /\nomx-node: pull model manifest: file does not exist\. That registry has no such model/,
  )
  const refused = await run('pull', `${server.url}/library/there`)
  expect(refused).toEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/insecure protocol http\. Add --insecure/),
  })
})
