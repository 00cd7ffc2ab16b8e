/** `omx-node inspect`: the live supervision tree of any node in the cluster, its facts, or one actor's transitions. */
import { setTimeout as sleep } from 'node:timers/promises'
import { FactsAnswer, InspectAnswer, operationsRoutes, TransitionLine } from '../../../protocols/operations.ts'
import { findNode, getJson, getLines, type NodeAccess, type NodeOptions } from '../client.ts'
import { describeCounters, describeDead } from '../counters.ts'
import { printable } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { drawTree } from '../tree.ts'
import { describeDeadlocks } from '../waits.ts'

export interface InspectOptions extends NodeOptions {
  readonly peer?: string
  readonly watch?: boolean
  readonly facts?: boolean
  readonly follow?: string
  readonly json?: boolean
}

/** Fast enough to see a restart, slow enough to read. */
const refreshEveryMs = 1_000

const clearScreen = '\x1b[H\x1b[2J\x1b[3J'

export async function inspect(options: InspectOptions, terminal: Terminal): Promise<void> {
  const node = await findNode(options, terminal.env)
  const stop = new AbortController()
  const forget = terminal.onSignal(() => stop.abort())
  try {
    if (options.follow !== undefined) await follow(node, options.follow, options, terminal, stop.signal)
    else if (options.facts === true) await tail(node, options, terminal, stop.signal)
    else await show(node, options, terminal, stop.signal)
  } finally {
    forget()
  }
}

async function show(node: NodeAccess, options: InspectOptions, terminal: Terminal, signal: AbortSignal): Promise<void> {
  const route = `${operationsRoutes.inspect}${query({ peer: options.peer })}`
  let before: InspectAnswer | undefined
  do {
    const answer = await getJson(node, route, InspectAnswer)
    terminal.print(textOf(answer, before, options, terminal))
    before = answer
    if (options.watch === true) await pause(signal)
  } while (options.watch === true && !signal.aborted)
}

/** A screen in place on a terminal; where a program reads along, a line each time. */
function textOf(
  answer: InspectAnswer,
  before: InspectAnswer | undefined,
  { json, watch, peer }: InspectOptions,
  { interactive }: Terminal,
): string {
  if (json === true) return `${JSON.stringify(answer)}\n`
  const counters = describeCounters(answer, before)
  const deadlocks = describeDeadlocks(answer, peer)
  if (watch === true && !interactive && counters !== '') return `${timeText(Date.now())}  ${counters}${deadlocks}`
  const screen = `${drawTree(answer, before)}${describeDead(answer.dead)}${counters}${deadlocks}`
  return watch === true && interactive ? clearScreen + screen : screen
}

/** Pulls what is new, again and again, and says what was missed. */
async function tail(node: NodeAccess, options: InspectOptions, terminal: Terminal, signal: AbortSignal): Promise<void> {
  let cursor: string | undefined
  while (!signal.aborted) {
    const answer = await getJson(node, `${operationsRoutes.facts}${query({ peer: options.peer, cursor })}`, FactsAnswer)
    const { facts, missed } = answer
    if (options.json === true) {
      terminal.print(
        [...(missed > 0 ? [{ missed }] : []), ...facts].map((line) => `${JSON.stringify(line)}\n`).join(''),
      )
    } else {
      const gap = missed > 0 ? `${missed} missed: more happened than is kept\n` : ''
      terminal.print(gap + facts.map(describeFact).join(''))
    }
    cursor = String(answer.cursor)
    await pause(signal)
  }
}

function describeFact({ atMs, kind, subject, detail, count }: FactsAnswer['facts'][number]): string {
  const often = count > 1 ? `  (${count} times)` : ''
  return `${timeText(atMs)}  ${printable(`${kind}  ${subject}  ${detail}`.trimEnd())}${often}\n`
}

async function pause(signal: AbortSignal): Promise<void> {
  await sleep(refreshEveryMs, undefined, { signal }).catch(() => undefined)
}

/** The time of day, UTC. */
const timeText = (wallMs: number): string => new Date(wallMs).toISOString().slice('2026-01-01T'.length, -1)

async function follow(
  node: NodeAccess,
  path: string,
  options: InspectOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const route = `${operationsRoutes.follow}${query({ peer: options.peer, path })}`
  for await (const line of getLines(node, route, TransitionLine, signal)) {
    terminal.print(options.json === true ? `${JSON.stringify(line)}\n` : describe(line))
  }
}

function describe({ path, from, to, event, at }: TransitionLine): string {
  return `${timeText(at)}  ${printable(`${path}  ${from} → ${to}  (${event})`)}\n`
}

function query(parameters: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}
