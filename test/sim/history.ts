/** What happened in a run, as one hash, and as lines for whoever reads a replay. */
import { hashOf } from './chance.ts'

export class History {
  readonly #nowMs: () => number
  readonly #lines: string[] | undefined
  #hash = 0x811c9dc5
  readonly #time = new Float64Array(1)
  readonly #words = new Uint32Array(this.#time.buffer)
  events = 0

  /** @param keeps whether the lines are kept, or only the hash */
  constructor(nowMs: () => number, keeps: boolean) {
    this.#nowMs = nowMs
    this.#lines = keeps ? [] : undefined
  }

  /** One event; `detail` is asked for only when somebody will read it. */
  add(where: string, what: string, detail = ''): void {
    this.events++
    this.#time[0] = this.#nowMs()
    let hash = Math.imul(this.#hash ^ (this.#words[0] as number), 0x01000193)
    hash = Math.imul(hash ^ (this.#words[1] as number), 0x01000193)
    this.#hash = hashOf(detail, hashOf(what, hashOf(where, hash)))
    this.#lines?.push(`${this.#nowMs().toFixed(3).padStart(10)} ${where.padEnd(3)} ${what} ${detail}`.trimEnd())
  }

  get hash(): string {
    return this.#hash.toString(16).padStart(8, '0')
  }

  get lines(): readonly string[] {
    return this.#lines ?? []
  }
}
