/**
 * Looks into incarnations: which watches they ask for, and what becomes of their timers. The runtime tells neither, so
 * the logic of each actor is given to it with a hook at its start.
 */
import type { Ref } from '../../protocols/ref.ts'
import type { Spec } from '../../src/runtime/cell.ts'
import { copyOf } from '../../src/runtime/copy.ts'
import { here } from '../../src/runtime/here.ts'
import type { AnyActor, AnyActorLogic } from '../../src/runtime/logic.ts'
import { replaceMethods } from './methods.ts'
import type { OnSighting } from './sighting.ts'

/** As much of XState's system as timers need; every incarnation has one of its own. */
interface System {
  readonly _snapshot: { readonly _scheduledEvents: Readonly<Record<string, { readonly source: AnyActor }>> }
  readonly scheduler: {
    schedule(source: AnyActor, target: AnyActor, event: { type: string }, delayMs: number, id?: string): void
    cancelAll(actor: AnyActor): void
  }
}

interface Scope {
  readonly self: AnyActor
  readonly system: System
}

/** Called with each incarnation when it starts, before it does anything of its own. */
export type OnStart = (scope: Scope, ref: Ref) => void

/** The specs of a tree with hooked logics; one logic serves many actors, and is hooked once. */
export function hooked(onStart: OnStart): (spec: Spec) => Spec {
  const known = new WeakMap<object, AnyActorLogic>()
  const hookedLogic = (logic: AnyActorLogic): AnyActorLogic => {
    const before = known.get(logic)
    if (before !== undefined) return before
    const start = (snapshot: never, scope: Scope): void => {
      logic.start?.(snapshot, scope as never)
      onStart(scope, scope.self.id)
    }
    const made = copyOf(logic, { start })
    known.set(logic, made)
    return made
  }
  const hookedSpec = (spec: Spec): Spec => ({
    ...spec,
    logic: hookedLogic(spec.logic),
    ...(spec.children === undefined ? {} : { children: spec.children.map(hookedSpec) }),
  })
  return hookedSpec
}

/** Tells of watches and timers. */
export function lookInto(onSighting: OnSighting): OnStart {
  return ({ system }, ref) => {
    const door = here(system)
    const { watch, unwatch } = door
    replaceMethods(door, {
      watch: (target) => {
        onSighting({ kind: 'watched', ref, target })
        watch(target)
      },
      unwatch: (target) => {
        onSighting({ kind: 'unwatched', ref, target })
        unwatch(target)
      },
    })
    lookAtTimers(system, ref, onSighting)
  }
}

function lookAtTimers({ scheduler, _snapshot: snapshot }: System, ref: Ref, onSighting: OnSighting): void {
  const { schedule, cancelAll } = scheduler
  replaceMethods(scheduler, {
    schedule: (source, target, event, delayMs, id) => {
      // What a timer does is to send its event: here through somebody who looks whether there is still anybody.
      const receiver = {
        _send: (due: { type: string }): void => {
          if (target.getSnapshot().status !== 'active') onSighting({ kind: 'timerLate', ref, event: due.type })
          ;(target as unknown as { _send(event: object): void })._send(due)
        },
      }
      schedule(source, receiver as unknown as AnyActor, event, delayMs, id)
    },
    cancelAll: (actor) => {
      if (Object.values(snapshot._scheduledEvents).some(({ source }) => source === actor)) {
        onSighting({ kind: 'timerDropped', ref, event: '' })
      }
      cancelAll(actor)
    },
  })
}
