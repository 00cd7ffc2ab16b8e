/** A large file made into a model by the command, against what a person would do by hand: copy it and hash it. */
import { execFile, spawnSync } from 'node:child_process'
import { open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type BenchContext, tinyGguf } from '../support/context.ts'
import { omxNode } from '../support/node-process.ts'
import { byRound, Table } from '../support/samples.ts'
import type { Section, SectionResult } from '../support/section.ts'

const fileBytes = 1_000_000_000
/** Enough to see that it runs. */
const smokeBytes = 50_000_000
const mostTimes = 1.3

const execute = promisify(execFile)
const column = 'seconds'
const arms = { create: 'omx-node create', hand: 'cp, then sha256sum' } as const

export const create: Section = {
  name: 'create',
  title: 'Making a model of a file',
  method: `A GGUF file of ${fileBytes / 1e9} GB, read once before, on the disk that the models are on. \`omx-node create\` hashes it, sends it to a running node, which hashes and syncs it, and has
the model made; by hand it is copied, and the copy is hashed.`,
  run,
}

async function run(context: BenchContext): Promise<SectionResult> {
  const missing = ['cp', 'sha256sum'].filter((program) => spawnSync(program, ['--version']).error !== undefined)
  if (missing.length > 0)
    return { tables: [], verdicts: [], notes: [`Not measured: no ${missing.join(', no ')} here.`] }
  const table = new Table([column])
  const sizeBytes = context.smoke ? smokeBytes : fileBytes
  for (let round = 0; round < context.rounds; round++) {
    const group = context.newGroup()
    const node = await group.spawn('maker', { words: ['--engine', 'sim'] }).ready()
    const file = join(group.folder, 'large.gguf')
    const copy = join(group.folder, 'copy.gguf')
    await writeLarge(file, sizeBytes)
    await writeFile(join(group.folder, 'Modelfile'), `FROM ${file}\n`)
    const words = ['create', 'large', '-f', join(group.folder, 'Modelfile'), '--data', node.data]
    table.add(arms.create, { [column]: await timed(() => omxNode(words)) })
    const byHand = () => execute('sh', ['-c', 'cp "$0" "$1" && sha256sum "$1"', file, copy])
    table.add(arms.hand, { [column]: await timed(byHand) })
    await group.stop()
    await Promise.all([file, copy, join(node.data, 'models')].map((path) => rm(path, { recursive: true, force: true })))
  }
  const share = byRound(
    [arms.create, arms.hand].map((arm) => table.values(arm, column)),
    (made, hand) => made / hand,
  )
  return {
    tables: [{ title: `A file of ${sizeBytes / 1e6} MB`, table }],
    verdicts: [
      {
        what: 'create against cp and sha256sum',
        target: `≤ ${mostTimes} ×`,
        measured: share,
        unit: '×',
        met: share.median <= mostTimes,
      },
    ],
  }
}

/** The tiny model, and bytes behind it that it does not need. */
async function writeLarge(path: string, sizeBytes: number): Promise<void> {
  await using file = await open(path, 'w')
  await file.write(await readFile(tinyGguf))
  const block = Buffer.alloc(1024 * 1024, 'pad')
  for (let at = (await file.stat()).size; at < sizeBytes; at += block.length) await file.write(block)
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work()
  return (performance.now() - startMs) / 1000
}
