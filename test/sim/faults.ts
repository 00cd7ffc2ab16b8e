/** Does to a cluster what a script says, and undoes what lasts. */
import type { Message, NodeId, Ref } from '../../protocols/ref.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { models, type SimulatedCluster } from './cluster.ts'
import type { SimulatedNode } from './node.ts'
import { type Command, maxGarbageBytes, nodeNames, type Script } from './script.ts'

/** More than the usual mailbox takes. */
const floodMessages = 1100

/** Together more than the eight megabytes of an outbox. */
const gushMessages = 10
const gushBytes = new Uint8Array(900 * 1024)

/** As long as whoever imports waits for it. */
const refreshMs = 5000

/** Longer than the pauses between the first restarts. */
const crashAgainMs = 1200

type Of<K extends Command['kind']> = Extract<Command, { kind: K }>

export class Faults {
  readonly #cluster: SimulatedCluster
  readonly #onFault: (command: Command) => void
  /** Bytes that were sent for a frame, as text. */
  readonly #garbage = new Set<string>()
  /** When each node was last under a fault of its own process, for bounds that only hold for undisturbed ones. */
  readonly disturbedUntilMs = new Map<NodeId, number>()
  #over = false

  constructor(cluster: SimulatedCluster, onFault: (command: Command) => void) {
    this.#cluster = cluster
    this.#onFault = onFault
  }

  schedule(script: Script): void {
    for (const command of script) this.#at(command.atMs, () => this.#apply(command))
  }

  /** From here on nothing of the script happens any more, neither faults nor their ends. */
  end(): void {
    this.#over = true
  }

  /** Whether these bytes were sent by the script and not by a node. */
  isGarbage(frame: Uint8Array): boolean {
    return frame.length <= maxGarbageBytes && this.#garbage.size > 0 && this.#garbage.has(textOf(frame))
  }

  #at(inMs: number, run: () => void): void {
    this.#cluster.world.setTimeout(() => {
      if (!this.#over) run()
    }, inMs)
  }

  #node(node: NodeId): SimulatedNode | undefined {
    return this.#cluster.place(node).life
  }

  #disturb(node: NodeId, forMs: number): void {
    const untilMs = this.#cluster.world.monotonicMs() + forMs
    this.disturbedUntilMs.set(node, Math.max(untilMs, this.disturbedUntilMs.get(node) ?? 0))
  }

  #apply(command: Command): void {
    this.#onFault(command)
    const apply = this.#table[command.kind] as (command: Command) => void
    apply(command)
  }

  readonly #table: { readonly [K in Command['kind']]: (command: Of<K>) => void } = {
    request: (command) => void this.#cluster.request(command),
    partition: (command) => this.#partition(command),
    hold: ({ node, other, forMs }) => this.#block([node], [other], true, forMs),
    slowLink: (command) => this.#slowLink(command),
    cut: ({ node, other }) => this.#cluster.network.cut(node, other),
    halfOpen: ({ node, other }) => this.#cluster.network.halfOpen(node, other),
    flaky: (command) => this.#flaky(command),
    gush: (command) => this.#gush(command),
    garbage: ({ node, other, bytes }) => {
      const frame = Uint8Array.from(bytes)
      this.#garbage.add(textOf(frame))
      this.#node(node)?.host?.sendGarbage(other, frame)
    },
    crash: ({ node, wholeHost, forMs }) => {
      this.#cluster.crash(node, wholeHost)
      this.#at(forMs, () => this.#cluster.start(node))
    },
    leave: (command) => this.#leave(command),
    pause: ({ node, forMs }) => {
      const life = this.#node(node)
      life?.world.pause()
      this.#disturb(node, forMs)
      this.#at(forMs, () => life?.world.resume())
    },
    slowNode: ({ node, costMs, forMs }) => {
      const life = this.#node(node)
      life?.world.slowDown(costMs)
      this.#disturb(node, forMs)
      this.#at(forMs, () => life?.world.slowDown(0))
    },
    unwell: ({ node, forMs }) => {
      const life = this.#node(node)
      if (life === undefined) return
      life.unwell = true
      this.#at(forMs, () => {
        life.unwell = false
      })
    },
    clockJump: ({ node, byMs }) => {
      const place = this.#cluster.place(node)
      if (place.life === undefined) place.wallOffsetMs += byMs
      else place.life.world.wallOffsetMs += byMs
    },
    actorCrash: (command) => this.#crashActor(command),
    crowd: ({ node, model, clients }) => {
      const asked = { kind: 'request', atMs: 0, node, model, words: 30, client: 'reads', ms: 0 } as const
      for (let i = 0; i < clients; i++) this.#cluster.request(asked)
    },
    flood: ({ node, actor }) => {
      const life = this.#node(node)
      for (let i = 0; i < floodMessages; i++) life?.tell(actor, { type: 'flood' })
    },
    engine: (command) => this.#engine(command),
    import: ({ node, model }) => {
      this.#cluster.place(node).disk.add(models[model])
      this.#refresh(node)
    },
    remove: ({ node, model }) => this.#cluster.place(node).disk.remove(models[model].name),
  }

  /** Whoever imports asks for a scan, and does not mind when nobody answers. */
  #refresh(node: NodeId): void {
    const life = this.#node(node)
    life?.world.deliver(() => {
      life.runtime.ask(life.ref('models'), { type: 'models.refresh' }, refreshMs).catch(() => {})
    })
  }

  #partition({ left, oneWay, forMs }: Of<'partition'>): void {
    const right = nodeNames.filter((node) => !left.includes(node))
    this.#block(left, right, !oneWay, forMs)
  }

  #block(left: readonly NodeId[], right: readonly NodeId[], both: boolean, forMs: number): void {
    const { network } = this.#cluster
    const paths = left.flatMap((a) => right.flatMap((b) => [network.path(a, b), ...(both ? [network.path(b, a)] : [])]))
    for (const path of paths) path.block()
    this.#at(forMs, () => {
      for (const path of paths) path.unblock()
    })
  }

  #slowLink({ node, other, byMs, forMs }: Of<'slowLink'>): void {
    const { network } = this.#cluster
    const paths = [network.path(node, other), network.path(other, node)]
    for (const path of paths) path.slowMs = byMs
    this.#at(forMs, () => {
      for (const path of paths) path.slowMs = 0
    })
  }

  #flaky({ node, other, loss, duplication, reordering, forMs }: Of<'flaky'>): void {
    const { network } = this.#cluster
    const paths = [network.path(node, other), network.path(other, node)]
    for (const path of paths) path.flakiness = { loss, duplication, reordering }
    this.#at(forMs, () => {
      for (const path of paths) path.flakiness = { loss: 0, duplication: 0, reordering: 0 }
    })
  }

  #gush({ node, other, forMs }: Of<'gush'>): void {
    const life = this.#node(node)
    const { world } = this.#cluster
    const blockedUntilMs = world.monotonicMs() + forMs
    this.#block([node], [other], false, forMs)
    life?.world.deliver(() => {
      // A process that was paused comes too late: nothing of this may arrive.
      if (world.monotonicMs() >= blockedUntilMs) return
      const to = `${other}/node/peers/${node}`
      for (let i = 0; i < gushMessages; i++) life.runtime.tell(to, { type: 'gush', bytes: gushBytes })
    })
    this.#at(forMs, () => this.#cluster.network.cut(node, other))
  }

  /** On SIGTERM it leaves; the process ends when nothing runs any more. */
  #leave({ node, drainMs, forMs }: Of<'leave'>): void {
    const life = this.#node(node)
    if (life === undefined || life.leaving) return
    const ended = (): void => {
      if (this.#node(node) !== life) return
      this.#cluster.crash(node, false)
      this.#at(forMs, () => this.#cluster.start(node))
    }
    life.world.deliver(() => void life.leave(drainMs).then(ended))
  }

  #crashActor(command: Of<'actorCrash'>): void {
    for (let i = 0; i < command.times; i++) this.#at(i * crashAgainMs, () => this.#crashOnce(command))
  }

  #crashOnce({ node, actor }: Of<'actorCrash'>): void {
    const life = this.#node(node)
    if (life === undefined) return
    const found = pathOfActor(life, actor)
    if (found === undefined) return
    const ref = `${node}/${found}`
    life.world.deliver(() => {
      if (life.runtime.has(ref)) bite(life.runtime, ref, () => !this.#over)
    })
  }

  #engine({ node, fault, forMs }: Of<'engine'>): void {
    const life = this.#node(node)
    if (life === undefined) return
    const { engineFaults } = life
    if (fault === 'stall') engineFaults.stallAfterTokens = 2
    else if (fault === 'crash') engineFaults.crashAfterTokens = 5
    else if (fault === 'refuse') engineFaults.refuse = 'busy'
    else engineFaults.loadFails = 'load-failed'
    this.#at(forMs, () => healEngines(life))
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

/**
 * A message on which any machine crashes when it looks at what it is; whoever buries it may look, and so may whoever is
 * given it when the faults are over. A class, because V8 keeps the accessors of a literal, and all that they see, until a full
 * collection.
 */
class Bite implements Message {
  readonly [key: string]: unknown
  armed = false
  readonly #bites: () => boolean

  constructor(bites: () => boolean) {
    this.#bites = bites
  }

  get type(): string {
    if (this.armed && this.#bites()) throw new Error('bitten by the script')
    return 'bite'
  }
}

function bite(runtime: Runtime, ref: Ref, goOn: () => boolean): void {
  const message = new Bite(() => goOn() && runtime.has(ref))
  runtime.tell(ref, message)
  message.armed = true
}

/** A node is as it should be, as far as that is up to the script. */
export function healNode(life: SimulatedNode): void {
  life.unwell = false
  healEngines(life)
}

/** The engines of a node do again what they should; one that stalls goes on stalling until its supervisor acts. */
function healEngines({ engineFaults }: SimulatedNode): void {
  delete engineFaults.stallAfterTokens
  delete engineFaults.crashAfterTokens
  delete engineFaults.refuse
  delete engineFaults.loadFails
}

const places: Readonly<Record<string, RegExp>> = {
  engine: /^node\/engines\/[^/]+$/,
  task: /^node\/tasks\/[^/]+$/,
  peer: /^node\/peers\/[^/]+$/,
  check: /^node\/peers\/[^/]+\/health-check$/,
}

/** The path of the first actor that the script may mean. */
function pathOfActor(life: SimulatedNode, actor: string): string | undefined {
  const pattern = places[actor]
  if (pattern === undefined) return `node/${actor}`
  return life.runtime.census().find(({ path }) => pattern.test(path))?.path
}
