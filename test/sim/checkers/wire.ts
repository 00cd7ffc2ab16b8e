/** C.5, 12. What goes over the wire is what was meant, and what means nothing is refused and nothing more. */
import { decodeActorFrame, encodeActorFrame } from '../../../protocols/actor.ts'
import { ProtocolError } from '../../../protocols/protocol-error.ts'
import type { CheckerKind } from '../checker.ts'

/** Frames that are taken apart and put together again: all of them would cost as much as the rest of a run. */
const everyFrame = 8

export const wire: CheckerKind = {
  name: 'wire',
  invariant: 'a frame decodes to what was encoded, and only what is no frame of the protocol is rejected',
  sometimes: ['a frame of no meaning was rejected'],
  start: ({ faults, broken, sometimes }) => {
    let frames = 0
    return {
      onNetwork: (event) => {
        if (event.kind !== 'taken' || faults.garblers.has(event.node) || frames++ % everyFrame > 0) return
        try {
          const again = encodeActorFrame(decodeActorFrame(event.frame))
          if (Buffer.compare(again, event.frame) !== 0)
            broken(`${event.node} → ${event.other}: a frame is another one when it is encoded again`)
        } catch (error) {
          broken(`${event.node} → ${event.other}: ${(error as Error).message}`)
        }
      },
      onFact: (node, fact) => {
        if (fact.kind !== 'rejected') return
        if (!faults.garblers.has(fact.from))
          broken(`${node.node} rejected a frame of ${fact.from}: ${fact.failure.message}`)
        else if (fact.failure.name === ProtocolError.name) sometimes('a frame of no meaning was rejected')
      },
    }
  },
}
