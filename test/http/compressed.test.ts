import { zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Running, startFake } from './fake-cluster.ts'

let node: Running
beforeAll(async () => {
  node = await startFake()
})
afterAll(() => node.listener.close())

async function send(body: Uint8Array<ArrayBuffer>, encoding: string) {
  const headers = { 'content-encoding': encoding }
  const response = await fetch(`${node.url}/v1/responses`, { method: 'POST', body, headers })
  return { status: response.status, json: (await response.json()) as { error?: { message: string }; status?: string } }
}

const packed = (text: string) => Uint8Array.from(zstdCompressSync(Buffer.from(text)))

it('a body in zstd is read as what it was', async () => {
  const { status, json } = await send(packed('{"model":"demo","input":"hi"}'), 'zstd')
  expect([status, json.status]).toEqual([200, 'completed'])
})

it('a body that would become larger than 20 MiB is refused, however small it is', async () => {
  const bomb = packed(`{"model":"demo","input":"${'x'.repeat(30_000_000)}"}`)
  expect(bomb.length).toBeLessThan(100_000)
  expect((await send(bomb, 'zstd')).status).toBe(413)
})

it('a body that is not what it says, or that is packed in another way, is refused with a reason', async () => {
  expect(await send(Uint8Array.from(Buffer.from('{}')), 'zstd')).toMatchObject({ status: 400 })
  const { status, json } = await send(Uint8Array.from(Buffer.from('{}')), 'br')
  expect([status, json.error?.message]).toEqual([
    400,
    'a body with the content-encoding br cannot be read: send zstd, or none',
  ])
})
