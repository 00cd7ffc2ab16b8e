/** A client that does not read, of a node that forwards: its worker waits, no node's memory grows, and nothing is lost. */
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { opened, received } from '../http/raw-socket.ts'
import { ggufBytes, writeStockModel } from '../store/fixtures.ts'
import { eventually } from '../support/eventually.ts'
import { useCluster } from './support/cluster.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()
let holder: OmxNode
let front: OmxNode

/** As events some 14 MB: more than the buffers of two sockets and of two nodes hold. */
const max_tokens = 60_000
/** What either node may grow by meanwhile: room for what is not yet collected of the answers before. */
const maxGrowthBytes = 60 * 1024 * 1024
/** An idle node beats and gossips; one that computes or forwards takes all it can get. */
const maxIdleShare = 0.2
const lookMs = 500

beforeAll(async () => {
  const words = ['--sim-tokens-per-second', '0', '--context', '16384']
  const data = cluster.newFolder()
  // An answer may be ten times as long as the context, and that no longer than the model was trained for.
  const model = ggufBytes({ 'general.architecture': 'llama', 'llama.context_length': 65_536 })
  await writeStockModel(join(data, 'models'), 'registry.ollama.ai/library/endless/latest', [
    { kind: 'model', content: model },
  ])
  holder = await cluster.start('holder', { engine: 'sim', data, words })
  front = await cluster.start('front', { engine: 'sim', join: holder, words })
  await front.sees(holder)
  await front.knowsHolders('endless', holder)
})

const kilobytes = (node: OmxNode): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${node.process.pid}/status`, 'utf8'))?.[1])

/** Milliseconds of processor time: Linux counts hundredths of a second. */
function busyMs(node: OmxNode): number {
  const after = readFileSync(`/proc/${node.process.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(after[11]) + Number(after[12])) * 10
}

/** True when neither node has had much to do since the last look. */
function atRest(): () => boolean {
  let [before, beforeMs] = [Number.NEGATIVE_INFINITY, performance.now()]
  let rests = false
  return () => {
    const elapsedMs = performance.now() - beforeMs
    if (elapsedMs < lookMs) return rests
    const busy = busyMs(holder) + busyMs(front)
    rests = busy - before < elapsedMs * maxIdleShare
    ;[before, beforeMs] = [busy, performance.now()]
    return rests
  }
}

async function ask(path: string): Promise<Socket> {
  const messages = [{ role: 'user', content: 'Go on.' }]
  const body = JSON.stringify({ model: 'endless', messages, max_tokens, temperature: 0, stream: true })
  const socket = await opened(Number(new URL(front.url).port))
  socket.pause()
  socket.write(`POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  return socket
}

async function textOf(socket: Socket, read: (event: never) => string | undefined): Promise<string> {
  const answer = received(socket, '\r\n0\r\n\r\n')
  socket.resume()
  // Lines between the chunks of HTTP are no events.
  const events = (await answer).split(/\r?\n/).filter((line) => line.startsWith('data: {'))
  socket.destroy()
  return events.map((line) => read(JSON.parse(line.slice('data: '.length)) as never) ?? '').join('')
}

interface ChatChunk {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[]
}

interface MessageEvent {
  readonly delta?: { readonly text?: string }
}

describe.each([
  { path: '/v1/chat/completions', read: ({ choices }: ChatChunk) => choices[0]?.delta.content },
  { path: '/v1/messages', read: ({ delta }: MessageEvent) => delta?.text },
])('$path', ({ path, read }) => {
  it('waits for a client that does not read, and then gives it what any other gets', async () => {
    const expected = await textOf(await ask(path), read)
    expect(expected.length).toBeGreaterThan(max_tokens)
    const before = [kilobytes(holder), kilobytes(front)]
    const slow = await ask(path)
    await eventually('the worker waits', atRest(), 30_000)
    // An answer that had been taken to its end would be over for the node.
    expect((await front.status()).tasks.active).toBe(1)
    const grown = [kilobytes(holder), kilobytes(front)].map((now, at) => (now - (before[at] ?? 0)) * 1024)
    for (const bytes of grown) expect(bytes).toBeLessThan(maxGrowthBytes)
    // Another one is served meanwhile.
    expect((await front.client.generate({ model: 'endless', prompt: '⟦fine⟧' })).response).toBe('fine')
    expect(await textOf(slow, read)).toBe(expected)
  })
})
