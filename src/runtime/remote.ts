/**
 * The runtime's half of `/omx/actor/1`: frames out through the carrier, frames in from a peer whose id the connection
 * proved. What is not declared in `protocols/messages.ts`, not allowed to this sender, or not in its schema is dropped
 * and counted with the sender's name.
 */
import type { ActorFrame, AskRefusal, Undelivered } from '../../protocols/actor.ts'
import { decodeActorFrame, encodeActorFrame } from '../../protocols/actor.ts'
import { checkRemoteMessage, checkReply } from '../../protocols/messages.ts'
import type { Message, NodeId, Ref } from '../../protocols/ref.ts'
import { nodeOf, pathOf, refOf } from '../../protocols/ref.ts'
import { type Asks, askOf, askPath } from './asks.ts'
import type { Carrier } from './carrier.ts'
import type { Envelope } from './cell.ts'
import type { Kernel } from './kernel.ts'
import type { Watches } from './watches.ts'

type Addressed = Extract<ActorFrame, { kind: 'tell' | 'ask' }>

/** What the frames that arrive are handed to. */
export interface RemoteInit {
  readonly kernel: Kernel
  readonly asks: () => Asks
  readonly watches: () => Watches
  /** Delivers to a local actor; answers why it could not. */
  readonly deliver: (to: Ref, epoch: number, envelope: Envelope) => Undelivered | undefined
}

export class Remote {
  readonly #init: RemoteInit
  carrier: Carrier | undefined

  constructor(init: RemoteInit) {
    this.#init = init
  }

  /** False: surely not sent. A message that cannot be written as a frame is the sender's bug and counted as invalid. */
  send(node: NodeId, frame: ActorFrame): boolean {
    let bytes: Uint8Array
    try {
      bytes = encodeActorFrame(frame)
    } catch (error) {
      this.#init.kernel.rejected(this.#init.kernel.node, error)
      return false
    }
    return this.carrier?.send(node, bytes) === true
  }

  tell(to: Ref, message: Message, traceId: string, remainingMs: number): boolean {
    return this.send(nodeOf(to), { kind: 'tell', to: pathOf(to), epoch: 0, message, traceId, remainingMs })
  }

  ask(ask: number, to: Ref, message: Message, traceId: string, remainingMs: number): boolean {
    return this.send(nodeOf(to), { kind: 'ask', ask, to: pathOf(to), epoch: 0, message, traceId, remainingMs })
  }

  reply(asker: Ref, message: Message): boolean {
    const ask = askOf(pathOf(asker))
    return ask !== undefined && this.send(nodeOf(asker), { kind: 'reply', ask, message })
  }

  refuse(asker: Ref, why: AskRefusal): void {
    const ask = askOf(pathOf(asker))
    if (ask !== undefined) this.send(nodeOf(asker), { kind: 'refused', ask, why })
  }

  /** One frame from a peer. Never throws. */
  receive(from: NodeId, bytes: Uint8Array): void {
    let frame: ActorFrame
    try {
      frame = decodeActorFrame(bytes)
    } catch (error) {
      this.#init.kernel.rejected(from, error)
      return
    }
    if (frame.kind === 'tell' || frame.kind === 'ask') this.#onMessage(from, frame)
    else if (frame.kind === 'reply') this.#onReply(from, frame.ask, frame.message)
    else if (frame.kind === 'refused') this.#onRefused(from, frame.ask, frame.why)
    else if (!this.#init.watches().receive(from, frame)) {
      this.#init.kernel.rejected(from, new Error(`sent ${frame.kind} for an actor of another node`))
    }
  }

  #onRefused(from: NodeId, ask: number, why: AskRefusal): void {
    const node = this.#init.asks().asked(ask)?.node
    if (node === undefined) return
    if (node === from) this.#init.asks().fail(ask, why)
    else this.#init.kernel.rejected(from, new Error(`refused an ask to ${node}`))
  }

  #onMessage(from: NodeId, frame: Addressed): void {
    const { kernel } = this.#init
    const asker = frame.kind === 'ask' ? refOf(from, askPath(frame.ask)) : undefined
    const to = refOf(kernel.node, frame.to)
    const wrong = checkRemoteMessage(frame.to, frame.message, from)
    if (wrong !== undefined) {
      this.#init.kernel.rejected(from, wrong)
      if (asker !== undefined) this.refuse(asker, 'invalid')
      return
    }
    const { remainingMs, traceId } = frame
    const deadlineMs = remainingMs === 0 ? 0 : kernel.world.monotonicMs() + remainingMs
    // Sender and return address are ours to say: whatever the frame claims for them is overwritten.
    const message = { ...frame.message, from, replyTo: asker }
    kernel.counters.told++
    const why = this.#init.deliver(to, frame.epoch, { message, traceId, deadlineMs, arrivedMs: 0 })
    if (why === undefined) return
    kernel.deadLetter(to, message.type, why)
    if (asker !== undefined) this.refuse(asker, why)
  }

  #onReply(from: NodeId, ask: number, message: Message): void {
    const asked = this.#init.asks().asked(ask)
    if (asked === undefined) {
      this.#init.kernel.deadLetter(refOf(this.#init.kernel.node, askPath(ask)), message.type, 'absent')
      return
    }
    const wrong = asked.node === from ? checkReply(asked.type, message) : new Error(`answered an ask to ${asked.node}`)
    if (wrong !== undefined) this.#init.kernel.rejected(from, wrong)
    else this.#init.asks().settle(ask, { ...message, from })
  }

  /** Frames that a link took and then lost: asks fail at once, messages are dead letters. */
  lost(node: NodeId, frames: readonly Uint8Array[]): void {
    for (const bytes of frames) {
      const frame = decodeActorFrame(bytes)
      if (frame.kind === 'ask') this.#init.asks().fail(frame.ask, 'unreachable')
      if (frame.kind !== 'tell' && frame.kind !== 'ask' && frame.kind !== 'reply') continue
      const path = frame.kind === 'reply' ? askPath(frame.ask) : frame.to
      this.#init.kernel.deadLetter(refOf(node, path), frame.message.type, 'unreachable')
    }
  }
}
