/**
 * The simulated network: hosts that listen, connections that are dialled, held, slow, cut or half-open, and nobody who
 * redials or judges. That is the nodes' work.
 */
import type { NodeId } from '../../protocols/ref.ts'
import { DialError } from '../../src/net/errors.ts'
import { addressDialTimeoutMs } from '../../src/net/limits.ts'
import { type Draw, forked } from './chance.ts'
import { End, type EndInit } from './connection.ts'
import { replaceMethods } from './methods.ts'
import type { NodeWorld } from './node-world.ts'
import { Path } from './path.ts'
import type { SimulatedWorld } from './world.ts'

/** What the network tells: for the history and for checkers. */
export type NetworkEvent =
  /** `broke`: one connection of maybe several; `disconnected`: the last. */
  | { readonly kind: 'connected' | 'broke' | 'disconnected'; readonly node: NodeId; readonly other: NodeId }
  | { readonly kind: 'dialFailed'; readonly node: NodeId; readonly other: NodeId; readonly reason: string }
  /** Frames of the actor protocol: taken by the carrier, delivered, given back, or lost with nobody told. */
  | {
      readonly kind: 'taken' | 'repeated' | 'vanished'
      readonly node: NodeId
      readonly other: NodeId
      readonly frame: Uint8Array
    }
  | { readonly kind: 'delivered'; readonly node: NodeId; readonly from: NodeId; readonly frame: Uint8Array }
  /** `frames` in all; `told`: those of which the node hears. */
  | {
      readonly kind: 'returned'
      readonly node: NodeId
      readonly other: NodeId
      readonly frames: number
      readonly told: readonly Uint8Array[]
    }

/** A host's kernel, with the process that listens, if there is one. */
interface Machine {
  world: NodeWorld | undefined
  accept: ((end: End) => void) | undefined
  init: EndInit | undefined
  powered: boolean
}

/** How soon a kernel sends again what was not acknowledged, some time after the first tries. */
const retransmitMs = 1000

export interface Listening {
  readonly init: EndInit
  readonly onAccepted: (end: End) => void
}

export class SimulatedNetwork {
  readonly world: SimulatedWorld
  readonly draw: Draw
  onEvent: (event: NetworkEvent) => void = () => {}
  readonly #paths = new Map<string, Path>()
  readonly #machines = new Map<NodeId, Machine>()
  /** All connections of which at least one end is open. */
  readonly #ends = new Set<End>()

  constructor(world: SimulatedWorld) {
    this.world = world
    this.draw = forked(world.seed, 'network')
  }

  path(from: NodeId, to: NodeId): Path {
    const key = `${from} ${to}`
    let path = this.#paths.get(key)
    if (path === undefined) {
      path = new Path(this.world, from, to, this.draw)
      this.#paths.set(key, path)
    }
    return path
  }

  #machine(node: NodeId): Machine {
    let machine = this.#machines.get(node)
    if (machine === undefined) {
      machine = { world: undefined, accept: undefined, init: undefined, powered: true }
      this.#machines.set(node, machine)
    }
    return machine
  }

  /** A process listens at `/sim/<node>`; calling the result ends that and all its connections. */
  listen({ init, onAccepted }: Listening): () => void {
    const machine = this.#machine(init.node)
    // A host that is back answers for connections of its earlier life: it knows nothing of them.
    if (machine.world !== undefined) machine.world.unplugged = false
    for (const end of this.#ends) {
      if (end.remotePeer === init.node) this.world.setTimeout(() => end.retransmit(), retransmitMs)
    }
    machine.world = init.world
    machine.init = init
    machine.accept = onAccepted
    machine.powered = true
    replaceMethods(init.world, {
      onReadable: () => {
        for (const path of this.#paths.values()) if (path.to === init.node && !path.blocked) path.flush()
      },
    })
    return () => {
      if (machine.init === init) machine.accept = undefined
      for (const end of this.#endsOf(init.node)) if (end.world === init.world) end.close()
    }
  }

  *#endsOf(node: NodeId): Iterable<End> {
    for (const end of [...this.#ends]) {
      if (end.status !== 'open') this.#ends.delete(end)
      else if (end.node === node) yield end
    }
  }

  /** Connects to whoever listens there. Rejects with a DialError: `refused`, `timeout`, or `self`. */
  dial(from: Listening, to: NodeId): Promise<NodeId> {
    const { node, world } = from.init
    if (to === node) return Promise.reject(new DialError('self', `${to} is this node`))
    return new Promise((resolve, reject) => {
      let over = false
      const settle = (finish: () => void): void => {
        if (over) return
        over = true
        world.clearTimeout(timer)
        finish()
      }
      const fail = (code: 'refused' | 'timeout') => (): void => {
        this.onEvent({ kind: 'dialFailed', node, other: to, reason: code })
        reject(new DialError(code, `${to}: ${code}`))
      }
      const timer = world.setTimeout(() => settle(fail('timeout')), addressDialTimeoutMs)
      this.path(node, to).datagram(() => {
        const machine = this.#machine(to)
        if (!machine.powered) return
        const back = this.path(to, node)
        if (machine.accept === undefined) {
          back.datagram(() => world.deliver(() => settle(fail('refused'))))
          return
        }
        // The kernel takes the connection; the handshakes need the process.
        machine.world?.deliver(() => {
          if (over || machine.accept === undefined || machine.init === undefined) return
          const [own, theirs] = End.pair(from.init, machine.init, this.path(node, to), back)
          this.#ends.add(own).add(theirs)
          machine.accept(theirs)
          back.datagram(() => {
            if (world.dead || over) return own.close()
            world.deliver(() => {
              if (own.status === 'open') from.onAccepted(own)
              settle(() => resolve(to))
            })
          })
        })
      })
    })
  }

  connected(a: NodeId, b: NodeId): boolean {
    for (const end of this.#ends) if (end.node === a && end.remotePeer === b && end.status === 'open') return true
    return false
  }

  /** The process dies. Its kernel closes its connections, unless the whole host goes. */
  crash(node: NodeId, wholeHost: boolean): void {
    const machine = this.#machine(node)
    machine.accept = undefined
    machine.powered = !wholeHost
    if (machine.world === undefined) return
    machine.world.unplugged = wholeHost
    const ends = [...this.#endsOf(node)]
    if (!wholeHost) for (const end of ends) end.close()
    machine.world.kill()
  }

  powered(node: NodeId): boolean {
    return this.#machine(node).powered
  }

  /** Breaks the connections between two nodes; both hear. */
  cut(a: NodeId, b: NodeId): void {
    for (const end of this.#endsOf(a)) {
      if (end.remotePeer !== b) continue
      end.cut()
      end.peer.cut()
    }
  }

  /** One side loses its connections to the other, which does not hear of it before it says something. */
  halfOpen(loser: NodeId, other: NodeId): void {
    for (const end of this.#endsOf(loser)) if (end.remotePeer === other) end.world.deliver(() => end.broken())
  }

  /** Every way between the nodes is as at the start. */
  clear(nodes: readonly NodeId[]): void {
    for (const from of nodes) for (const to of nodes) if (from !== to) this.path(from, to).clear()
  }
}
