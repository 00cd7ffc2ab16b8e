/** What the command line knows of a node: `startNode` in `node.ts` makes one. */
import type { Logger } from 'pino'
import type { Config } from './config.ts'

export interface RunningNode {
  /** `host:port` where the API really listens. */
  readonly api: string
  /** With `/p2p/<peer id>`: what another node is given to join. */
  readonly p2pAddresses: readonly string[]
  /** Peer id. */
  readonly nodeId: string
  readonly name: string
  /** Takes no new work, lets running requests finish within `drainMs`, stops the children and gives the folder free. */
  drain(): Promise<void>
  /** Resolves when the root's supervisor gave up; never rejects, and stays pending otherwise. */
  readonly failed: Promise<Error>
}

/** Resolves when the node answers. Rejects with an error whose message names the cause and the next step. */
export type StartNode = (config: Config, log: Logger) => Promise<RunningNode>
