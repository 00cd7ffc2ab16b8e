/** A whole cluster under faults that a seed decides: whatever happens, it is whole again once they are over. */
import { expect, it } from 'vitest'
import type { NodeId } from '../../protocols/ref.ts'
import { mulberry32 } from '../sim/chance.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { Lan } from './support/lan.ts'
import { poison } from './support/poison.ts'
import { digestA, held } from './support/reports.ts'
import { type Request, Site } from './support/site.ts'

const nodes: readonly NodeId[] = ['a', 'b', 'c']
const holders = new Set<NodeId>(['a', 'b'])
const steps = 40
/** Fewer than the root grants within its period, so that no node gives up. */
const maxCrashes = 3
const crashable = [
  'reporter',
  'network',
  'membership',
  'models',
  'worker',
  'health',
  'scheduler',
  'ollama-api',
  'inspector',
]
/** Longer than the longest pause between two dials, twice. */
const calmMs = 40_000

class Chaos {
  readonly world: SimulatedWorld
  readonly lan: Lan
  readonly #sites = new Map<NodeId, Site>()
  readonly #draw: () => number
  readonly #crashes = new Map<NodeId, number>()
  /** Requests of clients whose entry node lived to the end. */
  requests: Array<{ readonly site: Site; readonly request: Request }> = []
  log: string[] = []

  constructor(seed: number) {
    this.world = new SimulatedWorld(seed)
    this.lan = new Lan(this.world)
    this.#draw = mulberry32(seed)
    for (const node of nodes) this.#start(node)
  }

  #start(node: NodeId): void {
    const models = holders.has(node) ? [held('m:latest', digestA)] : []
    const join = nodes.filter((other) => other !== node)
    this.#sites.set(node, new Site(this.lan, node, { join, models, sim: { tokensPerSecond: 40, loadMs: 50 } }))
  }

  #one<T>(from: readonly T[]): T {
    return from[Math.floor(this.#draw() * from.length)] as T
  }

  at(node: NodeId): Site {
    return this.#sites.get(node) as Site
  }

  async step(): Promise<void> {
    const node = this.#one(nodes)
    const other = this.#one(nodes.filter((each) => each !== node))
    const kind = this.#one(['ask', 'ask', 'ask', 'cut', 'silence', 'heal', 'crash', 'restart', 'engine'])
    this.log.push(`${this.world.monotonicMs().toFixed(0)} ${kind} ${node} ${other}`)
    if (kind === 'ask') this.requests.push({ site: this.at(node), request: this.at(node).submit('m', 20) })
    else if (kind === 'cut') this.lan.cut(node, other)
    else if (kind === 'silence') this.lan.silence([node], [other])
    else if (kind === 'heal') this.lan.heal()
    else if (kind === 'crash') this.#crash(node, this.#one(crashable))
    else if (kind === 'engine') this.#crash(node, `engines/${digestA}`)
    else this.#restart(node)
    await this.world.run(this.#draw() * 1500)
  }

  #crash(node: NodeId, child: string): void {
    const crashes = this.#crashes.get(node) ?? 0
    const site = this.at(node)
    if (crashes >= maxCrashes || !site.runtime.has(site.ref(child))) return
    this.#crashes.set(node, crashes + 1)
    site.tell(child, poison())
  }

  /** Its clients go with it. */
  #restart(node: NodeId): void {
    const site = this.at(node)
    this.requests = this.requests.filter((each) => each.site !== site)
    site.kill()
    void site.runtime.stop(`${node}/node`)
    this.#crashes.delete(node)
    this.#start(node)
  }
}

it.each([1, 2, 3, 4, 5])(
  'a cluster under faults is whole again when they are over, and no answer is left open (seed %i)',
  async (seed) => {
    const chaos = new Chaos(seed)
    await chaos.world.run(2000)
    for (let i = 0; i < steps; i++) await chaos.step()
    chaos.lan.heal()
    await chaos.world.run(calmMs)
    const story = chaos.log.join('\n')
    for (const { site, request } of chaos.requests) {
      const last = request.frames.at(-1)?.kind
      const isClosed =
        request.refused !== undefined || (request.ended && ['done', 'failed', 'refused'].includes(last ?? ''))
      expect(isClosed, `${request.id} at ${site.node}: ${JSON.stringify(request)}\n${story}`).toBe(true)
      const ends = request.frames.filter(({ kind }) => ['done', 'failed', 'refused'].includes(kind))
      expect(ends.length, request.id).toBeLessThanOrEqual(1)
    }
    for (const node of nodes) {
      const others = nodes.filter((other) => other !== node).map((other) => [other, 'healthy'])
      expect(Object.entries(await chaos.at(node).peers()).toSorted(), `${node}\n${story}`).toEqual(others)
      const request = chaos.at(node).submit()
      await chaos.world.run(2000)
      expect(request.frames.at(-1), `${node}\n${story}`).toMatchObject({ kind: 'done' })
      const load = chaos.at(node).ask('scheduler', { type: 'load.get' })
      await chaos.world.run(5)
      expect(load.value, `${node}\n${story}`).toMatchObject({ active: 0, queued: 0 })
    }
  },
)
