/** What a checker is: it sees everything, changes nothing, and says what must not be. */
import type { NodeId } from '../../protocols/ref.ts'
import type { Fact } from '../../src/runtime/facts.ts'
import type { Client } from './client.ts'
import type { Mailboxes, Place, SimulatedCluster } from './cluster.ts'
import type { Faults } from './faults.ts'
import type { NetworkEvent } from './network.ts'
import type { SimulatedNode } from './node.ts'
import type { Command } from './script.ts'
import type { Sighting } from './sighting.ts'

export interface Checker {
  onFact?(node: SimulatedNode, fact: Fact): void
  /** Something that is no fact: a watch, a timer, an attempt. */
  onSighting?(node: NodeId, sighting: Sighting): void
  onNetwork?(event: NetworkEvent): void
  /** A client has its outcome. */
  onClient?(client: Client): void
  onLife?(place: Place, what: 'started' | 'died'): void
  onFault?(command: Command): void
  /** Every `tickMs` of virtual time, with the mailboxes of all nodes that live. */
  onTick?(nodes: readonly Mailboxes[]): void
  /** Whether the core is as it should be at the end; undefined: yes, else what is not yet so. Asked again until it is. */
  pending?(core: readonly NodeId[]): Promise<string | undefined>
  /** Once, when nothing is pending any more. */
  atRest?(core: readonly NodeId[]): Promise<void>
}

/** What a checker is given for one run. */
export interface Bench {
  readonly cluster: SimulatedCluster
  readonly faults: Faults
  /** Reports that an invariant does not hold. */
  broken(message: string): void
  /** Counts something that a good suite reaches now and then. */
  sometimes(what: string): void
}

export interface CheckerKind {
  /** By which a failure and a test name it. */
  readonly name: string
  /** What must always hold, as a sentence. */
  readonly invariant: string
  /** What must happen at least once in a suite, or the suite has tested nothing. */
  readonly sometimes: readonly string[]
  readonly start: (bench: Bench) => Checker
}

export const tickMs = 500
