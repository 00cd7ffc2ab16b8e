/** What the runtime tells its observers. One shape feeds the inspector, the logs, the metrics and the tests. */
import type { Undelivered } from '../../protocols/actor.ts'
import type { Exit, Failure } from '../../protocols/exit.ts'
import type { Message, NodeId, Ref } from '../../protocols/ref.ts'

export type Fact =
  | { readonly kind: 'started'; readonly ref: Ref; readonly epoch: number; readonly restarts: number }
  | { readonly kind: 'exited'; readonly ref: Ref; readonly epoch: number; readonly exit: Exit }
  | {
      readonly kind: 'handled'
      readonly ref: Ref
      readonly message: Message
      readonly tookMs: number
      readonly waiting: number
    }
  | {
      readonly kind: 'transitioned'
      readonly ref: Ref
      readonly from: string
      readonly to: string
      readonly event: string
    }
  | { readonly kind: 'deadLetter'; readonly to: Ref; readonly type: string; readonly why: Undelivered }
  /** A peer sent something that is no frame, not declared, not allowed to it, or not in its schema. */
  | { readonly kind: 'rejected'; readonly from: NodeId; readonly failure: Failure }
  /** The root gave up: the process should end with a non-zero code. */
  | { readonly kind: 'escalated'; readonly ref: Ref; readonly exit: Exit }

export type FactKind = Fact['kind']
export type FactOf<K extends FactKind> = Extract<Fact, { kind: K }>

type Observer = (fact: Fact) => void

/** Observers by kind, so that nothing is built for a kind that nobody wants. */
export class Facts {
  readonly #observers = new Map<FactKind, Set<Observer>>()
  /** Where errors of observers go; never into the actor that they observe. */
  readonly observerFailed: (error: unknown) => void

  constructor(observerFailed: (error: unknown) => void) {
    this.observerFailed = observerFailed
  }

  /** Calls `observer` with every fact of these kinds until the returned function is called. */
  observe<K extends FactKind>(kinds: readonly K[], observer: (fact: FactOf<K>) => void): () => void {
    for (const kind of kinds) {
      const known = this.#observers.get(kind)
      if (known === undefined) this.#observers.set(kind, new Set([observer as Observer]))
      else known.add(observer as Observer)
    }
    return () => {
      for (const kind of kinds) {
        const known = this.#observers.get(kind)
        known?.delete(observer as Observer)
        if (known?.size === 0) this.#observers.delete(kind)
      }
    }
  }

  wants(kind: FactKind): boolean {
    return this.#observers.has(kind)
  }

  /** An observer that throws cannot break the actor that it observes. */
  emit(fact: Fact): void {
    const observers = this.#observers.get(fact.kind)
    if (observers === undefined) return
    for (const observer of observers) {
      try {
        observer(fact)
      } catch (error) {
        this.observerFailed(error)
      }
    }
  }
}
