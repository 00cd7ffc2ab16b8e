/** A node's counters as text: totals, or rates between two readings, which the reader computes. */
import type { InspectAnswer } from '../../protocols/operations.ts'
import { printable, spanText } from './table.ts'

type Counters = NonNullable<InspectAnswer['counters']>
type Dead = NonNullable<InspectAnswer['dead']>

/** The dead that are shown: more would push the living off the screen. */
const maxShownDead = 10

/** Seconds between two readings of one node; undefined when there is only one, or the node started anew. */
export function secondsBetween(answer: InspectAnswer, before: InspectAnswer | undefined): number | undefined {
  const earlier = before?.counters
  if (answer.counters === undefined || earlier === undefined || before?.node !== answer.node) return undefined
  const seconds = (answer.counters.atMs - earlier.atMs) / 1000
  return seconds > 0 && answer.counters.told >= earlier.told ? seconds : undefined
}

/** Counted since a reading that was `seconds` ago, as a rate. */
export function rateText(now: number, earlier: number, seconds: number): string {
  const rate = Math.max(0, now - earlier) / seconds
  return `${rate > 0 && rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`
}

/** One line: what passes through the node, what failed and why. '' for a node that does not count. */
export function describeCounters(answer: InspectAnswer, before?: InspectAnswer): string {
  const { counters } = answer
  if (counters === undefined) return ''
  const seconds = secondsBetween(answer, before)
  const earlier = before?.counters
  const number = (now: number, then: number | undefined): string =>
    seconds === undefined ? String(now) : rateText(now, then ?? 0, seconds)
  return `${[
    `told ${number(counters.told, earlier?.told)}`,
    `handled ${number(counters.handled, earlier?.handled)}`,
    `asks ${number(counters.asks, earlier?.asks)} (${counters.asksOpen} open${reasons(counters.asksFailed, ', failed: ')})`,
    `dead letters ${number(sum(counters.deadLetters), sum(earlier?.deadLetters))}${reasons(counters.deadLetters, ': ')}`,
    `restarts ${counters.restarts}`,
    `links opened ${counters.links}`,
    ...refusedFrames(counters),
  ].join('  ')}\n`
}

function refusedFrames({ rejected }: Counters): string[] {
  const total = sum(rejected)
  return total === 0 ? [] : [`frames refused ${total}${reasons(rejected, ': from ')}`]
}

const sum = (counts: Readonly<Record<string, number>> = {}): number =>
  Object.values(counts).reduce((total, count) => total + count, 0)

/** What is not zero, by name. */
function reasons(counts: Readonly<Record<string, number>>, before: string): string {
  const known = Object.entries(counts).filter(([, count]) => count > 0)
  if (known.length === 0) return ''
  return `${before}${known.map(([reason, count]) => `${printable(reason)} ${count}`).join(', ')}`
}

/** The latest dead, a line each. */
export function describeDead(dead: Dead = []): string {
  return dead
    .slice(0, maxShownDead)
    .map(({ path, exit, agoMs }) => `gone ${spanText(agoMs)} ago: ${printable(`${path}  ${exit}`)}\n`)
    .join('')
}
