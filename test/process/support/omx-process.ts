/** One `omx-node` process of its own, with any words after it, in a process group of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { eventually } from '../../support/eventually.ts'
import { membersOf } from './processes.ts'

const binary = fileURLToPath(new URL('../../../src/cli/omx-node.ts', import.meta.url))

/** Compiled code that the processes share: a third less time to start. */
const compileCache = fileURLToPath(new URL('../../../node_modules/.cache/omx-node-tests', import.meta.url))

/** An engine child notices within moments that its parent is gone. */
const orphanMs = 5_000

export interface Exited {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** What has been started and may still run, for the case that this process itself is ended. */
const groups = new Set<number>()
process.on('exit', () => {
  for (const group of groups) signalGroup(group, 'SIGKILL')
})

export class OmxProcess {
  readonly child: ChildProcess
  readonly pid: number
  /** Resolves when it has ended and everything it wrote has been read. */
  readonly exited: Promise<Exited>
  stdout = ''
  stderr = ''

  /** `within` is a network namespace. */
  constructor(words: readonly string[], env: Readonly<Record<string, string>> = {}, within?: string) {
    const node = [process.execPath, '--disable-warning=ExperimentalWarning', binary, ...words]
    const [program, ...rest] = within === undefined ? node : ['ip', 'netns', 'exec', within, ...node]
    this.child = spawn(program as string, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...neutralEnvironment(), ...env },
    })
    this.pid = this.child.pid as number
    groups.add(this.pid)
    this.child.stdout?.on('data', (chunk) => {
      this.stdout += chunk
    })
    this.child.stderr?.on('data', (chunk) => {
      this.stderr += chunk
    })
    this.exited = new Promise((resolve) => {
      this.child.on('close', (code, signal) => resolve({ code, signal }))
    })
  }

  /** Sends a signal to the process alone, not to its children. */
  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** Ends it if it still runs. Throws when one of its children outlives it: it is killed, and the test must fail. */
  async dispose(): Promise<void> {
    this.kill('SIGCONT')
    this.kill('SIGKILL')
    await this.exited
    try {
      await this.childrenGone()
    } finally {
      signalGroup(this.pid, 'SIGKILL')
      groups.delete(this.pid)
    }
  }

  /** Resolves when nobody of its process group lives. */
  async childrenGone(): Promise<void> {
    await eventually(`no process outlives ${this.pid}`, () => membersOf(this.pid).length === 0, orphanMs)
  }
}

/** Runs one command to its end. */
export async function omx(...words: string[]) {
  const running = new OmxProcess(words)
  try {
    const { code } = await running.exited
    return { code, stdout: running.stdout, stderr: running.stderr }
  } finally {
    await running.dispose()
  }
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch {
    // Nobody is left.
  }
}

/** Settings of whoever runs the tests must not reach the nodes. */
function neutralEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(OMX_|OLLAMA_|NODE_ID$|npm_|VITEST|NODE_OPTIONS$)/
  const kept = Object.entries(process.env).filter(([name]) => !foreign.test(name))
  return { ...Object.fromEntries(kept), OMX_GPU: 'off', NODE_COMPILE_CACHE: compileCache }
}
