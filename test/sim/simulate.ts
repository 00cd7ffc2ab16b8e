/**
 * One run: a cluster, a script, the checkers. First safety while faults come, then a majority is healed, the rest stays
 * broken, and the majority must become whole and finish what it has accepted.
 */
import type { NodeId } from '../../protocols/ref.ts'
import { forked } from './chance.ts'
import { type Bench, type Checker, type CheckerKind, tickMs } from './checker.ts'
import { allCheckers } from './checkers/all.ts'
import { typeOf } from './checkers/lost-request.ts'
import type { Client } from './client.ts'
import { type Observer, type Sabotage, SimulatedCluster } from './cluster.ts'
import { Faults, healNode } from './faults.ts'
import { History } from './history.ts'
import { replaceMethods } from './methods.ts'
import type { NetworkEvent } from './network.ts'
import { type Command, healMs, inOrder, nodeNames, type Script } from './script.ts'

/**
 * Longest way back to a whole majority: a redial pauses for up to 12 s, a scan of a disk comes every 10, and an engine
 * that has fallen silent is given a minute.
 */
const maxRecoveryMs = 90_000

/** How often the world is run for a moment until a node has answered a checker: longer than any ask of its waits. */
const answerTurnMs = 5
const maxAnswerTurns = 4000

export interface Violation {
  readonly checker: string
  readonly invariant: string
  readonly message: string
  readonly atMs: number
}

export interface RunResult {
  readonly seed: number
  readonly hash: string
  readonly events: number
  readonly virtualMs: number
  readonly violations: readonly Violation[]
  readonly sometimes: ReadonlyMap<string, number>
  readonly lines: readonly string[]
}

export interface RunInit {
  readonly seed: number
  readonly script: Script
  readonly keepLines?: boolean
  readonly checkers?: readonly CheckerKind[]
  readonly sabotage?: Sabotage
}

export async function simulate(init: RunInit): Promise<RunResult> {
  return new Run(init).run()
}

/** Who listens to what happens thousands of times. */
interface Hears {
  readonly fact: ReadonlyArray<NonNullable<Checker['onFact']>>
  readonly sighting: ReadonlyArray<NonNullable<Checker['onSighting']>>
  readonly network: ReadonlyArray<NonNullable<Checker['onNetwork']>>
}

const hearsOf = (checkers: readonly Checker[]): Hears => ({
  fact: checkers.flatMap((checker) => checker.onFact?.bind(checker) ?? []),
  sighting: checkers.flatMap((checker) => checker.onSighting?.bind(checker) ?? []),
  network: checkers.flatMap((checker) => checker.onNetwork?.bind(checker) ?? []),
})

class Run {
  readonly #init: RunInit
  readonly #cluster: SimulatedCluster
  readonly #faults: Faults
  readonly #history: History
  readonly #checkers: ReadonlyArray<readonly [CheckerKind, Checker]>
  readonly #hears: Hears
  readonly #violations: Violation[] = []
  readonly #sometimes = new Map<string, number>()

  constructor(init: RunInit) {
    this.#init = init
    const { seed, keepLines = false, checkers = allCheckers, sabotage } = init
    this.#cluster = new SimulatedCluster(seed, nodeNames, [this.#observer()], sabotage)
    this.#history = new History(() => this.#cluster.world.monotonicMs(), keepLines)
    this.#faults = new Faults(this.#cluster, (command) => this.#faulted(command))
    this.#checkers = checkers.map((kind) => [kind, kind.start(this.#bench(kind))])
    this.#hears = hearsOf(this.#checkers.map(([, checker]) => checker))
    replaceMethods(this.#cluster.network, { onEvent: (event) => this.#onNetwork(event) })
  }

  #onNetwork(event: NetworkEvent): void {
    const { kind, node } = event
    const other = 'other' in event ? event.other : event.from
    this.#history.add(node, kind, other)
    for (const hear of this.#hears.network) hear(event)
  }

  #bench(kind: CheckerKind): Bench {
    return {
      cluster: this.#cluster,
      faults: this.#faults,
      broken: (message) => this.#broken(kind, message),
      sometimes: (what) => void this.#sometimes.set(what, (this.#sometimes.get(what) ?? 0) + 1),
    }
  }

  #broken({ name, invariant }: CheckerKind, message: string): void {
    const atMs = this.#cluster.world.monotonicMs()
    this.#violations.push({ checker: name, invariant, message, atMs })
    this.#history.add('!', name, message)
  }

  #observer(): Observer {
    return {
      onFact: (node, fact) => {
        const where = node.node
        if (fact.kind === 'handled') this.#history.add(where, typeOf(fact.message), fact.ref)
        else if (fact.kind === 'exited') this.#history.add(where, `exited: ${reasonOf(fact.exit)}`, fact.ref)
        else if (fact.kind === 'rejected') this.#history.add(where, 'rejected', `${fact.from}: ${fact.failure.message}`)
        else if (fact.kind === 'deadLetter')
          this.#history.add(where, `dead letter: ${fact.why}`, `${fact.type} to ${fact.to}`)
        else this.#history.add(where, fact.kind, fact.ref)
        for (const hear of this.#hears.fact) hear(node, fact)
      },
      onSighting: (node, sighting) => {
        for (const hear of this.#hears.sighting) hear(node, sighting)
      },
      onClient: (client) => {
        this.#history.add(client.node.node, `client ${client.outcome}`, describe(client))
        for (const [, checker] of this.#checkers) checker.onClient?.(client)
      },
      onLife: (place, what) => {
        this.#history.add(place.node, `life ${what}`)
        for (const [, checker] of this.#checkers) checker.onLife?.(place, what)
      },
    }
  }

  #faulted(command: Command): void {
    this.#history.add('*', command.kind, JSON.stringify(command))
    for (const [, checker] of this.#checkers) checker.onFault?.(command)
  }

  async run(): Promise<RunResult> {
    const { world } = this.#cluster
    const onStray = (error: unknown): void => this.#thrown(error)
    process.on('uncaughtException', onStray)
    try {
      for (const node of nodeNames) this.#cluster.start(node)
      this.#faults.schedule(inOrder(this.#init.script))
      while (world.monotonicMs() < healMs && this.#violations.length === 0) await this.#tick()
      if (this.#violations.length === 0) await this.#recover(this.#heal())
    } catch (error) {
      this.#thrown(error)
    } finally {
      process.off('uncaughtException', onStray)
    }
    // Nothing of this run goes on while the next one runs.
    for (const { node } of this.#cluster.live()) this.#cluster.crash(node, true)
    return {
      seed: this.#init.seed,
      hash: this.#history.hash,
      events: this.#history.events,
      virtualMs: world.monotonicMs(),
      violations: this.#violations,
      sometimes: this.#sometimes,
      lines: this.#history.lines,
    }
  }

  /** Also what a promise of a node threw that nobody waits for: it would have ended the process. */
  #thrown(error: unknown): void {
    const invariant = 'nothing that runs on the world throws into it'
    const message = (error as Error).stack ?? String(error)
    this.#broken({ name: 'world', invariant, sometimes: [], start: () => ({}) }, message)
  }

  async #tick(): Promise<void> {
    await this.#cluster.world.run(tickMs)
    const nodes = this.#cluster.mailboxes()
    for (const [, checker] of this.#checkers) checker.onTick?.(nodes)
  }

  /** Heals a majority that the seed chooses; the others are cut off from it, or dead. */
  #heal(): readonly NodeId[] {
    const cluster = this.#cluster
    const draw = forked(this.#init.seed, 'core')
    this.#faults.end()
    const order = nodeNames.map((node) => [draw(), node] as const).sort(([a], [b]) => a - b)
    const size = Math.floor(nodeNames.length / 2) + 1 + Math.floor(draw() * (nodeNames.length / 2))
    const core = order.slice(0, size).map(([, node]) => node)
    cluster.network.clear(nodeNames)
    for (const [, node] of order.slice(size)) {
      if (draw() < 0.5) cluster.crash(node, draw() < 0.5)
      for (const other of core) {
        cluster.network.path(node, other).block()
        cluster.network.path(other, node).block()
      }
    }
    for (const node of core) {
      const { life } = cluster.place(node)
      if (life === undefined) cluster.start(node)
      life?.world.slowDown(0)
      life?.world.resume()
      if (life !== undefined) healNode(life)
    }
    this.#history.add('*', 'healed', core.join(' '))
    return core
  }

  async #recover(core: readonly NodeId[]): Promise<void> {
    const { world } = this.#cluster
    const untilMs = world.monotonicMs() + maxRecoveryMs
    for (;;) {
      await this.#tick()
      if (this.#violations.length > 0) return
      const pending = await this.#pending(core)
      if (pending.length === 0) break
      if (world.monotonicMs() > untilMs) {
        for (const [kind, what] of pending) this.#broken(kind, `${maxRecoveryMs} ms after the healing: ${what}`)
        return
      }
    }
    for (const [, checker] of this.#checkers) await checker.atRest?.(core)
  }

  /** What is not yet as it should be. Asking takes a few turns of the world. */
  async #pending(core: readonly NodeId[]): Promise<Array<readonly [CheckerKind, string]>> {
    // A node that leaves, or has given up, starts again.
    for (const node of core) if (this.#cluster.place(node).life === undefined) this.#cluster.start(node)
    const waiting: Array<readonly [CheckerKind, string]> = []
    for (const [kind, checker] of this.#checkers) {
      const answer = checker.pending?.(core)
      const what = answer === undefined ? undefined : await this.#settled(answer)
      if (what !== undefined) waiting.push([kind, what])
    }
    return waiting
  }

  /** Lets the world run until the answer is there; a node that dies meanwhile gives none. */
  async #settled(answer: Promise<string | undefined>): Promise<string | undefined> {
    let settled: { readonly what: string | undefined } | undefined
    answer.then(
      (what) => {
        settled = { what }
      },
      (error) => {
        settled = { what: String(error) }
      },
    )
    for (let turns = 0; settled === undefined && turns < maxAnswerTurns; turns++)
      await this.#cluster.world.run(answerTurnMs)
    return settled === undefined ? 'a node does not answer' : settled.what
  }
}

const reasonOf = (exit: { readonly kind: string; readonly failure?: { readonly message: string } }): string =>
  exit.kind === 'crash' ? `crash, ${exit.failure?.message}` : exit.kind

const describe = ({ id, asked, tokens, code, worker }: Client): string =>
  `${id ?? '?'} ${asked.model} ${asked.client}, ${tokens} of ${asked.words} tokens${worker === undefined ? '' : ` from ${worker}`}${code === '' ? '' : `: ${code}`}`
