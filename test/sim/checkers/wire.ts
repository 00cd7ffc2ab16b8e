/** C.5, 12. What goes over the wire is what was meant, and what means nothing is refused and nothing more. */
import { decodeActorFrame, encodeActorFrame } from '../../../protocols/actor.ts'
import { ProtocolError } from '../../../protocols/protocol-error.ts'
import type { NodeId } from '../../../protocols/ref.ts'
import type { CheckerKind } from '../checker.ts'

/** Frames that are taken apart and put together again: all of them would cost as much as the rest of a run. */
const everyFrame = 8

/** Bytes of the script that have just reached a node: what it does with them, it does at once. */
interface Garbage {
  readonly node: NodeId
  readonly from: NodeId
  /** Chance may have made a frame of them, which the node may then take or refuse. */
  readonly isFrame: boolean
}

export const wire: CheckerKind = {
  name: 'wire',
  invariant: 'a frame decodes to what was encoded; what is no frame is rejected as such, and nothing else is',
  sometimes: ['a frame of no meaning was rejected'],
  start: ({ faults, broken, sometimes }) => {
    let frames = 0
    let garbage: Garbage | undefined
    const settle = (): void => {
      if (garbage?.isFrame === false) broken(`${garbage.node} has not rejected what ${garbage.from} sent for a frame`)
      garbage = undefined
    }
    return {
      onNetwork: (event) => {
        settle()
        if (event.kind === 'delivered' && faults.isGarbage(event.frame)) {
          garbage = { node: event.node, from: event.from, isFrame: isFrame(event.frame) }
        }
        if (event.kind !== 'taken' || frames++ % everyFrame > 0 || faults.isGarbage(event.frame)) return
        try {
          const again = encodeActorFrame(decodeActorFrame(event.frame))
          if (Buffer.compare(again, event.frame) !== 0)
            broken(`${event.node} → ${event.other}: a frame is another one when it is encoded again`)
        } catch (error) {
          broken(`${event.node} → ${event.other}: ${(error as Error).message}`)
        }
      },
      onFact: ({ node }, fact) => {
        if (fact.kind !== 'rejected') return
        const { name, message } = fact.failure
        if (garbage?.node !== node || garbage.from !== fact.from) {
          broken(`${node} rejected a frame of ${fact.from}: ${message}`)
        } else if (!garbage.isFrame && name !== ProtocolError.name) {
          broken(`${node} rejected what is no frame for another reason: ${name}, ${message}`)
        } else sometimes('a frame of no meaning was rejected')
        garbage = undefined
      },
      onTick: settle,
    }
  },
}

function isFrame(bytes: Uint8Array): boolean {
  try {
    decodeActorFrame(bytes)
    return true
  } catch {
    return false
  }
}
