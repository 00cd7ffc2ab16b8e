/** Faults that the sim driver shows on demand, for tests. */
import type { RefusalReason } from '../../protocols/infer.ts'
import type { EngineError } from './driver.ts'

export interface SimFaults {
  /** The engine dies after this many tokens over all its requests. */
  readonly crashAfterTokens?: number
  /** Every request falls silent after this many tokens, without an end. */
  readonly stallAfterTokens?: number
  /** Every request is refused with this reason. */
  readonly refuse?: RefusalReason
  /** No model can be loaded. */
  readonly loadFails?: EngineError['code']
}
