/** One real `omx-node` process on free ports of loopback: started, asked, stopped. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Static, TSchema } from 'typebox'
import { Parse } from 'typebox/value'
import { InspectAnswer, ModelsAnswer, operationsRoutes, PeersAnswer, StatusAnswer } from '../../protocols/operations.ts'
import { eventually } from '../../test/support/eventually.ts'
import { childrenOf } from './processes.ts'

const cli = fileURLToPath(new URL('../../src/cli/omx-node.ts', import.meta.url))
const nodeFlags = ['--disable-warning=ExperimentalWarning']

/** A start takes about a second on a core of its own. */
const readyWithinMs = 20_000
/** What a stop may take before the process is killed. */
const stopWithinMs = 8000
/** Of a node's log, in characters: what a failure prints. */
const keptLogLength = 4000

export interface NodeProcessInit {
  readonly name: string
  /** Its data folder. */
  readonly data: string
  /** More words for `start`. */
  readonly words?: readonly string[]
  /** More flags for Node itself. */
  readonly nodeFlags?: readonly string[]
}

/** What `start --json` prints when the node answers. */
interface Ready {
  readonly node: string
  readonly api: string
  readonly p2p: readonly string[]
}

export class NodeProcess {
  readonly name: string
  readonly data: string
  /** When the process was started, on `performance.now()`. */
  readonly startedMs = performance.now()
  readonly #child: ChildProcess
  readonly #ended: Promise<number | null>
  #ready: Ready | undefined
  #output = ''
  #log = ''

  constructor({ name, data, words = [], nodeFlags: more = [] }: NodeProcessInit) {
    this.name = name
    this.data = data
    const free = ['--api', '127.0.0.1:0', '--p2p', '/ip4/127.0.0.1/tcp/0']
    const own = ['start', '--json', ...free, '--name', name, '--data', data, ...words]
    this.#child = spawn(process.execPath, [...nodeFlags, ...more, cli, ...own], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log = (this.#log + text).slice(-keptLogLength)
    })
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', resolve)
      this.#child.once('error', (error) => {
        this.#log += error.message
        resolve(null)
      })
    })
  }

  /** Resolves when it answers. Rejects with the end of its log when it ends instead. */
  async ready(): Promise<this> {
    const output = await eventually(
      `${this.name} is ready`,
      () => {
        if (!this.running) throw new Error(`${this.name} ended instead of getting ready`)
        return this.#output.includes('\n') && this.#output
      },
      readyWithinMs,
    )
    this.#ready = JSON.parse(output) as Ready
    return this
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined
  }

  /** How it ended, in words. */
  get end(): string {
    const { exitCode, signalCode, pid } = this.#child
    if (pid === undefined) return 'it could not be started'
    return signalCode === null ? `exit code ${exitCode}` : `killed by ${signalCode}`
  }

  /** Peer id. */
  get id(): string {
    return this.#known.node
  }

  get url(): string {
    return `http://${this.#known.api}`
  }

  /** What another node is given to join. */
  get address(): string {
    return this.#known.p2p[0] as string
  }

  /** The end of what it logged. */
  get log(): string {
    return this.#log
  }

  get #known(): Ready {
    if (this.#ready === undefined) throw new Error(`${this.name} is not ready yet`)
    return this.#ready
  }

  status(): Promise<StatusAnswer> {
    return this.#get(operationsRoutes.status, StatusAnswer)
  }

  async peers(): Promise<PeersAnswer['peers']> {
    return (await this.#get(operationsRoutes.peers, PeersAnswer)).peers
  }

  async models(): Promise<ModelsAnswer['models']> {
    return (await this.#get(operationsRoutes.models, ModelsAnswer)).models
  }

  /** The actor of the only engine, once a model was used. */
  async engine(): Promise<InspectAnswer['actors'][number] | undefined> {
    const { actors } = await this.#get(operationsRoutes.inspect, InspectAnswer)
    return actors.find(({ path }) => path.startsWith('node/engines/'))
  }

  /** Process id of the engine's child, where one runs. */
  engineChild(): number | undefined {
    return childrenOf(this.pid).find(({ command }) => /engine\/llama\/child\.[jt]s/.test(command))?.pid
  }

  /** SIGTERM, and SIGKILL when that takes too long. Resolves with the exit code; null when a signal ended it. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.kill(), stopWithinMs)
    const code = await this.#ended
    clearTimeout(timer)
    return code
  }

  /** SIGKILL; its engine children end by themselves. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async #get<Schema extends TSchema>(route: string, schema: Schema): Promise<Static<Schema>> {
    const response = await fetch(this.url + route).catch((error: Error) => {
      throw new Error(`${this.name} does not answer (${(error.cause as Error | undefined)?.message ?? error.message})`)
    })
    return Parse(schema, await response.json())
  }
}

/** Runs another command of `omx-node` to its end. Resolves with what it printed; rejects with what it complained of. */
export async function omxNode(words: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [...nodeFlags, cli, ...words], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  let complaint = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve)
    child.once('error', reject)
  })
  if (code === 0) return printed
  throw new Error(`omx-node ${words.join(' ')} exited with ${code}: ${complaint.trim()}`)
}

/** Without the settings of whoever runs this: they are meant for a node of theirs. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const isForeign = (name: string) => /^(OMX|OLLAMA)_/.test(name) || name === 'NODE_ID'
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isForeign(name)))
}
