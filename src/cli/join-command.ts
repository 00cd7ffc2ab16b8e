/** The command that makes another node join this one, ready to be copied. */
import { existsSync } from 'node:fs'
import { isLoopbackHost, p2pHost } from '../config/address.ts'
import type { Config } from '../config.ts'
import type { RunningNode } from '../running-node.ts'
import type { Terminal } from './terminal.ts'

/** Folders that are looked at for a free one; who runs more nodes on one machine names them. */
const maxFolders = 99

/**
 * On the same machine the other node needs ports, a folder and a name of its own; on another machine the defaults do,
 * except that it must be reachable too.
 */
export function joinCommand(node: RunningNode, config: Config, env: Terminal['env']): string {
  const reachable = node.p2pAddresses.find((address) => !isLoopbackHost(hostOf(address)))
  const address = reachable ?? node.p2pAddresses[0] ?? ''
  if (reachable !== undefined) {
    return commandLine(['start', '--p2p', '/ip4/0.0.0.0/tcp/11435', '--insecure-open', '--join', address], env)
  }
  const folder = unnumbered(config.data)
  const number = freeNumber(folder)
  const own = ['--api', '127.0.0.1:0', '--p2p', '/ip4/127.0.0.1/tcp/0', '--data', `${folder}-${number}`]
  return commandLine(
    ['start', ...own, '--name', `${unnumbered(config.name)}-${number}`.slice(-63), '--join', address],
    env,
  )
}

/** The words as a shell reads them, after the way in which this process was started. */
export function commandLine(words: readonly string[], env: Terminal['env']): string {
  const program = startedByNpm(env) ? 'npm run omx-node --' : 'omx-node'
  return [program, ...words.map(quoted)].join(' ')
}

/** Whether `npm run omx-node` started this process. */
export function startedByNpm(env: Terminal['env']): boolean {
  return env.npm_lifecycle_event === 'omx-node'
}

/** Without the number of a node that was itself started by such a command: after …-2 comes …-3. */
function unnumbered(text: string): string {
  return text.replace(/-\d{1,2}$/, '')
}

function hostOf(multiaddr: string): string {
  return p2pHost(multiaddr.replace(/\/p2p\/.*$/, '')) ?? ''
}

function freeNumber(folder: string): number {
  for (let number = 2; number <= maxFolders; number += 1) if (!existsSync(`${folder}-${number}`)) return number
  return maxFolders
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
