/** C.5, 7. Who is connected sees the same live nodes; nobody is dead in its own eyes; what is gone is seen to be gone. */
import type { CheckerKind } from '../checker.ts'
import { typeOf } from './lost-request.ts'

export const membership: CheckerKind = {
  name: 'membership',
  invariant: 'the core sees itself whole and nobody else alive, and no node is anything but itself in its own view',
  sometimes: [
    'a node was suspected and came back',
    'a node was given up and came back',
    'a node restarted under the same id',
    'a clock went back over a restart',
    'a dial was refused',
    'a dial ran into its time limit',
  ],
  start: ({ cluster, sometimes }) => {
    const startedWallMs = new Map<string, number>()
    /** What each node last heard of each other. */
    const states = new Map<string, string>()
    return {
      onLife: (place, what) => {
        if (what !== 'started' || place.life === undefined) return
        const wallMs = place.life.world.wallMs()
        if (place.lives > 1) sometimes('a node restarted under the same id')
        if ((startedWallMs.get(place.node) ?? 0) > wallMs) sometimes('a clock went back over a restart')
        startedWallMs.set(place.node, wallMs)
      },
      onNetwork: (event) => {
        if (event.kind !== 'dialFailed') return
        sometimes(event.reason === 'refused' ? 'a dial was refused' : 'a dial ran into its time limit')
      },
      onFact: (_, fact) => {
        if (fact.kind !== 'handled' || !fact.ref.endsWith('node/membership')) return
        const { message } = fact
        if (typeOf(message) !== 'peer.state') return
        const { node, state } = message as unknown as { node: string; state: string }
        const key = `${fact.ref} ${node}`
        const before = states.get(key)
        states.set(key, state)
        if (state === 'healthy' && before === 'suspect') sometimes('a node was suspected and came back')
        if (state === 'admitting' && before === 'unreachable') sometimes('a node was given up and came back')
      },
      pending: async (core) => {
        for (const node of core) {
          const view = await cluster.place(node).life?.cluster.view()
          if (view === undefined) return `${node} does not run`
          for (const row of view.values()) {
            const wanted = row.node === node ? 'self' : core.includes(row.node) ? 'healthy' : 'gone'
            const found = wanted === 'gone' && row.state !== 'healthy' && row.state !== 'suspect' ? 'gone' : row.state
            if (found !== wanted) return `${node} sees ${row.node} as ${row.state}, and it should be ${wanted}`
          }
          const missing = core.find((other) => !view.has(other))
          if (missing !== undefined) return `${node} does not know ${missing}`
        }
        return undefined
      },
    }
  },
}
