/** C.5, 14. Once a majority can talk to each other, it serves whoever asks it. */

import type { CheckerKind } from '../checker.ts'
import type { Client } from '../client.ts'
import { healMs } from '../script.ts'

/** Loading a model, an engine's pause between two restarts, and everybody else's questions before. */
const maxAnswerMs = 20_000

/**
 * A check of health that was lost under faults fails when its five seconds are over; until the next one, its node is given
 * no work, and who is refused meanwhile asks again.
 */
const lostChecksMs = healMs + 6000

const isTooEarly = ({ atMs, outcome, code }: Client): boolean =>
  outcome === 'refused' && code === 'holders-gone' && atMs < lostChecksMs

export const liveness: CheckerKind = {
  name: 'liveness',
  invariant: 'a healed majority answers every request for a model that one of it holds',
  sometimes: ['a link that was held went on', 'the core was not the whole cluster'],
  start: ({ cluster, broken, sometimes }) => ({
    onFault: ({ kind }) => {
      if (kind === 'hold') sometimes('a link that was held went on')
    },
    atRest: async (core) => {
      if (core.length < cluster.places.size) sometimes('the core was not the whole cluster')
      let asks: Client[] = []
      for (const node of core) {
        for (const model of ['m', 'n'] as const) {
          const isHeld = core.some((holder) =>
            cluster.place(holder).disk.models.some(({ name }) => name === `${model}:latest`),
          )
          const asked = { kind: 'request', atMs: 0, node, model, words: 5, client: 'reads', ms: 0 } as const
          const client = isHeld ? cluster.request(asked) : undefined
          if (client !== undefined) asks.push(client)
        }
      }
      const untilMs = cluster.world.monotonicMs() + maxAnswerMs
      while (
        cluster.world.monotonicMs() < untilMs &&
        asks.some((client) => client.endedMs === undefined || isTooEarly(client))
      ) {
        await cluster.world.run(50)
        asks = asks.map((client) => (isTooEarly(client) ? (cluster.request(client.asked) ?? client) : client))
      }
      for (const { outcome, code, node, asked } of asks) {
        if (outcome !== 'done') broken(`${node.node} was asked for ${asked.model} at the end: ${outcome} ${code}`)
      }
    },
  }),
}
