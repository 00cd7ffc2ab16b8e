/** C.5, 2 and 3. A client gets its tokens 0, 1, 2 … and one last frame; what was answered was computed. */
import type { CheckerKind } from '../checker.ts'

export const oneEnd: CheckerKind = {
  name: 'one-end',
  invariant:
    'a client sees the tokens 0, 1, 2 … without gap or repetition, then exactly one last frame, and what is done was computed',
  sometimes: ['a request was done', 'a request failed', 'a request was refused', 'a request was computed twice'],
  start: ({ cluster, broken, sometimes }) => ({
    onClient: (client) => {
      const { id, outcome, finals, wrong, accepted } = client
      for (const problem of wrong) broken(`${id}: ${problem}`)
      if (accepted && (outcome === 'done' || outcome === 'failed') && finals !== 1)
        broken(`${id}: ${finals} last frames`)
      const begun = cluster.executions.begun.get(id ?? '') ?? 0
      if (outcome === 'done' && begun === 0) broken(`${id} is done and was computed nowhere`)
      if (begun > 1) sometimes('a request was computed twice')
      if (outcome === 'done' || outcome === 'failed' || outcome === 'refused')
        sometimes(`a request ${outcome === 'failed' ? 'failed' : `was ${outcome}`}`)
    },
  }),
}
