import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { blobIn, modelOf, place, tinyPath } from './place.ts'
import { digestOf, sendRange, TestRegistry } from './server.ts'

it('brings a model from a registry that redirects, and lists it with its progress told', async () => {
  const server = await TestRegistry.start()
  const [model = ''] = server.add('tiny', await readFile(tinyPath))
  const { run, catalog, board, blobs } = await place()
  await run(`${server.url}/library/tiny`)
  expect((await catalog.list()).map(({ name }) => name)).toEqual([`${server.url.slice(7)}/library/tiny:latest`])
  expect(board.lines[0]).toMatchObject({ status: `pulling ${model.slice(7, 19)}`, digest: model })
  expect(board.lines[0]?.completed).toBe(board.lines[0]?.total)
  expect((await blobs()).filter((name) => name.startsWith('omx-'))).toEqual([])
})

it('asks for the parts of a large blob side by side, and continues each where it broke', async () => {
  const server = await TestRegistry.start()
  // A model's file, and far more behind it than it needs.
  const big = randomBytes(70 * 1024 * 1024)
  big.set(await readFile(tinyPath))
  const [digest = ''] = server.add('big', big)
  const mebibyte = 1024 * 1024
  const cut = 5 * mebibyte + 1
  const asked: { from: number; last: number }[] = []
  const broken: { from: number; last: number }[] = []
  server.trick = (request, response, url) => {
    const [, first, last] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
    if (url.pathname !== `/storage/${digest}` || first === undefined) return false
    const part = { from: Number(first), last: Number(last) }
    asked.push(part)
    if (broken.length >= 3 || part.from + cut > part.last) return false
    broken.push(part)
    const contentRange = `bytes ${first}-${last}/${big.length}`
    response.writeHead(206, { 'content-length': Number(last) + 1 - Number(first), 'content-range': contentRange })
    response.write(big.subarray(Number(first), Number(first) + cut), () => response.destroy())
    return true
  }
  const { run, folder } = await place()
  await run(`${server.url}/library/big`)
  expect(digestOf(await blobIn(folder, digest))).toBe(digest)
  expect(broken).toHaveLength(3)
  // From the last whole piece on, not from where a part began; and nothing else twice.
  const rests = broken.map(({ from, last }) => ({ from: from + 5 * mebibyte, last }))
  expect(asked).toEqual(expect.arrayContaining(rests))
  const bytesOf = (parts: typeof asked) => parts.reduce((sum, { from, last }) => sum + last + 1 - from, 0)
  expect(bytesOf(asked)).toBe(big.length + bytesOf(rests))
})

it('refuses bytes of another digest, and keeps nothing of them', async () => {
  const server = await TestRegistry.start()
  const good = await readFile(tinyPath)
  const [digest = ''] = server.add('bad', good)
  server.blobs.set(digest, Buffer.alloc(good.length))
  const { run, blobs } = await place()
  await expect(run(`${server.url}/library/bad`)).rejects.toThrow('digest mismatch, file must be downloaded again')
  expect((await blobs()).filter((name) => name.includes(digest.slice(7)))).toEqual([])
})

it('signs in where the registry asks for it, and shows the token to no other host', async () => {
  const server = await TestRegistry.start()
  const storage = await TestRegistry.start()
  const [digest = ''] = server.add('tiny', await readFile(tinyPath))
  server.isClosed = true
  server.trick = (request, response, url) => {
    if (!url.pathname.includes('/blobs/') || request.headers.authorization === undefined) return false
    response.writeHead(307, { location: `${storage.url}/storage/${url.pathname.split('/').at(-1)}` }).end()
    return true
  }
  for (const [key, bytes] of server.blobs) storage.blobs.set(key, bytes)
  const { run, signer } = await place()
  await run(`${server.url}/library/tiny`)
  expect(server.keys).toEqual([signer.line])
  expect(storage.asked.some(({ line }) => line.includes(digest))).toBe(true)
  expect(storage.asked.filter(({ token }) => token)).toEqual([])
})

it('signs nothing for a realm that is another place', async () => {
  const server = await TestRegistry.start()
  server.trick = (_request, response) => {
    response
      .writeHead(401, { 'www-authenticate': 'Bearer realm="http://127.0.0.1:1/token",service="s",scope="a"' })
      .end()
    return true
  }
  const { run } = await place()
  await expect(run(`${server.url}/library/tiny`)).rejects.toThrow('which is another place: nothing was signed')
})

it.each([
  [404, 'pull model manifest: file does not exist'],
  [429, 'max retries exceeded: 429: slow down'],
])('says in words what a status of %i means', async (status, words) => {
  const server = await TestRegistry.start()
  server.trick = (_request, response) => {
    response.writeHead(status).end('slow down')
    return true
  }
  const { run } = await place()
  await expect(run(`${server.url}/library/tiny`)).rejects.toThrow(words)
})

it('follows no redirect of a public registry to an address of this machine', async () => {
  const server = await TestRegistry.start()
  server.add('tiny', await readFile(tinyPath))
  server.trick = (_request, response, url) => {
    if (!url.pathname.includes('/blobs/')) return false
    response.writeHead(307, { location: 'http://127.0.0.2:1/inside' }).end()
    return true
  }
  const { run } = await place({ isPrivate: (address) => address === '127.0.0.2' })
  await expect(run(`${server.url}/library/tiny`)).rejects.toThrow('an address of this machine or its network')
})

it('restarts a part that stalls, and takes the whole blob from a registry without ranges', async () => {
  const server = await TestRegistry.start()
  server.add('tiny', await readFile(tinyPath))
  let stalled = false
  server.trick = (_request, response, url) => {
    if (!url.pathname.startsWith('/storage/')) return false
    if (stalled) sendRange(response, server.blobs.get(url.pathname.slice(9)) as Buffer, undefined)
    stalled = true
    return true
  }
  const { run, catalog } = await place({ maxSilenceMs: 200 })
  await run(`${server.url}/library/tiny`)
  expect(await catalog.list()).toHaveLength(1)
})

/** A registry that sends so much of each part of a model of `bytes`, and then waits until it may go on. */
async function halting(bytes: number, sentBytes: number) {
  const server = await TestRegistry.start()
  const model = await modelOf(bytes)
  const [digest = ''] = server.add('a', model)
  server.manifests.set(
    '/v2/library/b/manifests/latest',
    server.manifests.get('/v2/library/a/manifests/latest') as Buffer,
  )
  const sent = Promise.withResolvers<void>()
  const proceed = Promise.withResolvers<void>()
  server.trick = (request, response, url) => {
    const [, first = '', last = ''] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
    if (url.pathname !== `/storage/${digest}` || first === '') return false
    const [from, end] = [Number(first), Number(last) + 1]
    response.writeHead(206, { 'content-length': end - from, 'content-range': `bytes ${first}-${last}/${bytes}` })
    response.write(model.subarray(from, from + sentBytes), () => sent.resolve())
    void proceed.promise.then(() => response.end(model.subarray(from + sentBytes, end)))
    return true
  }
  const url = (name: string) => `${server.url}/library/${name}`
  return { server, digest, url, sent: sent.promise, proceed: proceed.resolve }
}

const mebibyte = 1024 * 1024

it('fetches a blob once for two names, also when one of the two goes away', async () => {
  const { server, digest, url, sent, proceed } = await halting(3 * mebibyte, mebibyte)
  const { run, board, folder } = await place()
  const leaving = new AbortController()
  const left = run(url('a'), leaving)
  const right = run(url('b'))
  await sent
  await eventually('both wait for it', () => board.lines.filter((line) => line.digest === digest).length === 2)
  leaving.abort(new Error('gone'))
  await expect(left).rejects.toThrow('gone')
  proceed()
  await right
  expect(digestOf(await blobIn(folder, digest))).toBe(digest)
  expect(server.bytesAsked(digest)).toBe(3 * mebibyte)
})

it('ends a download with the last who waits for it, and what came stays for the next', async () => {
  const { server, digest, url, sent, proceed } = await halting(3 * mebibyte, 1.5 * mebibyte)
  const { run, board, blobs } = await place()
  const leaving = new AbortController()
  const both = [run(url('a'), leaving), run(url('b'), leaving)]
  await sent
  await eventually('what was sent has come', () => board.lines.some(({ completed }) => completed === 1.5 * mebibyte))
  leaving.abort(new Error('gone'))
  for (const each of both) await expect(each).rejects.toThrow('gone')
  expect(await blobs()).not.toContain(digest.replace(':', '-'))
  const asked = server.asked.length
  proceed()
  await run(url('b'))
  expect(server.bytesAsked(digest, asked)).toBe(2 * mebibyte)
})

it('begins no blob for somebody who has gone already', async () => {
  const { server, digest, url } = await halting(2 * mebibyte, mebibyte)
  const { begin } = await place()
  const leaving = new AbortController()
  const pull = begin(url('a'))
  await pull.resolve(leaving.signal)
  leaving.abort(new Error('gone'))
  await expect(pull.move(leaving.signal)).rejects.toThrow('gone')
  await begin(url('a')).resolve(new AbortController().signal) // Whatever was begun has been asked for by now.
  expect(server.bytesAsked(digest)).toBe(0)
})
