/** The engine's process, from outside: messages in and out, its last words, and its end. */
import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import type { Failure } from '../../../protocols/exit.ts'
import { LastWords } from '../last-words.ts'
import { type ChildMessage, type ParentMessage, parseChildMessage } from './messages.ts'

export interface EngineProcessInit {
  /** The model's name, for messages. */
  readonly model: string
  readonly onMessage: (message: ChildMessage) => void
  /** Called once. Undefined: it was told to stop. */
  readonly onEnd: (failure: Failure | undefined) => void
}

export class EngineProcess {
  readonly #init: EngineProcessInit
  readonly #child: ChildProcess
  readonly ended: Promise<void>
  readonly #words = new LastWords()
  #stopping = false

  constructor(init: EngineProcessInit) {
    this.#init = init
    this.#child = fork(new URL(`./child${extname(import.meta.url)}`, import.meta.url), {
      serialization: 'advanced',
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#child.stdout?.on('data', (data) => this.#words.hear(data))
    this.#child.stderr?.on('data', (data) => this.#words.hear(data))
    this.#child.on('message', (message) => this.#hear(message))
    // Without its channel the child is of no use; 'exit' follows and says why.
    this.#child.on('disconnect', () => this.#child.kill('SIGKILL'))
    this.ended = new Promise((resolve) => {
      let ended = false
      const end = (how: string): void => {
        if (ended) return
        ended = true
        init.onEnd(this.#stopping ? undefined : this.#failure(how))
        resolve()
      }
      this.#child.on('exit', (code, signal) =>
        end(signal === null ? `ended with code ${code}` : `was killed by ${signal}`),
      )
      this.#child.on('error', (error) => {
        // Without a pid it never started, so that no 'exit' will come.
        if (this.#child.pid === undefined) end(`could not be started: ${error.message}`)
        else this.#words.hear(`${error.message}\n`)
      })
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  send(message: ParentMessage): void {
    if (!this.#child.connected) return
    this.#child.send(message, (error) => {
      if (error) this.#child.kill('SIGKILL')
    })
  }

  /** Ends it now. It keeps nothing that is worth an orderly end. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#child.kill('SIGKILL')
    await this.ended
  }

  #hear(value: unknown): void {
    const message = parseChildMessage(value)
    if (message !== undefined) {
      this.#init.onMessage(message)
      return
    }
    this.#words.hear('sent a message that its driver does not understand\n')
    this.#child.kill('SIGKILL')
  }

  #failure(how: string): Failure {
    const words = this.#words.quoted()
    return {
      name: 'EngineCrashed',
      message: `the engine of ${this.#init.model} (process ${this.#child.pid ?? 'none'}) ${how}${words}`,
    }
  }
}
