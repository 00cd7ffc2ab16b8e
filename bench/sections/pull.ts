/** A large model from a registry on this machine: by a node, and by curl, which only writes it down. */
import { execFile, spawnSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { BenchContext } from '../support/context.ts'
import type { NodeProcess } from '../support/node-process.ts'
import { cpuMsOf, residentBytesOf } from '../support/processes.ts'
import { byRound, Samples, Table } from '../support/samples.ts'
import type { Section, SectionResult } from '../support/section.ts'
import { Worker } from '../support/worker.ts'

const blobBytes = 1_000_000_000
/** A longer one, pulled once: it takes no more memory. */
const timesLonger = 4
const mostMoreMegabytes = 32
/** Two parts and a bit more. */
const smokeBytes = 80_000_000
/** Between two looks at a node's memory. */
const lookEveryMs = 20
const leastShare = 0.8
/** Eight parts with a piece of 1 MiB each, and chunks that wait for their collection: a small share of the blob, whatever its size. */
const mostGrownMegabytes = 150

const execute = promisify(execFile)

const registryWorker = new URL('../workers/registry.ts', import.meta.url)
const columns = ['MB/s', 'CPU s per GB', 'memory grown, MB'] as const
const arms = {
  node: 'a node',
  longer: `a node, ${timesLonger} times the bytes`,
  file: 'curl to a file',
  hashed: 'curl to a file, then sha256sum',
  nothing: 'curl to /dev/null',
} as const

export const pull: Section = {
  name: 'pull',
  title: 'Pulling a model',
  method: `A blob of ${blobBytes / 1e9} GB from a registry in a process of its own on this machine, which makes its bytes up as they are asked for. A fresh node pulls it in parallel
parts, hashes it, and keeps it synced on the disk; curl fetches it in one stream, to a file and to nowhere; sha256sum afterwards makes that the same work. Memory is the most that the node had
resident during the pull, less what it had before. Before each of them as many bytes are written to a file that is removed: a virtual machine's memory, and with it the disk's cache, is
slow at its first touch, which costs more than all the rest. A blob of ${timesLonger} times the size is pulled once, for the memory that it takes.`,
  run,
}

async function run(context: BenchContext): Promise<SectionResult> {
  const table = new Table(columns)
  const sizeBytes = context.smoke ? smokeBytes : blobBytes
  const source = await sourceOf(context, sizeBytes)
  const [hasCurl, hasSum] = ['curl', 'sha256sum'].map((program) => isThere(program))
  for (let round = 0; round < context.rounds; round++) {
    table.add(arms.node, await pulled(context, source))
    if (!hasCurl) continue
    const file = join(context.newGroup().folder, 'curl')
    warm(file, sizeBytes)
    const toFile = await fetched(source, file)
    table.add(arms.file, { 'MB/s': rate(source, toFile) })
    if (hasSum) table.add(arms.hashed, { 'MB/s': rate(source, toFile + (await timed('sha256sum', [file]))) })
    await rm(file)
    table.add(arms.nothing, { 'MB/s': rate(source, await fetched(source, '/dev/null')) })
  }
  table.add(arms.longer, await pulled(context, await sourceOf(context, timesLonger * sizeBytes)))
  const share = byRound(
    [arms.node, arms.file].map((arm) => table.values(arm, 'MB/s')),
    (node, curl) => node / curl,
  )
  const grown = new Samples()
  for (const value of table.values(arms.node, 'memory grown, MB')) grown.add(value)
  const memory = {
    what: 'memory that a node grows by during a pull',
    target: `≤ ${mostGrownMegabytes} MB`,
    measured: grown,
    unit: 'MB',
    met: grown.median <= mostGrownMegabytes,
  }
  const more = byRound(
    [arms.longer, arms.node].map((arm) => table.values(arm, 'memory grown, MB')),
    (longer, node) => longer - node,
  )
  const flat = {
    what: `the same for ${timesLonger} times the bytes, beyond that`,
    target: `≤ ${mostMoreMegabytes} MB`,
    measured: more,
    unit: 'MB',
    met: more.median <= mostMoreMegabytes,
  }
  const speed = {
    what: 'a pull against curl to a file',
    target: `≥ ${leastShare} ×`,
    measured: share,
    unit: '×',
    met: share.median >= leastShare,
  }
  return {
    tables: [{ title: `A blob of ${sizeBytes / 1e6} MB`, table }],
    verdicts: hasCurl ? [speed, memory, flat] : [memory, flat],
    ...(hasCurl ? {} : { notes: ['Not compared: curl is not installed here.'] }),
  }
}

interface Source {
  readonly url: string
  readonly sizeBytes: number
}

async function sourceOf(context: BenchContext, sizeBytes: number): Promise<Source> {
  const worker = context.track(new Worker(registryWorker, [sizeBytes]))
  const { port } = await worker.answer<{ port: number }>()
  return { url: `http://127.0.0.1:${port}`, sizeBytes }
}

async function pulled(context: BenchContext, { url, sizeBytes }: Source) {
  const group = context.newGroup()
  const node = await group.spawn('puller', { words: ['--engine', 'sim'], ...context.profiled('puller') }).ready()
  warm(join(group.folder, 'warm'), sizeBytes)
  const memory = new Watch(node)
  const cpuMs = cpuMsOf(node.pid) ?? Number.NaN
  const startMs = performance.now()
  const body = JSON.stringify({ model: `${url}/library/big`, insecure: true, stream: false })
  const answer = await fetch(`${node.url}/api/pull`, { method: 'POST', body })
  const text = await answer.text()
  const ms = performance.now() - startMs
  const usedMs = (cpuMsOf(node.pid) ?? Number.NaN) - cpuMs
  memory.stop()
  await group.stop()
  if (!answer.ok) throw new Error(`the pull failed: ${text}`)
  return {
    'MB/s': rate({ sizeBytes }, ms),
    'CPU s per GB': (usedMs * 1e6) / sizeBytes,
    'memory grown, MB': memory.grownBytes / 1e6,
  }
}

/** Has the memory for so many bytes of a file touched, and then free. */
function warm(file: string, sizeBytes: number): void {
  const bytes = Buffer.alloc(1024 * 1024)
  const descriptor = openSync(file, 'w')
  for (let written = 0; written < sizeBytes; written += bytes.length) writeSync(descriptor, bytes)
  closeSync(descriptor)
  rmSync(file)
}

/** In MB/s. */
const rate = ({ sizeBytes }: Pick<Source, 'sizeBytes'>, ms: number): number => sizeBytes / 1000 / ms

const isThere = (program: string): boolean => spawnSync(program, ['--version']).error === undefined

/** Milliseconds that curl takes. */
async function fetched({ url }: Source, file: string): Promise<number> {
  const { stdout } = await execute('curl', ['-sS', `${url}/v2/library/big/manifests/latest`])
  const [layer] = (JSON.parse(stdout) as { layers: { digest: string }[] }).layers
  return await timed('curl', ['-sS', '-f', '-o', file, `${url}/v2/library/big/blobs/${layer?.digest}`])
}

async function timed(program: string, words: readonly string[]): Promise<number> {
  const startMs = performance.now()
  await execute(program, words)
  return performance.now() - startMs
}

/** Looks at a node's resident memory until it is stopped. */
class Watch {
  readonly #timer: NodeJS.Timeout
  readonly #before: number
  #most: number

  constructor({ pid }: NodeProcess) {
    this.#before = residentBytesOf(pid) ?? Number.NaN
    this.#most = this.#before
    this.#timer = setInterval(() => {
      this.#most = Math.max(this.#most, residentBytesOf(pid) ?? 0)
    }, lookEveryMs)
  }

  get grownBytes(): number {
    return this.#most - this.#before
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
