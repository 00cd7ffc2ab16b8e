/** C.5, 1. What a node has accepted ends: with an answer, an error, or the end of the node that accepted it. */
import type { CheckerKind } from '../checker.ts'

export const lostRequest: CheckerKind = {
  name: 'lost-request',
  invariant: 'every accepted request ends',
  sometimes: [
    'a request moved on before its first token',
    'a stream was cut after its first token',
    'an entry node died with open requests',
  ],
  start: ({ cluster, sometimes }) => ({
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
