/** Processes of the benchmark's own: the mock engine, the bare proxy, the load generator. */
import { type ChildProcess, fork } from 'node:child_process'

/** A worker does nothing but listen before it answers. */
const answerWithinMs = 120_000

export class Worker {
  readonly #child: ChildProcess
  readonly #name: string

  constructor(file: URL, words: readonly (string | number)[] = []) {
    this.#name = file.pathname.split('/').at(-1) ?? ''
    this.#child = fork(file, words.map(String), { execArgv: ['--disable-warning=ExperimentalWarning'] })
  }

  get pid(): number {
    return this.#child.pid as number
  }

  /** The next message from it. Rejects when it ends instead. */
  answer<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const finish = () => {
        clearTimeout(timer)
        this.#child.off('message', heard)
        this.#child.off('exit', ended)
      }
      const heard = (message: unknown) => {
        finish()
        const { error } = message as { readonly error?: string }
        if (error === undefined) resolve(message as T)
        else reject(new Error(`${this.#name}: ${error}`))
      }
      const ended = () => {
        finish()
        reject(new Error(`${this.#name} ended before it answered`))
      }
      const timer = setTimeout(() => {
        this.#child.kill('SIGKILL')
      }, answerWithinMs)
      this.#child.on('message', heard)
      this.#child.on('exit', ended)
    })
  }

  ask<T>(question: object): Promise<T> {
    const answer = this.answer<T>()
    this.#child.send(question)
    return answer
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
