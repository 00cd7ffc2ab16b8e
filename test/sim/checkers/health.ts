/** C.5, 13. Who fails its health check is given no new work, and who passes again is. */
import type { ClusterView } from '../../../actors/view.ts'
import type { CheckerKind } from '../checker.ts'
import { typeOf } from './lost-request.ts'

/** From the news to the scheduler's next view: a turn or two, and more in a process that is slow. */
const settleMs = 1000

export const health: CheckerKind = {
  name: 'health',
  invariant:
    'a node gives no new task to one that it knows to fail its health check, and none keeps failing in a healed majority',
  sometimes: ['a health check failed'],
  start: ({ cluster, broken, sometimes }) => {
    /** By observer and observed: since when the scheduler knows that it fails. */
    const unfit = new Map<string, number>()
    cluster.executions.observers.push(({ id, node }) => {
      const client = cluster.clients.find((each) => each.id === id)
      const sinceMs = unfit.get(`${client?.node.node} ${node}`)
      if (client === undefined || sinceMs === undefined || client.atMs - sinceMs <= settleMs) return
      broken(`${client.node.node} gave ${id} to ${node}, of which it knew that it fails its health check`)
    })
    return {
      onLife: (place, what) => {
        if (what !== 'died') return
        for (const key of unfit.keys()) if (key.startsWith(`${place.node} `)) unfit.delete(key)
      },
      onFact: (life, fact) => {
        if (fact.kind !== 'handled' || !fact.ref.endsWith('node/scheduler')) return
        const nowMs = cluster.world.monotonicMs()
        if (typeOf(fact.message) === 'view.changed') {
          for (const row of (fact.message.view as ClusterView).values()) {
            const key = `${life.node} ${row.node}`
            if (row.unfit === '') unfit.delete(key)
            else if (!unfit.has(key)) {
              unfit.set(key, nowMs)
              sometimes('a health check failed')
            }
          }
        }
      },
      pending: async (core) => {
        for (const node of core) {
          const view = await cluster.place(node).life?.cluster.view()
          const failing = core.find((other) => (view?.get(other)?.unfit ?? '') !== '')
          if (failing !== undefined) return `${node} holds ${failing} for unhealthy: ${view?.get(failing)?.unfit}`
        }
        return undefined
      },
    }
  },
}
