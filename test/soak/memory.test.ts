import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { demandFlat, demandPlateau, Memory, smallSpaces } from './memory.ts'

const server = `
  const server = require('node:http').createServer((_, response) => response.end('x'.repeat(100)))
  server.listen(0, '127.0.0.1', () => process.stdout.write(String(server.address().port)))
`

/** Requests in place of minutes: how many a busy machine answers in a second nobody knows. */
const spanRequests = 1500
const spans = 6

const started: ChildProcess[] = []

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

/** The medians of a small server that is asked all the time. */
async function asked(nodeFlags: readonly string[]): Promise<number[]> {
  const flags = ['--disable-warning=ExperimentalWarning', ...smallSpaces, ...nodeFlags]
  const child = spawn(process.execPath, [...flags, '--eval', server], { stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  const [port] = await once(child.stdout as NodeJS.ReadableStream, 'data')
  const memory = new Memory('server', child.pid as number, spanRequests)
  const agent = new Agent({ keepAlive: true })
  for (let request = 0; request < spans * spanRequests; request++) {
    const [response] = await once(get({ port: Number(port), host: '127.0.0.1', agent }), 'response')
    await once(response.resume(), 'end')
    if (request % 100 === 0) memory.sample(request)
  }
  agent.destroy()
  return memory.medians(spans)
}

describe.skipIf(process.platform !== 'linux')('the memory of a process under load', () => {
  it('is flat where nothing is kept', async () => {
    demandFlat('server', await asked([]))
  })

  it('is found to grow where a request leaves an array behind', async () => {
    const medians = await asked(['--import', new URL('leak.ts', import.meta.url).href])
    expect(() => demandFlat('server', medians)).toThrow(/^server grew from \d+ to \d+ MB$/)
    expect(() => demandPlateau('server', medians)).toThrow(/^server grew/)
  })
})

describe('the judgement', () => {
  it('forgives the first span, and nothing later', () => {
    demandFlat('a', [50, 100, 104, 109])
    expect(() => demandFlat('a', [50, 100, 104, 111])).toThrow('a grew from 100 to 111 MB')
    expect(() => demandFlat('a', [50, 100, Number.NaN])).toThrow('a grew')
    expect(() => demandFlat('a', [50])).toThrow('a grew')
  })

  it('lets memory rise until the middle, and not beyond', () => {
    demandPlateau('a', [50, 100, 200, 300, 310, 305])
    expect(() => demandPlateau('a', [50, 100, 150, 200, 250, 300])).toThrow('a grew from 200 to 300 MB')
    expect(() => demandPlateau('a', [50, 100])).toThrow('a grew')
  })
})
