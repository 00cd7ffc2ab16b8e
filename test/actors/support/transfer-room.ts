/** The courier and its transfers on a simulated world. What a transfer does is played by the test. */

import { courierMachine, type TransferAnswer, TransferBoards, type TransferRequest } from '../../../actors/courier.ts'
import type { ProgressBoard, ProgressLine } from '../../../actors/progress-board.ts'
import { type TransferSteps, transferMachine } from '../../../actors/transfer.ts'
import type { Ref } from '../../../protocols/ref.ts'
import { watchBoard } from '../../../src/http/progress-lines.ts'
import { here } from '../../../src/runtime/here.ts'
import { fromTransition } from '../../../src/runtime/logic.ts'
import { Runtime } from '../../../src/runtime/runtime.ts'
import { outcome, puppet, steady, supervisor } from '../../runtime/kit.ts'
import { SimulatedWorld } from '../../sim/world.ts'

type Step = Exclude<keyof TransferSteps, 'words'>

/** The steps of one pull: each waits until the test says how it ends. */
export class PlayedPull implements TransferSteps {
  readonly words = { resolve: 'pulling manifest', verify: 'verifying sha256 digest', write: 'writing manifest' }
  readonly request: TransferRequest
  /** The steps that have begun, in order. */
  readonly begun: Step[] = []
  /** Of the step that began last. */
  signal: AbortSignal | undefined
  #current = Promise.withResolvers<void>()

  constructor(request: TransferRequest) {
    this.request = request
  }

  resolve(signal: AbortSignal): Promise<void> {
    return this.#begin('resolve', signal)
  }

  move(signal: AbortSignal): Promise<void> {
    return this.#begin('move', signal)
  }

  verify(signal: AbortSignal): Promise<void> {
    return this.#begin('verify', signal)
  }

  write(): Promise<void> {
    return this.#begin('write')
  }

  /** The step that runs ends well, or with a failure. */
  ends(failure?: Error): void {
    if (failure === undefined) this.#current.resolve()
    else this.#current.reject(failure)
  }

  #begin(step: Step, signal?: AbortSignal): Promise<void> {
    this.begun.push(step)
    this.signal = signal
    this.#current = Promise.withResolvers()
    return this.#current.promise
  }
}

/** What one request is answered, and what its client would read. */
export class Listener {
  readonly name: string
  readonly #answered: { value?: unknown; reason?: unknown }
  #lines: { value?: readonly ProgressLine[]; reason?: unknown } | undefined

  constructor(name: string, answered: { value?: unknown; reason?: unknown }) {
    this.name = name
    this.#answered = answered
  }

  get refusal(): string | undefined {
    const answer = this.#answered.value as TransferAnswer | undefined
    return answer?.type === 'transfer.refused' ? answer.message : undefined
  }

  get pull(): Ref {
    return this.#joined().transfer
  }

  get board(): ProgressBoard {
    return this.#joined().board
  }

  /** Begins to read the stream; it has ended when one of the two is there. */
  reads(): { value?: readonly ProgressLine[]; reason?: unknown } {
    this.#lines ??= outcome(allOf(watchBoard(this.board)))
    return this.#lines
  }

  #joined(): TransferAnswer & { type: 'transfer.joined' } {
    const answer = this.#answered.value as TransferAnswer | undefined
    if (answer?.type !== 'transfer.joined')
      throw new Error(`${this.name} has joined no pull: ${JSON.stringify(answer)}`)
    return answer
  }
}

/** The world runs for as long as messages between actors take. */
const turnsMs = 5

export class PullRoom {
  readonly world = new SimulatedWorld(1)
  readonly runtime = new Runtime('n', this.world)
  /** In the order in which they came. */
  readonly pulls: PlayedPull[] = []
  /** How often the list of models was read anew. */
  refreshes = 0
  #listeners = 0

  constructor() {
    const stepsOf = (request: TransferRequest): TransferSteps => {
      if (request.model === 'impossible') throw new Error('invalid model name')
      this.pulls.push(new PlayedPull(request))
      return this.pulls.at(-1) as PlayedPull
    }
    const models = fromTransition((state: null, event: { type: string; replyTo: Ref }, { system }) => {
      this.refreshes += 1
      here(system).tell(event.replyTo, { type: 'models.refreshed' })
      return state
    }, null)
    const input = { transfer: transferMachine, stepsOf, boards: new TransferBoards(this.runtime) }
    this.runtime.spawn(
      supervisor('node', {
        policy: { ...steady, strategy: 'rest_for_one', intensity: 100 },
        children: [
          { id: 'models', logic: models, restart: 'permanent' },
          { id: 'courier', logic: courierMachine, input, restart: 'permanent' },
          // It supervises, and dies when it is told to.
          { ...puppet('transfers').spec, restart: 'permanent' },
        ],
      }),
    )
  }

  /** A request that comes, and is answered. */
  async joins(model: string, { insecure = false }: { insecure?: boolean } = {}): Promise<Listener> {
    const listener = this.asks(model, insecure)
    await this.settle()
    return listener
  }

  asks(model: string, insecure = false): Listener {
    this.#listeners += 1
    const name = `listener-${this.#listeners}`
    const request = { direction: 'pull' as const, model, insecure }
    return new Listener(
      name,
      outcome(this.runtime.ask('n/node/courier', { type: 'transfer.join', request, listener: name }, 5000)),
    )
  }

  async leaves({ name, pull }: Listener): Promise<void> {
    this.runtime.tell('n/node/courier', { type: 'transfer.leave', transfer: pull, listener: name })
    await this.settle()
  }

  /** The pulls whose work has begun and goes on, by what was asked for. */
  running(): string[] {
    return this.pulls
      .filter(({ begun, signal }) => begun.length > 0 && signal?.aborted !== true)
      .map(({ request }) => request.model)
  }

  settle(): Promise<void> {
    return this.world.run(turnsMs)
  }
}

async function allOf(lines: AsyncIterable<ProgressLine>): Promise<readonly ProgressLine[]> {
  const all: ProgressLine[] = []
  for await (const line of lines) all.push(line)
  return all
}
