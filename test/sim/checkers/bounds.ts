/** C.5, 11. Nothing grows beyond its limit. */
import { maxNodes } from '../../../actors/roster.ts'
import { maxOutboxBytes } from '../../../src/net/limits.ts'
import type { Runtime } from '../../../src/runtime/runtime.ts'
import type { CheckerKind } from '../checker.ts'

/** Mailboxes that `actors/tree.ts` and the scheduler make larger or smaller than usual. */
const capacities: ReadonlyArray<readonly [RegExp, number]> = [
  [/^node\/(membership|worker)$/, 8192],
  [/^node\/scheduler$/, 16_384],
  [/^node\/tasks\/[^/]+$/, 64],
]
const usualCapacity = 1024
/** Who watches others, or is asked to shut down, has notices beside its mailbox: as many as it watches here. */
const watchers = /^node\/(membership|worker|scheduler|inspector)$/
const maxSignals = 64

export const bounds: CheckerKind = {
  name: 'bounds',
  invariant: 'mailboxes, outboxes and peer tables keep to their limits, to the message',
  sometimes: ['a mailbox was full', 'a queue was full'],
  start: ({ cluster, broken, sometimes }) => ({
    onFact: ({ runtime }, fact) => {
      if (fact.kind !== 'deadLetter' || fact.why !== 'full') return
      sometimes('a mailbox was full')
      checkMailboxes(runtime, broken)
    },
    onClient: ({ outcome, code }) => {
      if (outcome === 'refused' && code === 'busy') sometimes('a queue was full')
    },
    onTick: () => {
      for (const life of cluster.live()) {
        checkMailboxes(life.runtime, broken)
        const peers = life.runtime.census().filter(({ path }) => /^node\/peers\/[^/]+$/.test(path)).length
        if (peers > maxNodes) broken(`${life.node} keeps ${peers} peers`)
      }
      for (const { node, bytes } of cluster.network.unsent()) {
        if (bytes > maxOutboxBytes) broken(`${node} holds ${bytes} bytes for one peer`)
      }
    },
  }),
}

function checkMailboxes(runtime: Runtime, broken: (message: string) => void): void {
  for (const { path, waiting } of runtime.census()) {
    const capacity = capacities.find(([pattern]) => pattern.test(path))?.[1] ?? usualCapacity
    const signals = watchers.test(path) ? maxSignals : 0
    if (waiting > capacity + signals) broken(`${runtime.node}/${path} holds ${waiting} messages of ${capacity}`)
  }
}
