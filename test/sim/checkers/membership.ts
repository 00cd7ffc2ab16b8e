/** C.5, 7. Who is connected sees the same live nodes; nobody is dead in its own eyes; what is gone is seen to be gone. */
import type { Claim } from '../../../actors/claims.ts'
import { nodeOf } from '../../../protocols/ref.ts'
import type { CheckerKind } from '../checker.ts'
import { typeOf } from './lost-request.ts'

export const membership: CheckerKind = {
  name: 'membership',
  invariant:
    'the core sees itself whole and nobody else alive; a node is itself in its own view, and its incarnations only rise; nobody is accused in an incarnation in which no one has found it silent',
  sometimes: [
    'a node was suspected and came back',
    'a node was given up and came back',
    'a node restarted under the same id',
    'a clock went back over a restart',
    'an accusation was denied',
    'a dial was refused',
    'a dial ran into its time limit',
  ],
  start: ({ cluster, broken, sometimes }) => {
    const startedWallMs = new Map<string, number>()
    /** What each node last heard of each other. */
    const states = new Map<string, string>()
    /** By peer's actor, the last incarnation of its own node that it was told: each hears them in their order. */
    const told = new Map<string, number>()
    /** The highest of each node. */
    const highest = new Map<string, number>()
    /** What every incarnation of the present life must be above. */
    const earlier = new Map<string, number>()
    /** Who was found silent by somebody's own ears, and in which incarnation. */
    const silent = new Set<string>()
    const raised = (ref: string, incarnation: number): void => {
      const node = nodeOf(ref)
      const known = told.get(ref) ?? 0
      const before = earlier.get(node) ?? 0
      if (incarnation < known) broken(`${node} goes back from incarnation ${known} to ${incarnation}`)
      if (before > 0 && incarnation <= before) {
        broken(`${node} lives again in incarnation ${incarnation}, and had ${before} in an earlier life`)
      }
      told.set(ref, incarnation)
      highest.set(node, Math.max(incarnation, highest.get(node) ?? 0))
    }
    const claimed = (ref: string, { node, incarnation, status }: Claim): void => {
      if (status === 'alive' || status === 'departed' || silent.has(`${node} ${incarnation}`)) return
      broken(
        `${ref} hears that ${node} is ${status} in incarnation ${incarnation}, in which nobody has found it silent`,
      )
    }
    return {
      onLife: (place, what) => {
        if (what !== 'started' || place.life === undefined) return
        earlier.set(place.node, highest.get(place.node) ?? 0)
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
        if (fact.kind !== 'handled') return
        const { message } = fact
        const type = typeOf(message)
        if (type === 'peer.self') raised(fact.ref, (message.self as { incarnation: number }).incarnation)
        else if (type === 'peer.claimed') claimed(fact.ref, message.claim as Claim)
        else if (type === 'peer.accused') silent.add(`${message.node} ${message.incarnation}`)
        else if (type === 'self.accused') sometimes('an accusation was denied')
        if (type !== 'peer.state') return
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
