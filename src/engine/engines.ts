/** The loaded engines of this node, and the process of each as an actor's logic. */
import type { EngineEvent, EngineFacts, EngineLeaving } from '../../actors/engine.ts'
import type { ModelFile } from '../../actors/model-catalog.ts'
import type { WorkerLoad } from '../../protocols/infer.ts'
import type { Ref } from '../../protocols/ref.ts'
import { here } from '../runtime/here.ts'
import { fromCallback } from '../runtime/logic.ts'
import { realClock } from './clock.ts'
import { type Driver, EngineError, type EngineSettings, type LoadedEngine } from './driver.ts'
import { type LoadPatience, loadInTime } from './load-in-time.ts'
import { optionsBetween, settingsFor, suits } from './load-options.ts'

export interface EnginesInit {
  readonly driver: Driver
  readonly settings: EngineSettings
  readonly find: (digest: string) => Promise<ModelFile | undefined>
  /** Default: a load may stall for ever. */
  readonly patience?: LoadPatience
}

/** A loaded engine and the actor that owns it. */
export interface HeldEngine {
  readonly engine: LoadedEngine
  readonly model: ModelFile
  /** What it was loaded with. */
  readonly settings: EngineSettings
  readonly ref: Ref
  /** Names this process among all that the actor has had. */
  readonly load: number
  /** It finishes what it has and takes nothing new. */
  isLeaving: boolean
}

type Options = Readonly<Record<string, unknown>>

export class Engines {
  readonly #init: Required<EnginesInit>
  readonly #held = new Map<string, HeldEngine>()
  /** Versions that another one's engine serves too; each is checked when it is used. */
  readonly #shared = new Map<string, { readonly owner: string; readonly held: HeldEngine }>()

  constructor(init: EnginesInit) {
    this.#init = { patience: { stallMs: Number.POSITIVE_INFINITY, clock: realClock }, ...init }
  }

  /** The engine that is ready for a model version, if it was loaded as a request with these options wants it. */
  get(digest: string, options: Options = {}): HeldEngine | undefined {
    const held = this.#held.get(digest)
    return held !== undefined && this.#isAsWanted(held, options) ? held : undefined
  }

  /** Whether what is loaded for a version will do. */
  suits(digest: string, options: Options): boolean {
    return this.get(digest, options) !== undefined
  }

  /** Whether the weights of a version may be in memory under another. */
  mayShare(digest: string): boolean {
    return this.#held.size > 0 && !this.#held.has(digest)
  }

  /**
   * Under which version the weights of this one are in memory: its own, unless those of another are the same files. Its
   * engine then serves both, each with its own prompts. With the options to ask that one for: the other's parameters say
   * nothing of how this one is to be loaded.
   */
  async ownerOf(digest: string, options: Options): Promise<{ readonly owner: string; readonly options: Options }> {
    const model = await this.#init.find(digest).catch(() => undefined)
    if (model === undefined || model.path === '') return { owner: digest, options }
    for (const [owner, held] of this.#held) {
      if (!isSameWeights(held.model, model) || held.engine.as === undefined) continue
      this.#shared.set(digest, { owner, held: { ...held, model, engine: held.engine.as(model) } })
      const { settings } = this.#init
      const unsaid = settingsFor(settings, held.model, options)
      return { owner, options: { ...options, ...optionsBetween(unsaid, settingsFor(settings, model, options)) } }
    }
    return { owner: digest, options }
  }

  /** As `get`, for a version whose weights another one brought into memory. */
  shared(digest: string, options: Options): HeldEngine | undefined {
    const found = this.#shared.get(digest)
    const owner = found === undefined ? undefined : this.#held.get(found.owner)
    if (found === undefined || owner?.load !== found.held.load) {
      this.#shared.delete(digest)
      return undefined
    }
    return !owner.isLeaving && this.#isAsWanted(found.held, options) ? found.held : undefined
  }

  loadOf(digest: string): WorkerLoad | undefined {
    return this.#held.get(digest)?.engine.load()
  }

  /** Requests that are computed or wait, over all engines. */
  get activeTasks(): number {
    let active = 0
    for (const { engine } of this.#held.values()) active += engine.load().active + engine.load().waiting
    return active
  }

  /** The process of one engine: starts with its actor and ends with it, whichever ends first. */
  process() {
    return fromCallback<EngineLeaving, { digest: string; options: Options }>(({ input, sendBack, system, receive }) => {
      const controller = new AbortController()
      const tell = (event: EngineEvent): void => {
        if (!controller.signal.aborted) sendBack(event as never)
      }
      const { self, nextId } = here(system)
      receive(() => {
        const held = this.#held.get(input.digest)
        if (held !== undefined) held.isLeaving = true
      })
      const running = this.#run(input, { ref: self, load: nextId() }, controller.signal, tell)
      return () => {
        controller.abort()
        this.#held.delete(input.digest)
        void running.then((engine) => engine?.close())
      }
    })
  }

  /** Never rejects: what goes wrong is an event. */
  async #run(
    { digest, options }: { readonly digest: string; readonly options: Options },
    owner: Pick<HeldEngine, 'ref' | 'load'>,
    signal: AbortSignal,
    tell: (event: EngineEvent) => void,
  ): Promise<LoadedEngine | undefined> {
    const model = await this.#init.find(digest).catch((error: Error) => error)
    if (model === undefined || model instanceof Error) {
      const message = model?.message ?? `this node holds no model version ${digest.slice(0, 12)} any more`
      tell({
        type: 'process.unusable',
        failure: { code: model === undefined ? 'no-such-model' : 'load-failed', message },
      })
      return undefined
    }
    const { driver, patience } = this.#init
    const settings = settingsFor(this.#init.settings, model, options)
    const { name } = model
    const { contextTokens: contextLength, slots } = settings
    const expect = (sizeBytes: number) =>
      tell({ type: 'process.loading', facts: { name, sizeBytes, sizeVramBytes: 0, contextLength, slots } })
    expect(model.sizeBytes)
    const load = (stop: AbortSignal, onProgress: () => void) =>
      driver.load(model, settings, stop, (expectedBytes) => {
        onProgress()
        if (expectedBytes !== undefined) expect(expectedBytes)
      })
    const engine = await loadInTime(model.name, load, signal, patience).catch((error: unknown) => error)
    if (engine instanceof Error) {
      const code = engine instanceof EngineError ? engine.code : 'load-failed'
      tell({ type: 'process.unusable', failure: { code, message: engine.message } })
      return undefined
    }
    const loaded = engine as LoadedEngine
    if (signal.aborted) return loaded
    this.#held.set(digest, { engine: loaded, model, settings, ...owner, isLeaving: false })
    tell({ type: 'process.ready', facts: factsOf(model, loaded), load: owner.load })
    void loaded.ended.then((failure) => {
      if (this.#held.get(digest)?.engine === loaded) this.#held.delete(digest)
      tell({
        type: 'process.ended',
        failure: failure ?? { name: 'EngineError', message: `the engine of ${model.name} ended` },
      })
    })
    return loaded
  }

  #isAsWanted({ engine, model, settings, isLeaving }: HeldEngine, options: Options): boolean {
    if (isLeaving) return false
    const wanted = settingsFor(this.#init.settings, model, options)
    return engine.reloadsItself === true || suits(settings, wanted)
  }
}

/** Whether two versions compute with the same files: the model's and those of its adapters, which are applied when it is loaded. */
function isSameWeights(one: ModelFile, other: ModelFile): boolean {
  const files = ({ path, adapters = [] }: ModelFile) => JSON.stringify([path, ...adapters])
  return files(one) === files(other)
}

function factsOf({ name }: ModelFile, engine: LoadedEngine): EngineFacts {
  const { sizeBytes, sizeVramBytes, contextLength } = engine
  return { name, sizeBytes, sizeVramBytes, contextLength, slots: engine.load().slots }
}
