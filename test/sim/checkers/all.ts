/** Every checker, in the order in which their findings are told. */
import type { CheckerKind } from '../checker.ts'
import { agreement } from './agreement.ts'
import { bounds } from './bounds.ts'
import { cancellation } from './cancellation.ts'
import { conservation } from './conservation.ts'
import { health } from './health.ts'
import { liveness } from './liveness.ts'
import { lostRequest } from './lost-request.ts'
import { membership } from './membership.ts'
import { oneEnd } from './one-end.ts'
import { supervision } from './supervision.ts'
import { wire } from './wire.ts'

export const allCheckers: readonly CheckerKind[] = [
  lostRequest,
  oneEnd,
  cancellation,
  agreement,
  membership,
  health,
  supervision,
  conservation,
  bounds,
  wire,
  liveness,
]
