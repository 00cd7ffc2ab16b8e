/** A client of one node, and what it is told: it asks, reads at its own pace, and may leave. It lives on no node. */
import type { InferFrame } from '../../protocols/infer.ts'
import { ApiError } from '../../src/http/errors.ts'
import type { NewRequest } from '../../src/http/services.ts'
import type { SimulatedNode } from './node.ts'
import type { Command } from './script.ts'

type Asked = Extract<Command, { kind: 'request' }>

/** How often a client reads anew that takes its time, at most. */
const longestPauseMs = 400

/** `info`: its node died, so it cannot know. */
export type Outcome = 'waiting' | 'refused' | 'done' | 'failed' | 'left' | 'info'

export class Client {
  readonly asked: Asked
  readonly node: SimulatedNode
  readonly atMs: number
  /** The id of its present task; undefined until the node has opened a response for it. */
  id: string | undefined
  acceptedMs: number | undefined
  endedMs: number | undefined
  outcome: Outcome = 'waiting'
  /** Why it was refused, or how it failed. */
  code = ''
  worker: string | undefined
  tokens = 0
  finals = 0
  /** What was wrong with the answer; a right one leaves this empty. */
  readonly wrong: string[] = []
  readonly #leave = new AbortController()

  constructor(node: SimulatedNode, asked: Asked) {
    this.node = node
    this.asked = asked
    this.atMs = node.world.shared.monotonicMs()
  }

  get accepted(): boolean {
    return this.acceptedMs !== undefined
  }

  get #nowMs(): number {
    return this.node.world.shared.monotonicMs()
  }

  /** The request as a route would hand it over. */
  async run(onEnd: (client: Client) => void): Promise<void> {
    const { model, words, client, ms } = this.asked
    const request: NewRequest = {
      model,
      work: { kind: 'generate', prompt: `tell me ${words} words`, raw: true },
      options: { num_predict: words },
      priority: words % 3,
      ...(client === 'hurries' ? { deadlineMs: ms } : {}),
    }
    if (client === 'leaves') this.node.world.shared.setTimeout(() => this.leave(onEnd), ms)
    try {
      const cluster = this.node.clusterOf((id) => {
        this.id = id
      })
      const answer = await cluster.submit(request, this.#leave.signal)
      if (this.outcome !== 'waiting') return void answer[Symbol.asyncIterator]().return?.()
      this.acceptedMs = this.#nowMs
      await this.#read(answer[Symbol.asyncIterator](), () => answer.worker)
      this.#end(this.outcome === 'waiting' ? 'failed' : this.outcome, onEnd)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      this.code = error.code
      this.#end('refused', onEnd)
    }
  }

  #frames: AsyncIterator<readonly InferFrame[]> | undefined

  async #read(frames: AsyncIterator<readonly InferFrame[]>, worker: () => string | undefined) {
    this.#frames = frames
    for (;;) {
      const { done, value } = await frames.next()
      if (done === true || this.outcome === 'left' || this.outcome === 'info') return
      for (const frame of value) this.#take(frame)
      this.worker = worker()
      if (this.asked.client !== 'dawdles' || this.finals > 0) continue
      await new Promise<void>((resolve) => {
        const { world } = this.node
        world.shared.setTimeout(() => world.deliver(resolve), Math.min(this.asked.ms, longestPauseMs))
      })
    }
  }

  #take(frame: InferFrame): void {
    if (this.finals > 0) this.wrong.push(`${frame.kind} after the last frame`)
    if (frame.kind === 'token') {
      if (frame.index !== this.tokens) this.wrong.push(`token ${frame.index} where ${this.tokens} was due`)
      this.tokens = frame.index + frame.tokens.length
    } else if (frame.kind === 'done') {
      this.finals++
      this.outcome = 'done'
      // A model that ends its answer says so by a token of its own.
      const computed = frame.evalTokens - (frame.reason === 'stop' ? 1 : 0)
      if (computed !== this.tokens) this.wrong.push(`${frame.evalTokens} tokens computed, ${this.tokens} received`)
    } else if (frame.kind === 'failed' || frame.kind === 'refused') {
      this.finals++
      this.outcome = 'failed'
      this.code = frame.kind === 'failed' ? frame.code : frame.reason
    }
  }

  leave(onEnd: (client: Client) => void): void {
    if (this.outcome !== 'waiting') return
    this.#end('left', onEnd)
    this.node.world.deliver(() => {
      this.#leave.abort()
      void this.#frames?.return?.()
    })
  }

  /** Its node died: whatever was on the way, it hears no more. */
  cutOff(onEnd: (client: Client) => void): void {
    if (this.endedMs === undefined) this.#end('info', onEnd)
  }

  #end(outcome: Outcome, onEnd: (client: Client) => void): void {
    if (this.endedMs !== undefined) return
    this.outcome = outcome
    this.endedMs = this.#nowMs
    onEnd(this)
  }
}
