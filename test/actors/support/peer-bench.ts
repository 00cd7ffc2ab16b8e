/** One peer's machine, with the network, membership and time in the hands of a test. */
import type { ClaimStatus } from '../../../actors/claims.ts'
import { peerMachine } from '../../../actors/peer.ts'
import type { PeerHello } from '../../../actors/peer-events.ts'
import type { Pace } from '../../../actors/suspicion.ts'
import type { Message } from '../../../protocols/ref.ts'
import { fromPromise } from '../../../src/runtime/logic.ts'
import { Runtime } from '../../../src/runtime/runtime.ts'
import { puppet, supervisor } from '../../runtime/kit.ts'
import { SimulatedWorld } from '../../sim/world.ts'
import { reportOf } from './reports.ts'

export const hello = (rest: Partial<PeerHello> = {}): PeerHello => ({
  type: 'peer.hello',
  name: 'host-p',
  software: '0.0.0',
  boot: 7,
  incarnation: 7,
  answer: true,
  addresses: ['/at/p'],
  report: reportOf('p'),
  ...rest,
})

/** A promise of the world: settled by the test, as a dial is by the network. */
interface Dial {
  readonly addresses: readonly string[]
  readonly atMs: number
  succeed(): void
  fail(): void
}

/** One peer's machine between a membership that listens and a network that the test plays. */
export class Bench {
  readonly world = new SimulatedWorld(1)
  readonly runtime = new Runtime('n', this.world)
  readonly dials: Dial[] = []
  readonly declaredDown: number[] = []
  readonly hungUp: number[] = []
  readonly membership = puppet('membership')
  readonly prober = puppet('prober')
  /** What others say whenever the peer's machine has them asked. */
  hearsay = { asked: 3, reachedBy: 0, score: 0 }
  /** Frames that left for the peer. */
  sent = 0

  constructor({ linked = false, pace = 'mesh' }: { linked?: boolean; pace?: Pace } = {}) {
    const dial = fromPromise<void, { node: string; addresses: readonly string[] }>(
      ({ input: { addresses } }) =>
        new Promise((resolve, reject) => {
          const atMs = this.world.monotonicMs()
          this.dials.push({ addresses, atMs, succeed: resolve, fail: () => reject(new Error('refused')) })
        }),
    )
    const logic = peerMachine.provide({
      actors: { dial },
      actions: {
        declareDown: (_, { node }) => {
          this.declaredDown.push(this.world.monotonicMs())
          this.runtime.nodeDown(node)
        },
        hangUp: () => void this.hungUp.push(this.world.monotonicMs()),
      },
    })
    this.runtime.connect({
      send: () => {
        this.sent++
        return true
      },
    })
    const input = { node: 'p', addresses: ['/at/p'], linked, self: { incarnation: 1, reportVersion: 3, pace } }
    const peer = { id: 'p', logic, input }
    this.runtime.spawn(
      supervisor('node', {
        children: [this.membership.spec, this.prober.spec, supervisor('peers', { children: [peer] })],
      }),
    )
  }

  tell(message: Message): void {
    this.runtime.tell('n/node/peers/p', message)
  }

  get state(): string | undefined {
    return this.runtime.census().find(({ path }) => path === 'node/peers/p')?.state
  }

  /** What membership heard of one type. */
  heard(type: string): Message[] {
    return this.membership.heard.filter((message) => message.type === type)
  }

  states(): unknown[] {
    return this.heard('peer.state').map(({ state }) => state)
  }

  /** The world, in which every question about the peer is answered. */
  async run(forMs = 5): Promise<void> {
    const endMs = this.world.monotonicMs() + forMs
    while (this.world.monotonicMs() < endMs) {
      await this.world.run(Math.min(5, endMs - this.world.monotonicMs()))
      for (const _ of this.prober.heard.splice(0)) {
        this.tell({ type: 'peer.hearsay', ...this.hearsay, nowMs: this.world.monotonicMs() })
      }
    }
  }

  claim(status: ClaimStatus, incarnation: number): void {
    const claim = { node: 'p', incarnation, status }
    this.tell({ type: 'peer.claimed', claim, nowMs: this.world.monotonicMs() })
  }

  /** Heartbeats for so long. */
  async beat(forMs: number): Promise<void> {
    for (let ms = 0; ms < forMs; ms += 500) {
      this.tell({ type: 'peer.heartbeat', incarnation: 7, reportVersion: 1, kind: 'beat' })
      await this.run(500)
    }
  }

  static async healthy(): Promise<Bench> {
    const bench = new Bench({ linked: true })
    await bench.run()
    bench.tell(hello())
    await bench.run()
    return bench
  }

  static async unreachable(): Promise<Bench> {
    const bench = await Bench.healthy()
    bench.tell({ type: 'link.down' })
    await bench.run()
    bench.dials[0]?.fail()
    await bench.run()
    return bench
  }
}
