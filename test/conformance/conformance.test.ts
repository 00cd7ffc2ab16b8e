/** Every row against real nodes, and against another server where OMX_CONFORMANCE_URL names one. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { useCluster } from '../process/support/cluster.ts'
import type { OmxNode } from '../process/support/omx-node.ts'
import { known, knownOfForwarding } from './known.ts'
import { findModels, type Models } from './models.ts'
import { ownNames, writeOwnModels } from './own-models.ts'
import { idOf, rows } from './rows.ts'
import { runRow } from './run.ts'
import { Server } from './server.ts'

interface Target {
  readonly title: string
  readonly open: () => Promise<string>
  readonly names: readonly string[]
  readonly settleMs: number
  /** What it is known to answer otherwise. */
  readonly known: Readonly<Record<string, string>>
}

const cluster = useCluster()
/** Rows that ran against a node of ours. */
const ran = new Set<string>()

async function holder(engine: 'llama' | 'sim'): Promise<OmxNode> {
  const data = cluster.newFolder()
  await writeOwnModels(join(data, 'models'), engine)
  return cluster.start(`${engine}-holder`, { engine, data, holds: true, words: speed })
}

async function forwarding(engine: 'llama' | 'sim'): Promise<OmxNode> {
  const holding = await holder(engine)
  const front = await cluster.start(`${engine}-front`, { engine, join: holding, words: speed })
  await front.sees(holding)
  await Promise.all(ownNames(engine).map((name) => front.knowsHolders(name, holding)))
  return front
}

/** The sim engine answers as fast as it is read. */
const speed = ['--sim-tokens-per-second', '0']
/** Gossip brings what another node has loaded: at most every second, and a little later on a busy machine. */
const settleMs = 5_000

const own: readonly Target[] = [
  { title: 'one node', open: () => holder('sim'), names: ownNames('sim'), settleMs: 0, known },
  {
    title: 'a node that forwards',
    open: () => forwarding('sim'),
    names: ownNames('sim'),
    settleMs,
    known: knownOfForwarding,
  },
  {
    title: 'a node that forwards to llama',
    open: () => forwarding('llama'),
    names: ownNames('llama'),
    settleMs,
    known: knownOfForwarding,
  },
].map(({ open, ...target }) => ({ ...target, open: async () => (await open()).url }))
const url = process.env.OMX_CONFORMANCE_URL
const targets: readonly Target[] =
  url === undefined ? own : [{ title: url, open: () => Promise.resolve(url), names: [], settleMs: 0, known: {} }]

describe.each(targets)('$title answers as Ollama does', ({ open, names, settleMs, known: expected }) => {
  let server: Server
  let models: Models
  beforeAll(async () => {
    server = new Server(await open())
    models = await findModels(server, names)
  })

  it.each(rows.map((row) => ({ id: idOf(row), row })))('$id', async ({ id, row }) => {
    const isKnown = expected[id] !== undefined
    const outcome = await runRow(row, { server, models, settleMs: isKnown ? 0 : settleMs })
    if (outcome.kind === 'skipped') return
    ran.add(id)
    if (!isKnown) expect(outcome).toEqual({ kind: 'same' })
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
