/** The loaded engines of this node, and the process of each as an actor's logic. */
import type { EngineEvent } from '../../actors/engine.ts'
import type { ModelFile } from '../../actors/model-catalog.ts'
import type { WorkerLoad } from '../../protocols/infer.ts'
import type { Ref } from '../../protocols/ref.ts'
import { here } from '../runtime/here.ts'
import { fromCallback } from '../runtime/logic.ts'
import { type Driver, EngineError, type EngineSettings, type LoadedEngine } from './driver.ts'

export interface EnginesInit {
  readonly driver: Driver
  readonly settings: EngineSettings
  readonly find: (digest: string) => Promise<ModelFile | undefined>
}

/** A loaded engine and the actor that owns it. */
export interface HeldEngine {
  readonly engine: LoadedEngine
  readonly ref: Ref
  /** Names this process among all that the actor has had. */
  readonly load: number
}

export class Engines {
  readonly #init: EnginesInit
  readonly #held = new Map<string, HeldEngine>()

  constructor(init: EnginesInit) {
    this.#init = init
  }

  /** The engine that is ready for a model version. */
  get(digest: string): HeldEngine | undefined {
    return this.#held.get(digest)
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
    return fromCallback<EngineEvent, { digest: string }>(({ input, sendBack, system }) => {
      const controller = new AbortController()
      const tell = (event: EngineEvent): void => {
        if (!controller.signal.aborted) sendBack(event as never)
      }
      const { self, nextId } = here(system)
      const running = this.#run(input.digest, { ref: self, load: nextId() }, controller.signal, tell)
      return () => {
        controller.abort()
        this.#held.delete(input.digest)
        void running.then((engine) => engine?.close())
      }
    })
  }

  /** Never rejects: what goes wrong is an event. */
  async #run(
    digest: string,
    owner: Omit<HeldEngine, 'engine'>,
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
    const engine = await this.#init.driver.load(model, this.#init.settings, signal).catch((error: unknown) => error)
    if (engine instanceof Error) {
      const code = engine instanceof EngineError ? engine.code : 'load-failed'
      tell({ type: 'process.unusable', failure: { code, message: engine.message } })
      return undefined
    }
    const loaded = engine as LoadedEngine
    if (signal.aborted) return loaded
    this.#held.set(digest, { engine: loaded, ...owner })
    const { sizeBytes, sizeVramBytes, contextLength } = loaded
    const facts = { name: model.name, sizeBytes, sizeVramBytes, contextLength, slots: loaded.load().slots }
    tell({ type: 'process.ready', facts, load: owner.load })
    void loaded.ended.then((failure) => {
      if (this.#held.get(digest)?.engine === loaded) this.#held.delete(digest)
      tell({
        type: 'process.ended',
        failure: failure ?? { name: 'EngineError', message: `the engine of ${model.name} ended` },
      })
    })
    return loaded
  }
}
