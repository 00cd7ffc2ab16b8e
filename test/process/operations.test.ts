/** The commands that look at a running cluster, as people and as programs read them. */
import { beforeAll, expect, it } from 'vitest'
import type { InspectAnswer } from '../../protocols/operations.ts'
import { eventually } from '../support/eventually.ts'
import { useCluster } from './support/cluster.ts'
import type { OmxNode } from './support/omx-node.ts'
import { omx } from './support/omx-process.ts'

const cluster = useCluster()
const data = cluster.newFolder()
let attic: OmxNode
let cellar: OmxNode

beforeAll(async () => {
  attic = await cluster.start('attic', { engine: 'sim', data, holds: true })
  cellar = await cluster.start('cellar', { engine: 'sim', join: attic })
  await Promise.all([attic.sees(cellar), cellar.knowsHolders('tiny', attic)])
})

it('status says how the node on a data folder is doing, to people and as JSON', async () => {
  const shown = await omx('status', '--data', data)
  expect(shown).toMatchObject({ code: 0, stderr: '' })
  for (const part of ['attic', attic.id, 'serving', attic.address, '1 healthy of 1', '1 on disk', '0 active']) {
    expect(shown.stdout).toContain(part)
  }
  const json = await omx('status', '--data', data, '--json')
  expect(JSON.parse(json.stdout)).toMatchObject({
    node: attic.id,
    name: 'attic',
    state: 'serving',
    peers: { healthy: 1, total: 1 },
    models: 1,
    tasks: { active: 0, queued: 0 },
  })
})

it('peers and models are listed by any node, to people and as JSON', async () => {
  const peers = await omx('peers', '--api', cellar.url)
  expect(peers.stdout).toMatch(/^NAME +NODE +STATE/)
  expect(peers.stdout.split('\n')[1]).toMatch(/^attic +\S+ +healthy +/)
  const { peers: rows } = JSON.parse((await omx('peers', '--api', cellar.url, '--json')).stdout)
  expect(rows).toMatchObject([{ node: attic.id, name: 'attic', state: 'healthy', models: 1 }])

  const models = await omx('models', '--api', cellar.url)
  expect(models.stdout.split('\n')[1]).toMatch(/^tiny:latest +[0-9a-f]{12} +1\.7 MB +attic$/)
  expect(JSON.parse((await omx('models', '--api', cellar.url, '--json')).stdout)).toEqual({
    models: await attic.models(),
  })
})

it('disk says what the models of a node take, and what removing one gives back', async () => {
  const shown = await omx('disk', '--api', attic.url)
  expect(shown.stdout).toMatch(
    /^NAME +SIZE +ALONE\ntiny:latest +1\.7 MB +1\.7 MB\n\n.*models: 1\.7 MB in models, .* free\n$/,
  )
  const { models, named } = JSON.parse((await omx('disk', '--api', attic.url, '--json')).stdout)
  expect(models).toEqual([{ name: 'tiny:latest', size: named, alone: named }])
  expect((await omx('disk', '--api', cellar.url)).stdout).toMatch(/^\/.*models: 0 B in models/)
})

it('inspect draws the tree of this node, and of another one by its name', async () => {
  const here = await omx('inspect', '--api', cellar.url)
  expect(here.stdout).toMatch(new RegExp(`^cellar \\(${cellar.id}\\)\n└─ node`))
  const there = await omx('inspect', '--api', cellar.url, '--peer', 'attic')
  expect(there.stdout).toMatch(new RegExp(`^attic \\(${attic.id}\\)\n└─ node`))
  for (const actor of ['membership', 'peers', cellar.id, 'health-check', 'scheduler', 'ollama-api', 'inspector']) {
    expect(there.stdout).toContain(`─ ${actor} `)
  }
  const json = JSON.parse((await omx('inspect', '--api', cellar.url, '--peer', attic.id, '--json')).stdout)
  expect(json).toMatchObject({ node: attic.id, name: 'attic' })
  const unknown = await omx('inspect', '--api', cellar.url, '--peer', 'nobody')
  expect(unknown).toEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^omx-node: [^\n]*no node is called nobody/),
  })
})

it('inspect pulls another node’s counters, and says in JSON what its actors did', async () => {
  const pull = async () => {
    const { stdout } = await omx('inspect', '--api', cellar.url, '--peer', 'attic', '--json')
    return JSON.parse(stdout) as InspectAnswer
  }
  const first = await pull()
  await attic.client.chat({ model: 'tiny', messages: [{ role: 'user', content: 'x' }], options: { num_predict: 3 } })
  const second = await pull()
  const handledBy = ({ actors }: InspectAnswer) => actors.find(({ path }) => path === 'node/scheduler')?.handled ?? 0
  expect(handledBy(second)).toBeGreaterThan(handledBy(first))
  expect(second.counters?.handled).toBeGreaterThan(first.counters?.handled ?? Number.NaN)
  expect(second.counters?.links).toBeGreaterThan(0)
  expect(second.dead?.map(({ path }) => path)).toContainEqual(expect.stringMatching(/^node\/tasks\//))
  expect(second.deadlocks).toEqual([])
})

it('inspect --facts tails what starts and ends on another node', async () => {
  const tail = cluster.spawn(['inspect', '--api', cellar.url, '--peer', 'attic', '--facts'])
  await eventually('a request’s task is seen to end', async () => {
    await attic.client.chat({ model: 'tiny', messages: [{ role: 'user', content: 'x' }], options: { num_predict: 3 } })
    return /^[\d:.]+ {2}exited {2}node\/tasks\/\w+ {2}normal$/m.test(tail.stdout)
  })
  tail.kill('SIGINT')
  expect(await tail.exited).toEqual({ code: 0, signal: null })
})

it('inspect --follow prints an engine’s transitions on another node while a chat runs', async () => {
  const chat = { model: 'tiny', messages: [{ role: 'user', content: 'x' }], options: { num_predict: 3 } }
  await attic.client.chat({ ...chat })
  const { path } = await eventually('the engine is loaded', () => attic.engine())
  const words = ['inspect', '--api', cellar.url, '--peer', 'attic', '--follow', path, '--json']
  const following = cluster.spawn(words)
  await eventually('the follower is there', async () => (await cellar.actors('node/inspector/follower-')).length === 1)
  await eventually('it follows a chat', async () => {
    await cellar.client.chat({ ...chat })
    return following.stdout.includes('request.ended')
  })
  const lines = following.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines[0]).toMatchObject({ path, from: 'ready.idle', to: 'ready.busy', event: 'request.started' })
  expect(lines[1]).toMatchObject({ path, from: 'ready.busy', to: 'ready.idle', event: 'request.ended' })
  following.kill('SIGINT')
  expect(await following.exited).toEqual({ code: 0, signal: null })
  await eventually('nobody follows any more', async () => (await cellar.actors('node/inspector/')).length === 0)
})

it('a command that finds no node says where it looked and what to do', async () => {
  const folder = cluster.newFolder()
  expect(await omx('status', '--data', folder)).toEqual({
    code: 1,
    stdout: '',
    stderr: `omx-node: No node runs on ${folder}. Start one with \`omx-node start\`, or name one with --api HOST:PORT or --data DIR.\n`,
  })
  const refused = await omx('peers', '--api', '127.0.0.1:1')
  expect(refused).toEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^omx-node: No node answers at [^\n]+\n$/),
  })
})
