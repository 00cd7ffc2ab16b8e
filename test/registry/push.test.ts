import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { ProgressBoard } from '../../actors/progress-board.ts'
import { Exchange } from '../../src/registry/exchange.ts'
import type { ModelSource } from '../../src/registry/model-source.ts'
import { Push } from '../../src/registry/push.ts'
import { openCatalog } from '../../src/store/catalog.ts'
import { Shelf } from '../../src/store/shelf.ts'
import { temporaryFolder } from '../store/fixtures.ts'
import { digestOf, TestRegistry } from './server.ts'

const patience = { tries: 3, pauseMs: 1 }
const signer = { publicKey: new Uint8Array(32), sign: () => new Uint8Array(64) }
const config = Buffer.from('{"model_format":"gguf"}')

/** A model of so many bytes, held by nobody but this test. */
function modelOf(sizeBytes: number) {
  const block = Buffer.alloc(1024 * 1024, 'model')
  const hash = createHash('sha256')
  for (let at = 0; at < sizeBytes; at += block.length)
    hash.update(block.subarray(0, Math.min(block.length, sizeBytes - at)))
  const digest = `sha256:${hash.digest('hex')}`
  const layer = { mediaType: 'application/vnd.ollama.image.model', digest, size: sizeBytes }
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      config: {
        mediaType: 'application/vnd.docker.container.image.v1+json',
        digest: digestOf(config),
        size: config.length,
      },
      layers: [layer],
    }),
  )
  const bytes = async function* (start: number, end: number) {
    for (let at = start; at < end; ) {
      const from = at % block.length
      const chunk = block.subarray(from, Math.min(block.length, from + end - at))
      at += chunk.length
      yield chunk
    }
  }
  const asked: string[] = []
  const source: ModelSource = {
    manifest: async (name) => {
      asked.push(name)
      return name.endsWith('/tiny:latest') ? { bytes: manifest } : undefined
    },
    blob: async (_, wanted) => {
      if (wanted === digest) return { sizeBytes, read: bytes }
      return { sizeBytes: config.length, read: (start, end) => Readable.from([config.subarray(start, end)]) }
    },
  }
  return { digest, manifest, source, asked }
}

async function push(source: ModelSource, model: string, signal = new AbortController().signal) {
  const shelf = await Shelf.open(await openCatalog(await temporaryFolder()), 'node')
  using exchange = new Exchange()
  const board = new ProgressBoard()
  const pushing = new Push(
    { exchange, signer, source, shelf, patience, minPartBytes: 1_000_000 },
    { model, insecure: true },
    board,
  )
  const done = (async () => {
    await pushing.resolve(signal)
    await pushing.move(signal)
    await pushing.write(signal)
  })()
  const problem = await done.then(
    () => undefined,
    (error: Error) => error.message,
  )
  return { problem, lines: board.lines }
}

it('brings a model to a registry that takes the parts itself', async () => {
  const { digest, manifest, source } = modelOf(3_000_000)
  const server = await TestRegistry.start()
  const pushes = server.takesPushes()
  const { problem, lines } = await push(source, `${server.url}/library/tiny`)
  expect(problem).toBeUndefined()
  expect(server.blobs.get(digest)?.length).toBe(3_000_000)
  expect(digestOf(server.blobs.get(digest) ?? Buffer.of())).toBe(digest)
  expect(server.manifests.get('/v2/library/tiny/manifests/latest')).toEqual(manifest)
  expect(lines[0]).toEqual({ status: `pushing ${digest.slice(7, 19)}`, digest, total: 3_000_000, completed: 3_000_000 })
  expect(pushes.etags).toEqual([undefined, undefined])
  // What is there already is not sent again.
  server.asked.length = 0
  expect((await push(source, `${server.url}/library/tiny`)).problem).toBeUndefined()
  expect(new Set(server.asked.map(({ line }) => line.split(' ')[0]))).toEqual(new Set(['HEAD', 'PUT']))
})

it('sends the parts of a large blob where the registry wants them, and names the whole by their sums', async () => {
  const sizeBytes = 2_500_000
  const { digest, source } = modelOf(sizeBytes)
  const server = await TestRegistry.start()
  const pushes = server.takesPushes({ redirects: true })
  const { problem } = await push(source, `${server.url}/library/tiny`)
  expect(problem).toBeUndefined()
  expect(digestOf(server.blobs.get(digest) ?? Buffer.of())).toBe(digest)
  expect(pushes.ranges).toEqual(['0-999999', '1000000-1999999', '2000000-2499999', `0-${config.length - 1}`])
  expect(pushes.etags[0]).toMatch(/^[0-9a-f]{32}-3$/)
  expect(pushes.etags[0]).toBe(pushes.sumOf(digest))
})

it('goes on where a registry has got when a part breaks off, and gives up what fails again and again', async () => {
  const { digest, source } = modelOf(3_000_000)
  const server = await TestRegistry.start()
  server.takesPushes({ breaks: 2 })
  expect((await push(source, `${server.url}/library/tiny`)).problem).toBeUndefined()
  expect(digestOf(server.blobs.get(digest) ?? Buffer.of())).toBe(digest)
  const stubborn = await TestRegistry.start()
  stubborn.takesPushes({ breaks: 100 })
  expect((await push(source, `${stubborn.url}/library/tiny`)).problem).toContain('max retries exceeded')
})

it('signs in where the registry asks for it in the middle, and says what it refuses', async () => {
  const { digest, source } = modelOf(1_000_000)
  const server = await TestRegistry.start()
  server.takesPushes({ wantsToken: true })
  expect((await push(source, `${server.url}/library/tiny`)).problem).toBeUndefined()
  expect(server.blobs.has(digest)).toBe(true)
  const closed = await TestRegistry.start()
  closed.trick = (request: IncomingMessage, response: ServerResponse) => {
    if (request.method === 'HEAD') return false
    response.writeHead(403).end('{"errors":[{"code":"DENIED","message":"this namespace is not yours"}]}')
    return true
  }
  const { problem } = await push(source, `${closed.url}/library/tiny`)
  expect(problem).toContain('this namespace is not yours')
  expect(problem).toContain('ssh-ed25519')
})

it('says that a model is not held, before the registry is asked', async () => {
  const { source } = modelOf(10)
  const server = await TestRegistry.start()
  const { problem, lines } = await push(source, `${server.url}/library/none`)
  expect(problem).toBe(`model '${server.url.slice(7)}/library/none:latest' not found`)
  expect(lines).toEqual([{ status: "couldn't retrieve manifest" }])
  expect(server.asked).toEqual([])
})
