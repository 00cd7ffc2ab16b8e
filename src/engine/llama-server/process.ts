/** llama.cpp's own server as a child process, on a socket that only this user reaches. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Failure } from '../../../protocols/exit.ts'
import { LastWords } from '../last-words.ts'

export interface ServerProcessInit {
  /** The program: a path, or a name that the system finds. */
  readonly command: string
  readonly words: readonly string[]
  /** The model's name, for messages. */
  readonly model: string
  /** It said something, whatever it was. */
  readonly onOutput: () => void
  /** Called once. Undefined: it was told to stop. */
  readonly onEnd: (failure: Failure | undefined) => void
}

export class ServerProcess {
  readonly socketPath: string
  readonly ended: Promise<void>
  readonly #init: ServerProcessInit
  readonly #child: ChildProcess
  readonly #words = new LastWords()
  #stopping = false

  constructor(init: ServerProcessInit) {
    this.#init = init
    // Its folder is this user's alone: whoever reaches the socket may compute.
    const folder = mkdtempSync(join(tmpdir(), 'omx-llama-'))
    this.socketPath = join(folder, 'llama.sock')
    this.#child = spawn(init.command, [...init.words, '--host', this.socketPath], { stdio: ['ignore', 'pipe', 'pipe'] })
    const hear = (data: unknown): void => {
      this.#words.hear(data)
      init.onOutput()
    }
    this.#child.stdout?.on('data', hear)
    this.#child.stderr?.on('data', hear)
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        rmSync(folder, { recursive: true, force: true })
        init.onEnd(this.#stopping ? undefined : this.#failure(how))
        resolve()
      }
      this.#child.once('error', (error) => {
        // Without a pid it never started, so that no 'exit' will come.
        if (this.#child.pid === undefined) end(`could not be started: ${error.message}`)
      })
      this.#child.once('exit', (code, signal) =>
        end(signal === null ? `ended with code ${code}` : `was killed by ${signal}`),
      )
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Ends it now. It keeps nothing that is worth an orderly end. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#child.kill('SIGKILL')
    await this.ended
  }

  #failure(how: string): Failure {
    const { command, model } = this.#init
    const words = this.#words.quoted()
    return { name: 'EngineCrashed', message: `${command} with ${model} (process ${this.pid ?? 'none'}) ${how}${words}` }
  }
}
