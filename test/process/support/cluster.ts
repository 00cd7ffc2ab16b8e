/** The nodes of one test file: started on free ports and folders of their own, and ended with everything they started. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeEach } from 'vitest'
import { OmxNode } from './omx-node.ts'
import { OmxProcess, omx } from './omx-process.ts'

export const tinyGguf = fileURLToPath(new URL('../../../models/omx-tiny.gguf', import.meta.url))

/** Text of a node's log that a failed test prints. */
const shownLogLength = 6_000

export interface NodeOptions {
  readonly engine?: 'llama' | 'sim'
  readonly join?: OmxNode
  /** Whether it holds the model `tiny`. */
  readonly holds?: boolean
  /** A data folder to start on again; default: a new one. */
  readonly data?: string
  /** A host of its own: a network namespace and the address in it. The test must run where it can reach that. */
  readonly at?: { readonly namespace: string; readonly address: string }
  /** More words for `start`. */
  readonly words?: readonly string[]
}

export class Cluster {
  readonly #root = mkdtempSync(join(tmpdir(), 'omx-process-'))
  readonly #processes: OmxProcess[] = []
  #folders = 0
  #imported: Promise<string> | undefined

  /** A folder that does not exist yet. */
  newFolder(): string {
    this.#folders += 1
    return join(this.#root, String(this.#folders))
  }

  /** A process that this cluster ends. */
  spawn(words: readonly string[], env?: Readonly<Record<string, string>>, within?: string): OmxProcess {
    const process = new OmxProcess(words, env, within)
    this.#processes.push(process)
    return process
  }

  /** A node that is ready. */
  async start(name: string, options: NodeOptions = {}): Promise<OmxNode> {
    const { engine = 'llama', data = this.newFolder(), holds = false } = options
    if (holds) cpSync(await this.#models(), join(data, 'models'), { recursive: true })
    const host = options.at?.address ?? '127.0.0.1'
    const open = options.at === undefined ? [] : ['--insecure-open']
    const p2p = `/ip4/${host}/tcp/0`
    const own = ['--json', '--api', `${host}:0`, '--p2p', p2p, ...open, '--data', data, '--name', name]
    const joined = options.join === undefined ? [] : ['--join', options.join.address]
    const words = ['start', ...own, '--engine', engine, '--threads', '1', ...joined, ...(options.words ?? [])]
    return OmxNode.from(this.spawn(words, undefined, options.at?.namespace))
  }

  logs(): string {
    return this.#processes
      .map(({ pid, stdout, stderr }) => `--- ${pid}: ${stdout.slice(0, 200)}\n${stderr.slice(-shownLogLength)}`)
      .join('\n')
  }

  /** Ends everything. Throws when a process outlives the node that started it. */
  async dispose(): Promise<void> {
    const ends = await Promise.allSettled(this.#processes.map((process) => process.dispose()))
    rmSync(this.#root, { recursive: true, force: true })
    const failed = ends.find((end) => end.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  /** A models folder with `tiny`, imported once by the command. */
  #models(): Promise<string> {
    this.#imported ??= this.#import()
    return this.#imported
  }

  async #import(): Promise<string> {
    const data = this.newFolder()
    const { code, stderr } = await omx('import', 'tiny', tinyGguf, '--data', data)
    if (code !== 0) throw new Error(`the import failed: ${stderr}`)
    return join(data, 'models')
  }
}

/** A cluster for the tests of this file; a test that fails prints what its nodes logged. */
export function useCluster(): Cluster {
  const cluster = new Cluster()
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => console.error(cluster.logs()))
  })
  afterAll(() => cluster.dispose())
  return cluster
}
