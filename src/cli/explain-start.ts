/** Why a node could not start, in one sentence and with the command that works. */
import { createServer } from 'node:net'
import { formatApiAddress } from '../config/address.ts'
import type { Config } from '../config.ts'
import { identifyListener, type Occupant } from '../http/identify.ts'
import { ListenError } from '../http/listener.ts'
import { CommandError } from './command-error.ts'
import { commandLine } from './join-command.ts'
import type { Terminal } from './terminal.ts'

/** Ports above the taken one that are tried; the next one up is our own p2p port, so the search begins after it. */
const portsTried = 20

const occupants: Readonly<Record<Occupant, string>> = {
  ollama: 'an Ollama',
  'omx-node': 'another omx-node',
  unknown: 'another program',
}

/** The error to show: a taken API port with the command that works beside it, anything else as it is. */
export async function explainStart(
  error: unknown,
  config: Config,
  words: readonly string[],
  env: Terminal['env'],
): Promise<unknown> {
  if (!(error instanceof ListenError)) return error
  const { host, port } = error
  if (error.code !== 'address-in-use') return new CommandError(`${error.message}. Choose another address with --api.`)
  const occupant = occupants[await identifyListener(host, port)]
  const free = await freePort(host, port + 2)
  const beside = commandLine(
    ['start', ...without(words, '--api'), '--api', formatApiAddress({ host, port: free })],
    env,
  )
  return new CommandError(`${formatApiAddress(config.api)} is taken by ${occupant}. To run beside it: ${beside}`, {
    cause: error,
  })
}

/** The words without a flag and its value. */
function without(words: readonly string[], flag: string): string[] {
  return words.filter((word, index) => {
    const isValue = words[index - 1] === flag
    return word !== flag && !word.startsWith(`${flag}=`) && !isValue
  })
}

/** The first free port from `from` on; 0, which means any, when all that are tried are taken. */
async function freePort(host: string, from: number): Promise<number> {
  for (let port = from; port < from + portsTried && port <= 65_535; port += 1) if (await isFree(host, port)) return port
  return 0
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
