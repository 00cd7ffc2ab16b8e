/** `omx-node inspect`: the live supervision tree of any node in the cluster, or one actor's transitions. */
import { setTimeout as sleep } from 'node:timers/promises'
import { InspectAnswer, operationsRoutes, TransitionLine } from '../../../protocols/operations.ts'
import { findNode, getJson, getLines, type NodeAccess, type NodeOptions } from '../client.ts'
import { printable } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { drawTree } from '../tree.ts'

export interface InspectOptions extends NodeOptions {
  readonly peer?: string
  readonly watch?: boolean
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
    else await show(node, options, terminal, stop.signal)
  } finally {
    forget()
  }
}

async function show(node: NodeAccess, options: InspectOptions, terminal: Terminal, signal: AbortSignal): Promise<void> {
  const route = `${operationsRoutes.inspect}${query({ peer: options.peer })}`
  do {
    const answer = await getJson(node, route, InspectAnswer)
    const text = options.json === true ? `${JSON.stringify(answer)}\n` : drawTree(answer)
    terminal.print(options.watch === true && terminal.interactive ? clearScreen + text : text)
    if (options.watch === true) await sleep(refreshEveryMs, undefined, { signal }).catch(() => undefined)
  } while (options.watch === true && !signal.aborted)
}

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
  const time = new Date(at).toISOString().slice('2026-01-01T'.length, -1)
  return `${time}  ${printable(`${path}  ${from} → ${to}  (${event})`)}\n`
}

function query(parameters: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}
