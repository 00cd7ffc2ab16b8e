/** The engines of a node on a simulated world: real actors and the simulated driver; the worker only listens. */
import { engineMachine } from '../../actors/engine.ts'
import type { ModelFile } from '../../actors/model-catalog.ts'
import type { InferFrame, InferRequest, InferStream } from '../../protocols/infer.ts'
import type { Message } from '../../protocols/ref.ts'
import type { Driver, LoadedEngine } from '../../src/engine/driver.ts'
import { Engines } from '../../src/engine/engines.ts'
import { SimDriver, type SimOptions } from '../../src/engine/sim.ts'
import { unloadLogic } from '../../src/engine/unload-logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { puppet, steady, supervisor } from '../runtime/kit.ts'
import { SimulatedWorld } from '../sim/world.ts'

const settings = { threads: 1, slots: 2, maxWaiting: 2, contextTokens: 256, prefillTokens: 64 }

export const file: ModelFile = { digest: 'd', name: 'm:latest', path: '', sizeBytes: 10, parameters: {} }

export const request = (rest: Partial<InferRequest> = {}): InferRequest => ({
  id: 'r',
  traceId: 'r',
  model: 'm',
  digest: 'd',
  work: { kind: 'generate', prompt: 'a b c', raw: true },
  options: { num_predict: 4 },
  remainingMs: 0,
  ...rest,
})

/** What every load says that it will take. */
export const expectedBytes = 24

export class Stable {
  readonly world = new SimulatedWorld(1)
  readonly runtime = new Runtime('n', this.world)
  readonly worker = puppet('worker')
  readonly engines: Engines
  /** Every engine that was loaded, oldest first. */
  readonly loaded: LoadedEngine[] = []

  constructor(
    sim: SimOptions = {},
    find: (digest: string) => Promise<ModelFile | undefined> = async () => file,
    stallMs = Number.POSITIVE_INFINITY,
  ) {
    const driver = new SimDriver({ clock: this.world, ...sim })
    const noting = {
      name: driver.name,
      load: async (...args: Parameters<Driver['load']>) => {
        const [model, wanted, signal, onProgress] = args
        onProgress?.(expectedBytes)
        const engine = await driver.load(model, wanted, signal)
        this.loaded.push(engine)
        return engine
      },
    }
    this.engines = new Engines({ driver: noting, settings, find, patience: { stallMs, clock: this.world } })
    this.runtime.spawn(
      supervisor('node', {
        children: [this.worker.spec, supervisor('engines', { policy: { ...steady, intensity: 100 } })],
      }),
    )
  }

  /** Starts the actor of an engine. */
  async start(digest = 'd', options: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const logic = engineMachine.provide({ actors: { process: this.engines.process() } })
    this.runtime.spawn({ id: digest, logic, input: { digest, keepAliveMs: -1, options } }, 'n/node/engines')
    await this.world.run(1)
  }

  /** What the worker heard, by type. */
  heard(type: string): Message[] {
    return this.worker.heard.filter((message) => message.type === type)
  }

  /** Asks for a version to leave memory, where the worker does not know it by its own digest. */
  async unload(digest: string): Promise<void> {
    const input = { type: 'engine.unload', digest, replyTo: 'n/node/worker' } as const
    this.runtime.spawn({ id: 'unload', logic: unloadLogic(this.engines), input, restart: 'temporary' }, 'n/node')
    await this.world.run(5)
  }

  state(): string | undefined {
    return this.runtime.census().find(({ path }) => path === 'node/engines/d')?.state
  }

  /** A request straight to the engine that is held. */
  infer(rest: Partial<InferRequest> = {}) {
    const held = this.engines.get('d')
    if (held === undefined) throw new Error('no engine is ready')
    return this.read(held.engine.infer(request(rest)))
  }

  /** Reads a stream while the world runs. */
  read(stream: InferStream): { readonly frames: InferFrame[]; ended: boolean } {
    const seen = { frames: [] as InferFrame[], ended: false }
    void (async () => {
      for await (const batch of stream) seen.frames.push(...batch)
      seen.ended = true
    })()
    return seen
  }
}
