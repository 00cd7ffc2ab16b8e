/** Watching one machine's transitions. XState's inspection is attached to that actor only while somebody looks. */
import { type Cell, stateText } from './cell.ts'
import type { Facts } from './facts.ts'

/** Attaches the inspection to the current incarnation, once. */
export function inspect(cell: Cell, facts: Facts): void {
  const { actor } = cell
  if (actor === undefined || cell.unfollow !== undefined) return
  let last = valueText(actor.getSnapshot())
  const subscription = actor.system.inspect({
    next: (inspected) => {
      if (inspected.type !== '@xstate.snapshot' || inspected.actorRef !== actor) return
      const to = valueText(inspected.snapshot)
      if (to === last) return
      const from = last
      last = to
      const event = inspected.event.type
      for (const follower of cell.followers ?? []) guarded(facts, () => follower(from, to, event))
      facts.emit({ kind: 'transitioned', ref: cell.ref, from, to, event })
    },
  })
  cell.unfollow = () => {
    subscription.unsubscribe()
    cell.unfollow = undefined
  }
}

const valueText = (snapshot: unknown): string => stateText((snapshot as { value?: unknown }).value ?? '')

/** A throwing inspector would throw out of `send` before the transition runs, so none may. */
function guarded(facts: Facts, call: () => void): void {
  try {
    call()
  } catch (error) {
    facts.observerFailed(error)
  }
}
