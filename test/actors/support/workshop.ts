/** A worker with its engines on a simulated world. Only the engine process is a stand-in: the test is that process. */
import {
  type EngineEvent,
  type EngineFacts,
  type EngineInput,
  type EngineLeaving,
  engineMachine,
  type LoadFailure,
} from '../../../actors/engine.ts'
import { type UnloadRequest, type WorkerInput, workerMachine } from '../../../actors/worker.ts'
import type { WorkerLoad } from '../../../protocols/infer.ts'
import type { Message } from '../../../protocols/ref.ts'
import type { LoadedModel } from '../../../protocols/report.ts'
import { here } from '../../../src/runtime/here.ts'
import { fromCallback, fromPromise } from '../../../src/runtime/logic.ts'
import { Runtime } from '../../../src/runtime/runtime.ts'
import { outcome, puppet, steady, supervisor } from '../../runtime/kit.ts'
import { SimulatedWorld } from '../../sim/world.ts'

const facts: EngineFacts = { name: 'm', sizeBytes: 10, sizeVramBytes: 0, contextLength: 64, slots: 2 }

/** One engine process as the test plays it. */
export class Process {
  readonly digest: string
  readonly load: number
  ended = false
  /** It was told that it gets nothing new. */
  isLeaving = false
  readonly #send: (event: EngineEvent) => void

  constructor(digest: string, load: number, send: (event: EngineEvent) => void) {
    this.digest = digest
    this.load = load
    this.#send = send
  }

  begins(): void {
    this.#send({ type: 'process.loading', facts })
  }

  becomesReady(): void {
    this.#send({ type: 'process.ready', facts, load: this.load })
  }

  cannotLoad(code: LoadFailure['code'] = 'model-unusable'): void {
    this.#send({ type: 'process.unusable', failure: { code, message: `told to fail: ${code}` } })
  }

  dies(): void {
    this.#send({ type: 'process.ended', failure: { name: 'EngineError', message: 'killed by the test' } })
  }
}

/** Runs the world for as long as messages between actors take. */
const turnsMs = 5

export class Workshop {
  readonly world = new SimulatedWorld(1)
  readonly runtime = new Runtime('n', this.world)
  /** Every process that was ever started, oldest first. */
  readonly processes: Process[] = []
  /** What an engine says of its load when the worker asks. */
  readonly loads = new Map<string, WorkerLoad>()
  /** Contexts that requests asked for and that the loaded engines have. */
  readonly contexts = new Map<string, unknown>()
  /** Under which version the weights of another are in memory. */
  readonly owners = new Map<string, string>()
  readonly #reporter = puppet('reporter')

  /** `intensity`: crashes within half a minute before the supervisor of the engines gives up. */
  constructor({
    intensity = 1000,
    ...init
  }: Partial<Omit<WorkerInput, 'engine' | 'loadOf' | 'suits' | 'unloadShared'> & { intensity: number }> = {}) {
    const process = fromCallback<EngineLeaving, Pick<EngineInput, 'digest' | 'options'>>((actor) => {
      const { input, sendBack, receive } = actor
      this.contexts.set(input.digest, input.options.num_ctx)
      const started = new Process(input.digest, this.processes.length + 1, (event) => sendBack(event as never))
      this.processes.push(started)
      receive(() => {
        started.isLeaving = true
      })
      return () => {
        started.ended = true
      }
    })
    const input: WorkerInput = {
      engine: engineMachine.provide({ actors: { process } }),
      loadOf: (digest) => this.loads.get(digest),
      suits: (digest, { num_ctx }) => num_ctx === this.contexts.get(digest),
      unloadShared: fromPromise<void, UnloadRequest>(async ({ input: { digest, replyTo }, system }) => {
        const { tell, local } = here(system)
        const owner = this.owners.get(digest)
        if (owner === undefined) tell(replyTo, { type: 'engine.unloaded', found: false })
        else tell(local('node/worker'), { type: 'engine.unload', digest: owner, replyTo })
      }),
      maxLoaded: 2,
      keepAliveMs: 60_000,
      ...init,
    }
    const worker = { id: 'worker', logic: workerMachine, input, restart: 'permanent' as const }
    const policy = { ...steady, intensity }
    this.runtime.spawn(
      supervisor('node', {
        policy: { ...steady, strategy: 'rest_for_one' },
        children: [this.#reporter.spec, worker, supervisor('engines', { policy, restart: 'permanent' })],
      }),
    )
  }

  /** Asks for a model, as the data path does. */
  acquire(
    digest: string,
    keepAliveMs?: number,
    options: Readonly<Record<string, unknown>> = {},
  ): { value?: Message; reason?: unknown } {
    const keepAlive = keepAliveMs === undefined ? {} : { keepAliveMs }
    return this.ask({ type: 'worker.acquire', digest, options, ...keepAlive })
  }

  ask(message: Message): { value?: Message; reason?: unknown } {
    return outcome(this.runtime.ask('n/node/worker', message, 300_000))
  }

  /** The last process of a model. */
  process(digest: string): Process {
    const found = this.processes.findLast((each) => each.digest === digest)
    if (found === undefined) throw new Error(`no process was started for ${digest}`)
    return found
  }

  started(digest: string): number {
    return this.processes.filter((each) => each.digest === digest).length
  }

  /** Loads a model and takes it into use as often as asked. */
  async load(digest: string, { requests = 0, keepAliveMs }: { requests?: number; keepAliveMs?: number } = {}) {
    const answer = this.acquire(digest, keepAliveMs)
    await this.settle()
    this.process(digest).becomesReady()
    await this.settle()
    for (let i = 0; i < Math.max(1, requests); i++) this.begin(digest)
    // Who asked for it has used it: nobody is promised anything any more.
    if (requests === 0) this.end(digest)
    await this.settle()
    return answer
  }

  begin(digest: string, keepAliveMs?: number): void {
    const { load } = this.process(digest)
    const keepAlive = keepAliveMs === undefined ? {} : { keepAliveMs }
    this.runtime.tell(`n/node/engines/${digest}`, { type: 'request.started', load, ...keepAlive })
  }

  end(digest: string): void {
    this.runtime.tell(`n/node/engines/${digest}`, { type: 'request.ended', load: this.process(digest).load })
  }

  isLoaded(digest: string): boolean {
    return this.runtime.has(`n/node/engines/${digest}`)
  }

  stateOf(path: string): string | undefined {
    return this.runtime.census().find((actor) => actor.path === path)?.state
  }

  /** What the node last said about the models in its memory. */
  reported(): readonly LoadedModel[] | undefined {
    return this.#reporter.heard.findLast(({ type }) => type === 'loaded.changed')?.loaded as LoadedModel[] | undefined
  }

  settle(): Promise<void> {
    return this.world.run(turnsMs)
  }
}
