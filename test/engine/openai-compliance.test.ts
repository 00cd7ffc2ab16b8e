/** The driver for OpenAI-compatible servers under the suite of all drivers, before two that compute with llama.cpp. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe } from 'vitest'
import type { LoadedEngine } from '../../src/engine/driver.ts'
import { createDriver } from '../../src/engine/drivers.ts'
import { OpenaiCatalog } from '../../src/engine/openai/catalog.ts'
import { openaiAt } from '../../src/engine/openai/driver.ts'
import { useCluster } from '../process/support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { type Load, settings } from './collect.ts'
import { compliance } from './compliance.ts'
import { tiny } from './models.ts'
import { llamaServer } from './programs.ts'

/** Loads the only model of a server. */
async function loadOf(url: string, overrides: Parameters<Load>[0]): Promise<LoadedEngine> {
  const [held] = await new OpenaiCatalog(openaiAt(url, '')).list()
  const driver = createDriver({ name: 'openai', url })
  const model = { ...tiny, digest: held?.digest ?? '' }
  return driver.load(model, { ...settings, ...overrides }, new AbortController().signal)
}

describe('before a node', () => {
  const cluster = useCluster()
  let url: string
  beforeAll(async () => {
    const words = ['--slots', '4', '--context', '512']
    url = `${(await cluster.start('llama', { engine: 'llama', holds: true, words })).url}/v1`
  })
  compliance('openai', (overrides) => loadOf(url, overrides), { isRemote: true })
})

/** It embeds only where it does nothing else. */
const known = {
  'shows text that only began like a stop string': 'it forgets what it held back when the tokens are used up',
  'keeps to a format while it gives probabilities': 'it sends none for tokens that are not yet a part of the message',
}

describe.skipIf(llamaServer === undefined)('before llama-server (none on the PATH: set OMX_LLAMA_SERVER)', () => {
  let server: ChildProcess
  let url: string
  beforeAll(async () => {
    const port = await freePort()
    const words = ['-m', tiny.path, '--host', '127.0.0.1', '--port', String(port), '-np', '4', '-c', '2048', '-t', '1']
    server = spawn(llamaServer ?? '', words, { stdio: 'ignore' })
    url = `http://127.0.0.1:${port}/v1`
    await eventually('llama-server has its model', async () => (await new OpenaiCatalog(openaiAt(url, '')).list())[0])
  })
  afterAll(async () => {
    server.kill('SIGKILL')
    await once(server, 'exit')
  })
  compliance('openai', (overrides) => loadOf(url, overrides), { isRemote: true, embeds: false, known })
})

/** llama-server does not tell which port it was given. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { readonly port: number }
  server.close()
  await once(server, 'close')
  return port
}
