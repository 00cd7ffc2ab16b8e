import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { filesBelow, temporaryFolder } from '../store/fixtures.ts'
import { eventually } from '../support/eventually.ts'
import { type Running, startFake } from './fake-cluster.ts'
import { makerIn } from './store-maker.ts'

let node: Running
let folder: string
beforeEach(async () => {
  node = await startFake()
  folder = await temporaryFolder()
  node.cluster.maker = await makerIn(folder)
})
afterEach(() => node.listener.close())

const bytes = Buffer.from('what a model is made of')
const hex = createHash('sha256').update(bytes).digest('hex')
const send = (digest: string, body: Uint8Array | string) =>
  fetch(`${node.url}/api/blobs/${digest}`, { method: 'POST', body: body as NonNullable<RequestInit['body']> })
const ask = async (digest: string) => (await fetch(`${node.url}/api/blobs/${digest}`, { method: 'HEAD' })).status

describe('/api/blobs', () => {
  it('takes a file once and knows it from then on, however its digest is written', async () => {
    expect(await ask(`sha256:${hex}`)).toBe(404)
    const first = await send(`sha256:${hex}`, bytes)
    expect([first.status, await first.text()]).toEqual([201, ''])
    expect(await filesBelow(folder)).toEqual([`blobs/sha256-${hex}`])
    for (const written of [`sha256:${hex}`, `sha256-${hex}`, `SHA256:${hex.toUpperCase()}`]) {
      expect(await ask(written)).toBe(200)
      expect((await send(written, 'something else altogether')).status).toBe(200)
    }
    expect(await filesBelow(folder)).toEqual([`blobs/sha256-${hex}`])
  })

  it.each(['sha256:abc', `md5:${hex}`, `sha256:${hex}0`, `sha256:..%2F..%2F${hex.slice(10)}`])(
    'refuses %s, which is no digest',
    async (digest) => {
      expect(await ask(digest)).toBe(400)
      const refused = await send(digest, bytes)
      expect([refused.status, await refused.json()]).toEqual([400, { error: 'invalid digest format' }])
      expect(await filesBelow(folder)).toEqual([])
    },
  )

  it('keeps nothing of a file whose digest lies', async () => {
    const claimed = `sha256:${'0'.repeat(64)}`
    const refused = await send(claimed, bytes)
    expect(refused.status).toBe(400)
    expect(await refused.json()).toEqual({ error: `digest mismatch, expected "${claimed}", got "sha256:${hex}"` })
    expect(await filesBelow(folder)).toEqual([])
  })

  it('refuses what does not fit on the disk before it reads it', async () => {
    const socket = connect(Number(new URL(node.url).port), '127.0.0.1')
    socket.write(
      `POST /api/blobs/sha256:${hex} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${2 ** 52}\r\nconnection: close\r\n\r\n`,
    )
    const [answer] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    expect(answer.toString()).toMatch(/^HTTP\/1.1 507 /)
    expect(answer.toString()).toMatch(/do not fit on the disk of .+ Free some space/)
    expect(await filesBelow(folder)).toEqual([])
  })

  it('leaves nothing of an upload that stops half-way', async () => {
    const socket = connect(Number(new URL(node.url).port), '127.0.0.1')
    socket.write(`POST /api/blobs/sha256:${hex} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\nwhat`)
    await eventually('the upload has begun', async () => (await filesBelow(folder)).length === 1)
    socket.destroy()
    await eventually('its file is gone', async () => (await filesBelow(folder)).length === 0)
  })

  it('says why when the file cannot be written', async () => {
    await rm(join(folder, 'blobs'), { recursive: true })
    const refused = await send(`sha256:${hex}`, bytes)
    expect(refused.status).toBe(500)
    expect(((await refused.json()) as { error: string }).error).toContain(join(folder, 'blobs'))
  })
})
