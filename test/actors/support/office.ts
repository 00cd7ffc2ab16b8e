/**
 * A scheduler with its tasks on a simulated world. The stand-ins are what `provide` gives from outside: the test is
 * every attempt, and keeps what the responses were ended with.
 */
import { leastConnections, type Placement, type Strategy } from '../../../actors/placement.ts'
import { type SchedulerInput, type SubmittedTask, schedulerMachine } from '../../../actors/scheduler.ts'
import { type AttemptEvent, type TaskInput, taskMachine } from '../../../actors/task.ts'
import { recordEnds } from '../../../actors/task-journal.ts'
import type { ClusterNode, ClusterView } from '../../../actors/view.ts'
import type { FailureCode, InferFrame, InferRequest, RefusalReason, WorkerLoad } from '../../../protocols/infer.ts'
import type { Message, NodeId } from '../../../protocols/ref.ts'
import { fromCallback } from '../../../src/runtime/logic.ts'
import { Runtime } from '../../../src/runtime/runtime.ts'
import { outcome, puppet, steady, supervisor } from '../../runtime/kit.ts'
import { SimulatedWorld } from '../../sim/world.ts'
import { MemoryJournal } from './memory-journal.ts'
import { digestA, held, loaded, reportOf } from './reports.ts'

const idle: WorkerLoad = { active: 0, waiting: 0, slots: 1 }

const result = {
  reason: 'stop',
  promptTokens: 1,
  cachedTokens: 0,
  promptNs: 1,
  evalTokens: 1,
  evalNs: 1,
  loadNs: 0,
} as const

/** One attempt as the test plays it. */
export class Attempt {
  readonly node: NodeId
  readonly request: InferRequest
  /** The task has moved on, or has ended. */
  left = false
  readonly #send: (event: AttemptEvent) => void

  constructor(node: NodeId, request: InferRequest, send: (event: AttemptEvent) => void) {
    this.node = node
    this.request = request
    this.#send = send
  }

  starts(): void {
    this.#send({ type: 'attempt.started' })
  }

  completes(): void {
    this.#send({ type: 'attempt.done', frame: { kind: 'done', ...result } })
  }

  fails(code: FailureCode): void {
    this.#send({ type: 'attempt.failed', failure: { code, message: `${this.node}: ${code}` } })
  }

  isRefused(reason: RefusalReason): void {
    const message = `${this.node}: ${reason}`
    this.#send({ type: 'attempt.refused', node: this.node, reason, message, load: { ...idle, active: 1 } })
  }
}

const request = (id: string): InferRequest => ({
  id,
  traceId: id,
  model: 'm',
  digest: digestA,
  work: { kind: 'generate', prompt: 'x', raw: true },
  options: {},
  remainingMs: 60_000,
})

/** Tries holders in the order of their ids, so that a test can say which comes first. */
const byName: Strategy = {
  name: 'by-name',
  rank: (candidates) =>
    candidates
      .toSorted((a, b) => a.node.localeCompare(b.node))
      .map(({ node, outstanding, reported }) => ({ node, load: Math.max(outstanding, reported), reason: 'by name' })),
}

export interface OfficeInit {
  /** Who holds the model, the entry node included or not. */
  readonly holders?: readonly NodeId[]
  /** Slots of each holder's engine; undefined: not loaded, so unknown. */
  readonly slots?: number | undefined
  readonly maxQueue?: number
  readonly ranks?: 'by name' | 'by load'
  readonly seed?: number
}

export class Office {
  readonly world: SimulatedWorld
  readonly runtime: Runtime
  /** Every attempt that was ever begun, oldest first. */
  readonly attempts: Attempt[] = []
  /** What ended each response: a right one has exactly one frame. */
  readonly ends = new Map<string, InferFrame[]>()
  /** Every plan that was made, oldest first. */
  readonly plans: Array<readonly Placement[]> = []
  readonly membership = puppet('membership')
  readonly journal = new MemoryJournal()
  /** What the entry node's own engine says of its load. */
  ownLoad: WorkerLoad | undefined
  #lastId = 0

  constructor({ holders = ['a'], slots, maxQueue = 512, ranks = 'by name', seed = 1 }: OfficeInit = {}) {
    this.world = new SimulatedWorld(seed)
    this.runtime = new Runtime('a', this.world)
    const input: SchedulerInput = {
      node: 'a',
      strategy: this.#noting(ranks === 'by name' ? byName : leastConnections),
      maxQueue,
      task: this.#taskLogic(),
      journal: this.journal,
      loadOf: () => this.ownLoad,
    }
    const scheduler = { id: 'scheduler', logic: schedulerMachine, input, restart: 'permanent' as const }
    this.runtime.spawn(
      supervisor('node', {
        policy: { ...steady, strategy: 'rest_for_one' },
        children: [this.membership.spec, scheduler, supervisor('tasks', { restart: 'permanent' })],
      }),
    )
    recordEnds(this.runtime, this.journal, (id, frame) => this.#end(id, frame))
    this.seeHolders(holders, slots)
  }

  #noting(strategy: Strategy): Strategy {
    const rank: Strategy['rank'] = (candidates, draw) => {
      const plan = strategy.rank(candidates, draw)
      this.plans.push(plan)
      return plan
    }
    return { name: strategy.name, rank }
  }

  #taskLogic() {
    const attempt = fromCallback<AttemptEvent, { node: NodeId; request: InferRequest }>(({ input, sendBack }) => {
      if (input.node === 'explosive') throw new Error('the attempt blew up')
      const begun = new Attempt(input.node, input.request, (event) => sendBack(event as never))
      this.attempts.push(begun)
      return () => {
        begun.left = true
      }
    })
    return taskMachine.provide({
      actors: { attempt },
      actions: { respond: (_, { id, frame }) => this.#end(id, frame) },
    })
  }

  /** A response that has ended takes no further frame; the test counts who tried. */
  #end(id: string, frame: InferFrame): void {
    this.ends.set(id, [...(this.ends.get(id) ?? []), frame])
  }

  /** Tells the scheduler who holds the model now. */
  seeHolders(holders: readonly NodeId[], slots?: number): void {
    const rows = ['a', ...holders.filter((holder) => holder !== 'a')].map((node): [NodeId, ClusterNode] => {
      const models = holders.includes(node) ? [held('m:latest', digestA)] : []
      const report = reportOf(node, { models, loaded: slots === undefined ? [] : [loaded(digestA, { slots })] })
      const state = node === 'a' ? 'self' : 'healthy'
      return [node, { node, state, addresses: [], report, rttMs: null, sinceMs: 0, reason: '', unfit: '' }]
    })
    const view: ClusterView = new Map(rows)
    this.runtime.tell('a/node/scheduler', { type: 'view.changed', view })
  }

  /** Tells the scheduler that its own node holds these versions by name, all of them loaded. */
  seeModels(digests: Readonly<Record<string, string>>, slots: number): void {
    const models = Object.entries(digests).map(([name, digest]) => held(`${name}:latest`, digest))
    const report = reportOf('a', { models, loaded: models.map(({ digest }) => loaded(digest, { slots })) })
    const node = { node: 'a', state: 'self', addresses: [], report, rttMs: null, sinceMs: 0, reason: '', unfit: '' }
    const view: ClusterView = new Map([['a', node as ClusterNode]])
    this.runtime.tell('a/node/scheduler', { type: 'view.changed', view })
  }

  /** Submits one request; its id comes back at once, the answer when the world has run. */
  submit(rest: Partial<SubmittedTask> = {}): { readonly id: string; readonly answer: { value?: Message } } {
    const id = `t${++this.#lastId}`
    const { model, work, options } = request(id)
    const task: SubmittedTask = { id, traceId: id, model, work, options, priority: 0, limitMs: 60_000, ...rest }
    return { id, answer: outcome(this.runtime.ask('a/node/scheduler', { type: 'task.submit', task }, 5000)) }
  }

  /** Submits and runs: the request's id. */
  async admit(rest: Partial<SubmittedTask> = {}): Promise<string> {
    const { id, answer } = this.submit(rest)
    await this.settle()
    if (answer.value?.type !== 'task.accepted') throw new Error(`not accepted: ${JSON.stringify(answer)}`)
    return id
  }

  /** A task alone, with a plan of its own. */
  async run(plan: readonly NodeId[], limitMs = 60_000): Promise<string> {
    const id = `t${++this.#lastId}`
    const placements = plan.map((node) => ({ node, load: 0, reason: 'the test says so' }))
    const input: TaskInput = { request: request(id), plan: placements, limitMs }
    this.runtime.spawn({ id, logic: this.#taskLogic(), input, restart: 'temporary' }, 'a/node/tasks')
    await this.settle()
    return id
  }

  /** Attempts that somebody still waits for, of one task or of all. */
  running(id?: string): Attempt[] {
    return this.attempts.filter(({ left, request }) => !left && (id === undefined || request.id === id))
  }

  /** The attempt that a task is making. */
  attempt(id: string): Attempt {
    const found = this.running(id)[0]
    if (found === undefined) throw new Error(`${id} makes no attempt`)
    return found
  }

  stateOf(id: string): string | undefined {
    return this.runtime.census().find(({ path }) => path === `node/tasks/${id}`)?.state
  }

  clientGoes(id: string): void {
    this.runtime.tell(`a/node/tasks/${id}`, { type: 'client.gone' })
  }

  async load(): Promise<{ active: number; queued: number }> {
    const answer = outcome(this.runtime.ask('a/node/scheduler', { type: 'load.get' }, 1000))
    await this.settle()
    const { active, queued } = answer.value as unknown as { active: number; queued: number }
    return { active, queued }
  }

  settle(): Promise<void> {
    return this.world.run(5)
  }
}
