/** C.5, 10, within a node: whatever it was told is handled, a dead letter, sent to another node, or waits. */
import type { NodeCounters } from '../../../src/runtime/feed.ts'
import type { Runtime } from '../../../src/runtime/runtime.ts'
import type { CheckerKind } from '../checker.ts'
import type { Mailboxes } from '../cluster.ts'
import { isMessage, markOf, marks } from '../frames.ts'
import { typeOf } from './lost-request.ts'

/** What a runtime's own counters do not say. */
interface Beside {
  /** Notices and requests to shut down were told by nobody, and are handled all the same. */
  signals: number
  /** Messages that its carrier has taken, */
  sent: number
  /** and those of them that it gave back: dead letters beside what was told. */
  givenBack: number
  /** Answers that came from other nodes: told there. */
  answers: number
}

const total = (counts: Readonly<Record<string, number>>): number => {
  let sum = 0
  for (const kind in counts) sum += counts[kind] as number
  return sum
}

/** Messages that were told and are not accounted for; less than none: accounted for twice. */
function missing(counters: NodeCounters, waiting: number, beside: Beside): number {
  const { told, handled, deadLetters, asks, asksOpen, asksFailed } = counters
  const answered = asks - asksOpen - total(asksFailed)
  const here = handled - beside.signals + waiting + total(deadLetters) - beside.givenBack
  return told - here - beside.sent - (answered - beside.answers)
}

export const books: CheckerKind = {
  name: 'books',
  invariant: 'what a node was told is handled, a dead letter, sent, or waits: nothing vanishes in it or comes twice',
  sometimes: ['a message became a dead letter', 'messages waited when they were counted', 'a node answered another'],
  start: ({ cluster, faults, broken, sometimes }) => {
    const kept = new Map<Runtime, Beside>()
    const of = (runtime: Runtime): Beside => {
      const known = kept.get(runtime) ?? { signals: 0, sent: 0, givenBack: 0, answers: 0 }
      kept.set(runtime, known)
      return known
    }
    const besideAt = (node: string): Beside | undefined => {
      const { life } = cluster.place(node)
      return life === undefined ? undefined : of(life.runtime)
    }
    const balance = (nodes: readonly Mailboxes[]): void => {
      for (const { life, mailboxes } of nodes) {
        const { node, runtime } = life
        let waiting = 0
        for (const mailbox of mailboxes) waiting += mailbox.waiting
        if (waiting > 0) sometimes('messages waited when they were counted')
        const rest = missing(runtime.feed.counters(), waiting, of(runtime))
        // Notices wait in mailboxes too: while anything waits, too much may be accounted for, never too little.
        if (rest > 0) broken(`${node}: ${rest} messages were told and are nowhere`)
        else if (rest < 0 && waiting === 0) broken(`${node}: ${-rest} messages are accounted for and were never told`)
      }
    }
    return {
      onLife: ({ life }, what) => what === 'died' && life !== undefined && kept.delete(life.runtime),
      onFact: ({ runtime }, fact) => {
        if (fact.kind === 'deadLetter') return sometimes('a message became a dead letter')
        if (fact.kind !== 'handled') return
        const type = typeOf(fact.message)
        if (type === 'actor.down' || type === 'shutdown') of(runtime).signals++
      },
      onNetwork: (event) => {
        if (event.kind === 'taken') {
          const beside = besideAt(event.node)
          if (beside !== undefined && isMessage(event.frame) && !faults.isGarbage(event.frame)) beside.sent++
        } else if (event.kind === 'returned') {
          const beside = besideAt(event.node)
          if (beside !== undefined) beside.givenBack += event.told.filter(isMessage).length
        } else if (event.kind === 'delivered') {
          const beside = besideAt(event.node)
          if (beside === undefined || markOf(event.frame) !== marks.reply || faults.isGarbage(event.frame)) return
          sometimes('a node answered another')
          beside.answers++
        }
      },
      onTick: balance,
      atRest: async () => balance(cluster.mailboxes()),
    }
  },
}
