/** How fast something grows, by what was seen of it lately. */

/** Long enough to be steady, short enough to follow a link that changes. */
const windowMs = 10_000

/** With the window this bounds how much is remembered. */
const sampleEveryMs = 500

interface Sample {
  readonly atMs: number
  readonly completed: number
}

export class Pace {
  readonly #samples: Sample[] = []
  #nextMs: number

  /** What is there from the start was not fetched in no time: nothing is measured before the first interval is over. */
  constructor(nowMs: number) {
    this.#nextMs = nowMs + sampleEveryMs
  }

  see(completed: number, nowMs: number): void {
    if (completed < (this.#samples.at(-1)?.completed ?? 0)) this.#samples.length = 0 // It began anew.
    if (nowMs < this.#nextMs) return
    this.#nextMs = nowMs + sampleEveryMs
    this.#samples.push({ atMs: nowMs, completed })
    while ((this.#samples[1]?.atMs ?? Number.POSITIVE_INFINITY) <= nowMs - windowMs) this.#samples.shift()
  }

  /** Of the last ten seconds; undefined until there is something to compare. */
  get perSecond(): number | undefined {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || first === last) return undefined
    return ((last.completed - first.completed) * 1_000) / (last.atMs - first.atMs)
  }
}
