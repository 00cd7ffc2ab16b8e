/** `omx-node start`: runs a node until it fails or is told to stop. */
import { readFileSync } from 'node:fs'
import { destination, type Logger, pino } from 'pino'
import { type ConfigSources, loadConfig } from '../../config/load.ts'
import type { Config } from '../../config.ts'
import type { RunningNode, StartNode } from '../../running-node.ts'
import { exitCodeOf } from '../interruption.ts'
import { joinCommand, startedByNpm } from '../join-command.ts'
import { releaseStartupGarbage } from '../startup-garbage.ts'
import { fields } from '../table.ts'
import type { Terminal } from '../terminal.ts'

/** What stopping may take beyond the drain: children are given 2 s, and files and sockets little. */
const stopGraceMs = 10_000

/** npm passes a Ctrl-C on that its child has already had; nobody presses it twice in less. */
const npmRepeatMs = 500

export interface StartOptions {
  readonly flags: ConfigSources['flags']
  readonly json: boolean
  /** The words after `start`, for messages that repeat the command. */
  readonly words: readonly string[]
}

const startNodeHere: StartNode = async (config, log) => {
  // Only this command needs the network and the engines; the others start faster without them.
  const { startNode } = await import('../../node.ts')
  return startNode(config, log)
}

/** Resolves with the exit code when the node has stopped. */
export async function start(options: StartOptions, terminal: Terminal, startNode = startNodeHere): Promise<number> {
  const { flags } = options
  const config = loadConfig({ flags, env: terminal.env, readFile: (path) => readFileSync(path, 'utf8') })
  // Standard output is for the answer; the log is beside it, written at once so that a crash loses no line.
  const log = pino({ name: config.name, level: config.logLevel }, destination({ fd: 2, sync: true }))
  const node = await startNode(config, log).catch(async (error: unknown) => {
    const { explainStart } = await import('../explain-start.ts')
    throw await explainStart(error, config, options.words, terminal.env)
  })
  terminal.print(options.json ? `${JSON.stringify(facts(node))}\n` : announce(node, config, terminal.env))
  releaseStartupGarbage()
  return untilStopped(node, config, log, terminal)
}

function facts({ name, nodeId, api, p2pAddresses }: RunningNode) {
  return { state: 'ready', name, node: nodeId, api, p2p: p2pAddresses }
}

function announce(node: RunningNode, config: Config, env: Terminal['env']): string {
  const lines = fields([
    ['api', `http://${node.api}`],
    ...node.p2pAddresses.map((address, index) => [index === 0 ? 'p2p' : '', address] as const),
    ['join', joinCommand(node, config, env)],
  ])
  return `${node.name} (${node.nodeId}) is ready\n${lines}`
}

async function untilStopped(node: RunningNode, config: Config, log: Logger, terminal: Terminal): Promise<number> {
  let forget = () => {}
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    const repeatMs = startedByNpm(terminal.env) ? npmRepeatMs : 0
    let firstMs: number | undefined
    forget = terminal.onSignal((signal) => {
      const nowMs = performance.now()
      if (firstMs === undefined) {
        firstMs = nowMs
        resolve(signal)
      } else if (nowMs - firstMs >= repeatMs) terminal.exit(exitCodeOf(signal))
    })
  })
  const cause = await Promise.race([signalled, node.failed])
  if (cause instanceof Error) {
    log.fatal({ err: cause }, 'the node cannot go on')
    terminal.note(`omx-node: the node cannot go on: ${cause.message}\n`)
  } else {
    log.info({ signal: cause, drainMs: config.drainMs }, 'draining; a second signal exits at once')
  }
  const clean = await withinLimit(node.drain(), config.drainMs + stopGraceMs, log)
  forget()
  return clean && !(cause instanceof Error) ? 0 : 1
}

/** Whether the stop ended by itself and in time. */
async function withinLimit(stopped: Promise<void>, limitMs: number, log: Logger): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => {
      log.error({ limitMs }, 'stopping took too long')
      resolve(false)
    }, limitMs)
  })
  const ended = stopped.then(
    () => true,
    (error: unknown) => {
      log.error({ err: error }, 'stopping failed')
      return false
    },
  )
  const clean = await Promise.race([ended, late])
  clearTimeout(timer)
  return clean
}
