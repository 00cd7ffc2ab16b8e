/** Every checker, in the order in which their findings are told. */
import type { CheckerKind } from '../checker.ts'
import { agreement } from './agreement.ts'
import { books } from './books.ts'
import { bounds } from './bounds.ts'
import { cancellation } from './cancellation.ts'
import { conservation } from './conservation.ts'
import { fencing } from './fencing.ts'
import { health } from './health.ts'
import { liveness } from './liveness.ts'
import { lostRequest } from './lost-request.ts'
import { membership } from './membership.ts'
import { oneEnd } from './one-end.ts'
import { supervision } from './supervision.ts'
import { timers } from './timers.ts'
import { watches } from './watches.ts'
import { wire } from './wire.ts'

export const allCheckers: readonly CheckerKind[] = [
  lostRequest,
  oneEnd,
  fencing,
  cancellation,
  agreement,
  membership,
  health,
  supervision,
  watches,
  timers,
  conservation,
  books,
  bounds,
  wire,
  liveness,
]
