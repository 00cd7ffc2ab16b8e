/** C.5, 2: of a request's attempts only the present one counts, and the journal of its entry node has one end of it. */
import type { InferFrame } from '../../../protocols/infer.ts'
import type { CheckerKind } from '../checker.ts'
import type { Attempt } from '../sighting.ts'

export const fencing: CheckerKind = {
  name: 'fencing',
  invariant:
    'only the present attempt of a request writes into its response and completes it, and its end is written once',
  sometimes: ['a request moved on to another attempt', 'an attempt was left while its worker computed'],
  start: ({ cluster, broken, sometimes }) => {
    /** By request: the attempt that was begun last, */
    const present = new Map<string, Attempt>()
    /** and the result that it has told. */
    const results = new Map<string, InferFrame>()
    const over = new WeakSet<Attempt>()
    const began = (attempt: Attempt): void => {
      if (present.has(attempt.id)) sometimes('a request moved on to another attempt')
      results.delete(attempt.id)
      present.set(attempt.id, attempt)
    }
    const left = (attempt: Attempt): void => {
      if (over.has(attempt)) return
      for (const { id, node } of cluster.executions.running) {
        if (id === attempt.id && node === attempt.node) sometimes('an attempt was left while its worker computed')
      }
    }
    const isPresent = (attempt: Attempt): boolean => !attempt.left && present.get(attempt.id) === attempt
    return {
      onSighting: (_, sighting) => {
        switch (sighting.kind) {
          case 'attemptBegan':
            return began(sighting.attempt)
          case 'attemptLeft':
            return left(sighting.attempt)
          case 'attemptTold': {
            const { attempt, event } = sighting
            if (event.type !== 'attempt.accepted' && event.type !== 'attempt.started') over.add(attempt)
            if (event.type === 'attempt.done' && isPresent(attempt)) results.set(attempt.id, event.frame)
            return
          }
          case 'carried': {
            const { attempt, what } = sighting
            if (isPresent(attempt)) return
            const kind = what === 'accept' ? what : what.kind
            return broken(`${attempt.id}: ${kind} of the attempt at ${attempt.node}, which its task has left`)
          }
          case 'responseEnded':
            if (sighting.frame.kind === 'done' && results.get(sighting.id) !== sighting.frame) {
              broken(`${sighting.id}: completed by a result that its present attempt has not told`)
            }
        }
      },
      atRest: async () => {
        for (const { node, disk } of cluster.places.values()) {
          for (const [id, ends] of disk.journal.written) {
            if (ends > 1) broken(`${id}: ${node} has written ${ends} ends of it`)
          }
        }
      },
    }
  },
}
