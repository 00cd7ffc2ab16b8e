/** A message on which any machine crashes: it throws as soon as somebody looks at what it is. */
import type { Message } from '../../../protocols/ref.ts'

export function poison(): Message {
  return {
    get type(): string {
      throw new Error('poisoned by the test')
    },
  }
}
