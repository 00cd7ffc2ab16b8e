/** C.5, 1. What a node has accepted ends, for its client and in the journal, once; whatever becomes of the node. */
import type { CheckerKind } from '../checker.ts'

export const lostRequest: CheckerKind = {
  name: 'lost-request',
  invariant: 'every accepted request ends, for its client and in the journal of its node',
  sometimes: [
    'a request moved on before its first token',
    'a stream was cut after its first token',
    'an entry node died with open requests',
    'a journal ended what an earlier life had accepted',
  ],
  start: ({ cluster, broken, sometimes }) => ({
    onClient: (client) => {
      if (client.outcome === 'info') sometimes('an entry node died with open requests')
      if (client.outcome === 'failed' && client.tokens > 0) sometimes('a stream was cut after its first token')
    },
    onFact: (_, fact) => {
      if (
        fact.kind === 'handled' &&
        fact.ref.endsWith('node/scheduler') &&
        typeOf(fact.message) === 'task.dispatched'
      ) {
        sometimes('a request moved on before its first token')
      }
    },
    atRest: async (core) => {
      // The last records are written a moment after what they record.
      await cluster.world.run(20)
      for (const node of core) {
        const { journal } = cluster.place(node).disk
        for (const id of journal.leftOpen) broken(`${id}: ${node} has written that it was accepted, and no end`)
        for (const { code } of journal.ends.values()) {
          if (code === 'node-restarted') sometimes('a journal ended what an earlier life had accepted')
        }
      }
      for (const client of cluster.clients) {
        const { id = '', outcome, accepted, node } = client
        const { journal } = cluster.place(node.node).disk
        if (!accepted || outcome === 'info' || journal.forgotten.has(id)) continue
        const status = journal.ends.get(id)?.status
        if (core.includes(node.node) && status === undefined)
          broken(`${id}: accepted by ${node.node} and not in its journal`)
        if (outcome === 'done' && status !== undefined && status !== 'completed') {
          broken(`${id}: its client has its answer, and the journal of ${node.node} says that it has ${status}`)
        }
      }
    },
    pending: async (core) => {
      const open = cluster.clients.filter(({ node, endedMs }) => endedMs === undefined && core.includes(node.node))
      const [first] = open
      if (first === undefined) return undefined
      const since = first.acceptedMs === undefined ? 'never answered' : `accepted at ${first.acceptedMs.toFixed(0)} ms`
      return `${open.length} requests of the core are open; ${first.id ?? 'one'} at ${first.node.node}: ${since}`
    },
  }),
}

/** The type of a message, also of one that bites. */
export function typeOf(message: { readonly type: string }): string {
  try {
    return message.type
  } catch {
    return 'poison'
  }
}
