/** C.5, 11. Nothing grows beyond its limit. */
import { maxNodes } from '../../../actors/roster.ts'
import type { NodeId, Ref } from '../../../protocols/ref.ts'
import { maxOutboxBytes, maxWriteBytes } from '../../../src/net/limits.ts'
import type { WaitingMessages } from '../../../src/runtime/feed.ts'
import type { CheckerKind } from '../checker.ts'
import type { Sighting } from '../sighting.ts'

/** Mailboxes that `actors/tree.ts` and the scheduler make larger or smaller than usual. */
const capacities: ReadonlyArray<readonly [RegExp, number]> = [
  [/^node\/(membership|prober|worker)$/, 8192],
  [/^node\/scheduler$/, 16_384],
  [/^node\/tasks\/[^/]+$/, 64],
]
const peerRef = /\/node\/peers\/[^/]+$/
const usualCapacity = 1024
/** Who watches others, or is asked to shut down, has notices beside its mailbox: as many as it watches here. */
const watchers = /^node\/(membership|worker|scheduler|inspector)$/
const maxSignals = 64

type Sent = Extract<Sighting, { kind: 'sent' }>

/** What the stream has taken, or the other side has not read, is no longer in the outbox. */
const underWayBytes = 2 * maxWriteBytes

export const bounds: CheckerKind = {
  name: 'bounds',
  invariant: 'mailboxes, outboxes and peer tables keep to their limits, to the message',
  sometimes: ['a mailbox was full', 'a queue was full', 'an outbox was full'],
  start: ({ cluster, broken, sometimes }) => {
    const peers = new Map<NodeId, Set<Ref>>()
    /** By sender and receiver, the bytes that a node's carrier has taken and that have not come out of it. */
    const outboxes = new Map<string, number>()
    const add = (from: NodeId, to: NodeId, bytes: number): number => {
      const key = `${from} ${to}`
      const sum = (outboxes.get(key) ?? 0) + bytes
      outboxes.set(key, sum)
      return sum
    }
    const sent = (node: NodeId, { to, bytes, isTaken }: Sent): void => {
      const held = add(node, to, isTaken ? bytes : 0)
      if (!isTaken && held + bytes > maxOutboxBytes) sometimes('an outbox was full')
      // What is to be overtaken waits outside for a moment, whether or not there is room for it then.
      const isExact = cluster.network.path(node, to).flakiness.reordering === 0
      if (isExact && held > maxOutboxBytes + underWayBytes) broken(`${node} holds ${held} bytes for ${to}`)
    }
    const met = (node: NodeId, peer: Ref): void => {
      const kept = (peers.get(node) ?? new Set()).add(peer)
      peers.set(node, kept)
      if (kept.size > maxNodes) broken(`${node} keeps ${kept.size} peers`)
    }
    return {
      onSighting: (node, sighting) => {
        if (sighting.kind === 'sent') sent(node, sighting)
      },
      onNetwork: (event) => {
        if (event.kind === 'delivered') add(event.from, event.node, -event.frame.length)
        else if (event.kind === 'vanished') add(event.node, event.other, -event.frame.length)
        else if (event.kind === 'returned') for (const frame of event.told) add(event.node, event.other, -frame.length)
        else if (event.kind === 'connected' || event.kind === 'disconnected')
          outboxes.delete(`${event.node} ${event.other}`)
      },
      onLife: ({ node }) => {
        peers.delete(node)
        for (const key of outboxes.keys()) if (key.startsWith(`${node} `)) outboxes.delete(key)
      },
      onFact: ({ node, runtime }, fact) => {
        if (fact.kind === 'started' && peerRef.test(fact.ref)) met(node, fact.ref)
        else if (fact.kind === 'exited') peers.get(node)?.delete(fact.ref)
        if (fact.kind !== 'deadLetter' || fact.why !== 'full') return
        sometimes('a mailbox was full')
        checkMailboxes(runtime.node, runtime.feed.waiting(), broken)
      },
      onClient: ({ outcome, code }) => {
        if (outcome === 'refused' && code === 'busy') sometimes('a queue was full')
      },
      onTick: (nodes) => {
        for (const { life, mailboxes } of nodes) checkMailboxes(life.node, mailboxes, broken)
      },
    }
  },
}

function checkMailboxes(node: NodeId, mailboxes: readonly WaitingMessages[], broken: (what: string) => void): void {
  for (const { path, waiting } of mailboxes) {
    const capacity = capacities.find(([pattern]) => pattern.test(path))?.[1] ?? usualCapacity
    const signals = watchers.test(path) ? maxSignals : 0
    if (waiting > capacity + signals) broken(`${node}/${path} holds ${waiting} messages of ${capacity}`)
  }
}
