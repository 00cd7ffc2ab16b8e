/** C.5, 9. The tree is whole, and restarts are bounded. */
import type { NodeId, Ref } from '../../../protocols/ref.ts'
import { defaultPolicy } from '../../../src/runtime/supervise.ts'
import type { CheckerKind } from '../checker.ts'

/** As `actors/tree.ts` has them; every other supervisor has the default. */
const intensities: Readonly<Record<string, { readonly intensity: number; readonly periodMs: number }>> = {
  'node/peers': { intensity: 100, periodMs: 60_000 },
  'node/engines': { intensity: 100, periodMs: 60_000 },
}

const parentOf = (ref: Ref): Ref => ref.slice(0, ref.lastIndexOf('/'))
const pathIn = (ref: Ref): string => ref.slice(ref.indexOf('/') + 1)

export const supervision: CheckerKind = {
  name: 'supervision',
  invariant:
    'no actor lives without its parent, restarts keep to their intensity, and a scheduler counts the tasks that live',
  sometimes: ['an actor was restarted', 'a node gave up and was started again', 'a supervisor was restarted'],
  start: ({ cluster, broken, sometimes }) => {
    const running = new Set<Ref>()
    /** Since they were last looked at. */
    let hasChanged = false
    /** When children of a supervisor were restarted, since it started itself. */
    const restarts = new Map<Ref, number[]>()

    const restarted = (ref: Ref): void => {
      const supervisor = parentOf(ref)
      const nowMs = cluster.world.monotonicMs()
      const { intensity, periodMs } = intensities[pathIn(supervisor)] ?? defaultPolicy
      const times = (restarts.get(supervisor) ?? []).filter((atMs) => nowMs - atMs < periodMs)
      // One order may restart several, at one moment.
      if (times.at(-1) !== nowMs) times.push(nowMs)
      restarts.set(supervisor, times)
      if (times.length > intensity)
        broken(`${supervisor} restarted its children ${times.length} times within ${periodMs} ms`)
    }
    const forget = (node: NodeId): void => {
      for (const ref of [...running.keys(), ...restarts.keys()]) {
        if (!ref.startsWith(`${node}/`)) continue
        running.delete(ref)
        restarts.delete(ref)
      }
    }
    return {
      onLife: (place, what) => what === 'died' && forget(place.node),
      onFact: (_, fact) => {
        if (fact.kind === 'started' || fact.kind === 'exited') hasChanged = true
        switch (fact.kind) {
          case 'started':
            running.add(fact.ref)
            if (pathIn(fact.ref) !== 'node') restarts.delete(fact.ref)
            if (fact.restarts === 0) return
            sometimes(
              /\/(peers|engines|tasks|pulls|joiners)$/.test(fact.ref)
                ? 'a supervisor was restarted'
                : 'an actor was restarted',
            )
            return restarted(fact.ref)
          case 'exited':
            return void running.delete(fact.ref)
          case 'escalated':
            return sometimes('a node gave up and was started again')
        }
      },
      onTick: () => {
        if (!hasChanged) return
        hasChanged = false
        for (const ref of running.keys()) {
          const parent = parentOf(ref)
          if (parent.includes('/') && !running.has(parent)) broken(`${ref} lives without ${parent}`)
        }
      },
      pending: async (core) => {
        for (const node of core) {
          const life = cluster.place(node).life
          const load = (await life?.cluster.ask('node/scheduler', { type: 'load.get' })) as unknown as {
            active: number
            queued: number
          }
          const tasks = [...running.keys()].filter((ref) => parentOf(ref) === life?.ref('tasks')).length
          if (load !== undefined && load.active + load.queued !== tasks) {
            return `the scheduler of ${node} counts ${load.active + load.queued} tasks, and ${tasks} live: it has not heard of an end`
          }
        }
        return undefined
      },
    }
  },
}
