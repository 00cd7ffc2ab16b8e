/** C.5, 11. Nothing grows beyond its limit. */
import { maxNodes } from '../../../actors/roster.ts'
import { maxOutboxBytes } from '../../../src/net/limits.ts'
import type { CheckerKind } from '../checker.ts'

/** Mailboxes that `actors/tree.ts` and the scheduler make larger or smaller than usual; signals come on top. */
const capacities: ReadonlyArray<readonly [RegExp, number]> = [
  [/^node\/(membership|worker)$/, 8192],
  [/^node\/scheduler$/, 16_384],
  [/^node\/tasks\/[^/]+$/, 64],
]
const usualCapacity = 1024
/** Notices of ends that wait beside the mailbox: as many as an actor watches here. */
const maxSignals = 64

export const bounds: CheckerKind = {
  name: 'bounds',
  invariant: 'mailboxes, outboxes and peer tables keep to their limits',
  sometimes: ['a mailbox was full', 'a queue was full'],
  start: ({ cluster, broken, sometimes }) => ({
    onFact: (_, fact) => {
      if (fact.kind === 'deadLetter' && fact.why === 'full') sometimes('a mailbox was full')
    },
    onClient: ({ outcome, code }) => {
      if (outcome === 'refused' && code === 'busy') sometimes('a queue was full')
    },
    onTick: () => {
      for (const life of cluster.live()) {
        let peers = 0
        for (const { path, waiting } of life.runtime.census()) {
          const capacity = capacities.find(([pattern]) => pattern.test(path))?.[1] ?? usualCapacity
          if (waiting > capacity + maxSignals) broken(`${life.node}/${path} holds ${waiting} messages of ${capacity}`)
          if (/^node\/peers\/[^/]+$/.test(path)) peers++
        }
        if (peers > maxNodes) broken(`${life.node} keeps ${peers} peers`)
      }
      for (const { node, bytes } of cluster.network.unsent()) {
        if (bytes > maxOutboxBytes) broken(`${node} holds ${bytes} bytes for one peer`)
      }
    },
  }),
}
