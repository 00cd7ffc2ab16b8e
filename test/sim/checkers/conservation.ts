/**
 * C.5, 10, between nodes: no frame comes out of a link that did not go in, and what did not come out was lost with a
 * connection. Within a node `test/runtime/faults.test.ts` holds it, message by message.
 */
import type { NodeId } from '../../../protocols/ref.ts'
import { type CheckerKind, tickMs } from '../checker.ts'

/** Frames between two nodes that may be under way whenever one looks. */
const underWay = 2
/** What waited for a process that was paused arrives window by window, each after the answer to the one before. */
const maxUnderWayMs = 3000

interface Account {
  taken: number
  delivered: number
  /** Given back to the sender, or lost as the script wanted. */
  accounted: number
  breaks: number
}

export const conservation: CheckerKind = {
  name: 'conservation',
  invariant: 'a link delivers no frame that it did not take, and loses none while it stands',
  sometimes: ['a frame was lost', 'a frame was repeated', 'frames were given back to their sender'],
  start: ({ cluster, broken, sometimes }) => {
    const accounts = new Map<string, Account>()
    const account = (from: NodeId, to: NodeId): Account => {
      const key = `${from} ${to}`
      const known = accounts.get(key) ?? { taken: 0, delivered: 0, accounted: 0, breaks: 0 }
      accounts.set(key, known)
      return known
    }
    return {
      onNetwork: (event) => {
        switch (event.kind) {
          case 'repeated':
            sometimes('a frame was repeated')
            account(event.node, event.other).taken++
            return
          case 'taken':
            account(event.node, event.other).taken++
            return
          case 'vanished':
            sometimes('a frame was lost')
            account(event.node, event.other).accounted++
            return
          case 'returned':
            if (event.frames > 0) sometimes('frames were given back to their sender')
            account(event.node, event.other).accounted += event.frames
            return
          case 'delivered': {
            const link = account(event.from, event.node)
            link.delivered++
            // What was given back may have arrived all the same: nobody can know that at the time.
            if (link.delivered > link.taken) {
              broken(`${event.from} → ${event.node}: ${link.delivered} frames delivered of ${link.taken}`)
            }
            return
          }
          case 'broke':
            account(event.node, event.other).breaks++
            account(event.other, event.node).breaks++
        }
      },
      onLife: (place, what) => {
        if (what !== 'died') return
        for (const [key, link] of accounts) if (key.split(' ').includes(place.node)) link.breaks++
      },
      atRest: async (core) => {
        const pairs = core.flatMap((from) => core.map((to) => [from, to] as const))
        const leaking = () =>
          pairs.filter(([from, to]) => {
            const { taken, delivered, accounted, breaks } = account(from, to)
            return breaks === 0 && taken - delivered - accounted > underWay
          })
        for (let waitedMs = 0; waitedMs < maxUnderWayMs && leaking().length > 0; waitedMs += tickMs) {
          await cluster.world.run(tickMs)
        }
        for (const [from, to] of leaking()) {
          const { taken, delivered, accounted } = account(from, to)
          broken(
            `${from} → ${to}: ${taken} frames taken, ${delivered} delivered, ${accounted} given back, and no connection ever broke`,
          )
        }
      },
    }
  },
}
