/** Every row against real nodes, and against another server where OMX_CONFORMANCE_URL names one. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, useCluster } from '../process/support/cluster.ts'
import type { OmxNode } from '../process/support/omx-node.ts'
import { known } from './known.ts'
import { findModels, type Models } from './models.ts'
import { ownNames, writeOwnModels } from './own-models.ts'
import { idOf, rows } from './rows.ts'
import { runRow } from './run.ts'
import { Server } from './server.ts'

interface Target {
  readonly title: string
  readonly open: () => Promise<string>
  readonly names: readonly string[]
  /** What it is known to answer otherwise. */
  readonly known: Readonly<Record<string, string>>
}

const cluster = useCluster()
/** Rows that ran against a node of ours. */
const ran = new Set<string>()

async function holder(engine: 'llama' | 'sim'): Promise<OmxNode> {
  const data = cluster.newFolder()
  await mkdir(data, { recursive: true })
  await writeOwnModels(join(data, 'models'))
  return cluster.start(`${engine}-holder`, { engine, data, holds: true, words: speed })
}

async function forwarding(engine: 'llama' | 'sim', home: Cluster): Promise<OmxNode> {
  const holding = await holder(engine)
  const front = await home.start(`${engine}-front`, { engine, join: holding, words: speed })
  await front.sees(holding)
  await Promise.all(ownNames.map((name) => front.knowsHolders(name, holding)))
  return front
}

/** The sim engine answers as fast as it is read. */
const speed = ['--sim-tokens-per-second', '0']

const own: readonly Target[] = [
  { title: 'one node', open: async () => (await holder('sim')).url, names: ownNames, known },
  { title: 'a node that forwards', open: async () => (await forwarding('sim', cluster)).url, names: ownNames, known },
  {
    title: 'a node that forwards to one that computes',
    open: async () => (await forwarding('llama', cluster)).url,
    names: ownNames,
    known,
  },
]
const url = process.env.OMX_CONFORMANCE_URL
const targets: readonly Target[] =
  url === undefined ? own : [{ title: url, open: () => Promise.resolve(url), names: [], known: {} }]

describe.each(targets)('$title answers as Ollama does', ({ open, names, known: expected }) => {
  let server: Server
  let models: Models
  beforeAll(async () => {
    server = new Server(await open())
    models = await findModels(server, names)
  })

  it.each(rows.map((row) => ({ id: idOf(row), row })))('$id', async ({ id, row }) => {
    const outcome = await runRow(row, server, models)
    if (outcome.kind === 'skipped') return
    ran.add(id)
    if (expected[id] === undefined) expect(outcome).toEqual({ kind: 'same' })
    else expect(outcome, `${id} is no longer different: remove it from known.ts`).toMatchObject({ kind: 'differs' })
  })
})

describe('the rows', () => {
  afterAll(() => ran.clear())

  it('have titles of their own, and known ones exist', () => {
    const ids = rows.map(idOf)
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([])
    expect(Object.keys(known).filter((id) => !ids.includes(id))).toEqual([])
  })

  it.skipIf(url !== undefined)('each run against at least one node of ours', () => {
    expect(rows.map(idOf).filter((id) => !ran.has(id))).toEqual([])
  })
})
