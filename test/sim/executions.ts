/** Notes what engines really compute, so that a checker can compare it with who still waits for it. */
import type { InferFrame, InferRequest, InferStream } from '../../protocols/infer.ts'
import type { Driver, LoadedEngine } from '../../src/engine/driver.ts'
import type { NodeWorld } from './node-world.ts'

/** One request in one engine, from its acceptance to its end. */
export interface Execution {
  readonly id: string
  readonly node: string
  readonly beganMs: number
}

export class Executions {
  /** Hear of each when it begins. */
  readonly observers: Array<(execution: Execution) => void> = []
  readonly running = new Set<Execution>()
  /** How often each request was begun. */
  readonly begun = new Map<string, number>()

  /** The driver of one node, watched. */
  watched(driver: Driver, node: string, world: NodeWorld): Driver {
    return {
      name: driver.name,
      load: async (model, settings, signal) => {
        const engine = await driver.load(model, settings, signal)
        return this.#watch(engine, node, world)
      },
    }
  }

  /** The process died, and its engines with it. */
  died(node: string): void {
    for (const execution of this.running) if (execution.node === node) this.running.delete(execution)
  }

  #watch(engine: LoadedEngine, node: string, world: NodeWorld): LoadedEngine {
    const infer = (request: InferRequest): InferStream => this.#follow(engine.infer(request), request.id, node, world)
    return new Proxy(engine, {
      get: (target, name) => {
        if (name === 'infer') return infer
        const value = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  #began(execution: Execution): void {
    this.begun.set(execution.id, (this.begun.get(execution.id) ?? 0) + 1)
    for (const observer of this.observers) observer(execution)
  }

  #follow(stream: InferStream, id: string, node: string, world: NodeWorld): InferStream {
    return {
      [Symbol.asyncIterator]: () => {
        const frames = stream[Symbol.asyncIterator]()
        const execution: Execution = { id, node, beganMs: world.shared.monotonicMs() }
        let isOver = false
        const over = (): void => {
          isOver = true
          this.running.delete(execution)
        }
        return {
          next: async () => {
            const result = await frames.next()
            const batch = result.done === true ? [] : result.value
            const isAccepted = batch[0]?.kind === 'accepted' && !world.dead
            if (isAccepted) this.#began(execution)
            if (result.done === true || batch.some(isEnd)) over()
            // It may have been left while its first frame was on its way.
            else if (isAccepted && !isOver) this.running.add(execution)
            return result
          },
          return: async () => {
            over()
            return (await frames.return?.()) ?? { done: true, value: undefined }
          },
        }
      },
    }
  }
}

const isEnd = ({ kind }: InferFrame): boolean => kind === 'done' || kind === 'failed' || kind === 'refused'
