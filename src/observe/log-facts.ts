/** The runtime's facts as log lines: what ended and why, what was not delivered, what a peer sent that it may not. */
import type { Logger } from 'pino'
import { nodeOf, pathOf } from '../../protocols/ref.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { sampler } from '../runtime/sampler.ts'

/** Of each kind of dead letter and rejection, one line per this span; the others are counted in the next line. */
const sampleMs = 10_000

export function logFacts(runtime: Runtime, log: Logger): void {
  const sampled = sampler(sampleMs, () => runtime.world.monotonicMs())
  runtime.facts.observe(['started'], ({ ref, restarts }) => {
    if (restarts > 0) log.info({ actor: pathOf(ref), restarts }, 'restarted')
    else log.trace({ actor: pathOf(ref) }, 'started')
  })
  runtime.facts.observe(['exited'], ({ ref, exit }) => {
    if (exit.kind === 'crash')
      log.warn({ actor: pathOf(ref), reason: exit.failure.message, stack: exit.failure.stack }, 'crashed')
    else log.trace({ actor: pathOf(ref), exit: exit.kind }, 'ended')
  })
  runtime.facts.observe(['deadLetter'], ({ to, type, why }) => {
    sampled(`${type} ${why}`, (count) =>
      log.debug({ to: pathOf(to), node: nodeOf(to), type, why, count }, 'not delivered'),
    )
  })
  runtime.facts.observe(['rejected'], ({ from, failure }) => {
    sampled(`${from} ${failure.message}`, (count) =>
      log.warn({ from, reason: failure.message, count }, 'message refused'),
    )
  })
  runtime.facts.observe(['escalated'], ({ ref, exit }) => log.fatal({ actor: pathOf(ref), exit }, 'gave up'))
}
