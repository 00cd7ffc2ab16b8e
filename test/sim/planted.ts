/** Bugs that are planted in a node, and the checker that is to find each. */
import type { Sabotage } from './cluster.ts'
import {
  attemptThatStays,
  blindScheduler,
  deafEngine,
  firstScan,
  firstView,
  forgetfulWorker,
  lateCompletion,
  lostNotice,
  repeatedToken,
  secondEnd,
  staleClaim,
  unseenVersion,
  unwrittenEnd,
} from './planted-node.ts'
import {
  droppedFrames,
  echoedNotice,
  endlessOutbox,
  flippedByte,
  forgottenWatch,
  keptTimers,
  leakyLink,
  oneMore,
  partitionIsDeath,
  sameLife,
  swallowedGarbage,
  undeadProcess,
  withoutIntensity,
} from './planted-runtime.ts'

export interface PlantedBug {
  readonly name: string
  /** The checker that is to find it. */
  readonly checker: string
  readonly sabotage: Sabotage
  /** Where the search begins: the first seed that shows it. Default: 1. When it shows it no more, the next ones are tried. */
  readonly seed?: number
}

export const plantedBugs: readonly PlantedBug[] = [
  { name: 'a worker that forgets to end an answer', checker: 'lost-request', sabotage: forgetfulWorker, seed: 9 },
  {
    name: 'a claim about an earlier incarnation that counts for the present one',
    checker: 'membership',
    sabotage: staleClaim,
  },
  { name: 'a notice of an end that is dropped', checker: 'supervision', sabotage: lostNotice, seed: 3 },
  { name: 'a partition that is read as death', checker: 'membership', sabotage: partitionIsDeath },
  {
    name: 'a restart without a larger life',
    checker: 'membership',
    sabotage: sameLife,
    seed: 3,
  },
  { name: 'a token that is given twice', checker: 'one-end', sabotage: repeatedToken },
  { name: 'an end that the journal does not write', checker: 'lost-request', sabotage: unwrittenEnd },
  { name: 'a byte that changes on its way', checker: 'wire', sabotage: flippedByte },
  { name: 'a notice of an end that comes twice', checker: 'watches', sabotage: echoedNotice },
  { name: 'an engine that nobody can stop', checker: 'cancellation', sabotage: deafEngine, seed: 3 },
  { name: 'a scheduler for which everybody is well', checker: 'health', sabotage: blindScheduler, seed: 27 },
  { name: 'a scheduler that believes its first view', checker: 'liveness', sabotage: firstView },
  {
    name: 'an attempt that goes on when its task has moved on',
    checker: 'fencing',
    sabotage: attemptThatStays,
    seed: 3,
  },
  { name: 'a result that counts when its task has moved on', checker: 'fencing', sabotage: lateCompletion },
  { name: 'an end that is written twice', checker: 'fencing', sabotage: secondEnd },
  { name: 'a watch that is forgotten', checker: 'watches', sabotage: forgottenWatch, seed: 3 },
  { name: 'timers that a restart does not cancel', checker: 'timers', sabotage: keptTimers },
  { name: 'a process that goes on after its death', checker: 'timers', sabotage: undeadProcess },
  { name: 'a supervisor that restarts without end', checker: 'supervision', sabotage: withoutIntensity },
  { name: 'a mailbox that takes one more than its capacity', checker: 'bounds', sabotage: oneMore, seed: 3 },
  { name: 'an outbox without end', checker: 'bounds', sabotage: endlessOutbox, seed: 13 },
  { name: 'a link that loses frames while it stands', checker: 'conservation', sabotage: leakyLink, seed: 7 },
  { name: 'lost frames that nobody buries', checker: 'books', sabotage: droppedFrames },
  { name: 'garbage that nobody rejects', checker: 'wire', sabotage: swallowedGarbage },
  { name: 'a disk that is read once', checker: 'agreement', sabotage: firstScan, seed: 3 },
  { name: 'a new version that is taken for the old one', checker: 'agreement', sabotage: unseenVersion, seed: 3 },
]
