import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ReadableBlob } from '../../../actors/model-catalog.ts'
import { openCatalog } from '../../../src/store/catalog.ts'
import { filesBelow, temporaryFolder, tinyHex, tinyPath, tinySource } from '../../store/fixtures.ts'
import { eventually } from '../../support/eventually.ts'
import { FakeCluster, type Running, startFake } from '../fake-cluster.ts'
import { registryIn } from './shelf.ts'

let node: Running
let folder: string
let v2: string
beforeEach(async () => {
  folder = await temporaryFolder()
  const cluster = new FakeCluster()
  cluster.registry = await registryIn(folder)
  node = await startFake(cluster)
  v2 = `${node.url}/v2/library/tiny`
})
afterEach(() => node.listener.close())

const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const tiny = await readFile(tinyPath)
const tinyDigest = `sha256:${tinyHex}`

const send = (method: string, url: string, body?: Uint8Array | string, headers: Record<string, string> = {}) =>
  fetch(url, { method, headers, ...(body === undefined ? {} : { body: body as NonNullable<RequestInit['body']> }) })

async function codeOf(answer: Response | Promise<Response>): Promise<[number, string]> {
  const { status } = await answer
  const { errors } = (await (await answer).json()) as { errors: { code: string; message: string }[] }
  expect(errors[0]?.message).not.toBe('')
  return [status, errors[0]?.code ?? '']
}

/** Where an upload that was begun goes on. */
async function begun(): Promise<string> {
  const answer = await send('POST', `${v2}/blobs/uploads/`)
  expect(answer.status).toBe(202)
  return answer.headers.get('location') ?? ''
}

describe('what is read from /v2', () => {
  beforeEach(async () => {
    const catalog = await openCatalog(folder)
    await catalog.importGguf('tiny', tinySource())
    await catalog.copy('tiny', 'tiny:v2')
    await catalog.copy('tiny', 'other/tiny:v3')
  })

  it('says that it is a registry', async () => {
    for (const path of ['/v2', '/v2/']) {
      const answer = await fetch(node.url + path)
      expect([answer.status, await answer.json()]).toEqual([200, {}])
    }
  })

  it('has the manifest of a model byte by byte, under its tag and under its digest', async () => {
    const onDisk = await readFile(`${folder}/manifests/registry.ollama.ai/library/tiny/latest`)
    for (const reference of ['latest', 'LATEST', digestOf(onDisk)]) {
      const answer = await fetch(`${v2}/manifests/${reference}`)
      expect(answer.status).toBe(200)
      expect(answer.headers.get('docker-content-digest')).toBe(digestOf(onDisk))
      expect(answer.headers.get('content-type')).toBe('application/vnd.docker.distribution.manifest.v2+json')
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(onDisk)
      const head = await send('HEAD', `${v2}/manifests/${reference}`)
      expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([
        200,
        String(onDisk.length),
        '',
      ])
    }
  })

  it('loses a tag, and its files when no other name has them', async () => {
    const path = `${node.url}/v2/other/tiny/manifests/v3`
    expect((await send('DELETE', path)).status).toBe(202)
    expect(await codeOf(send('DELETE', path))).toEqual([404, 'MANIFEST_UNKNOWN'])
    expect((await fetch(`${v2}/manifests/latest`)).status).toBe(200)
    const digest = (await fetch(`${v2}/manifests/latest`)).headers.get('docker-content-digest')
    // Under its digest all tags of the repository go.
    expect((await send('DELETE', `${v2}/manifests/${digest}`)).status).toBe(202)
    expect(await codeOf(fetch(`${v2}/tags/list`))).toEqual([404, 'NAME_UNKNOWN'])
    expect(await codeOf(send('DELETE', `${v2}/manifests/${digest}`))).toEqual([404, 'MANIFEST_UNKNOWN'])
    expect(await filesBelow(folder)).toEqual([])
  })

  it('does not lose a tag of another repository that has the same digest', async () => {
    const digest = (await fetch(`${v2}/manifests/latest`)).headers.get('docker-content-digest')
    expect((await send('DELETE', `${v2}/manifests/${digest}`)).status).toBe(202)
    expect((await fetch(`${node.url}/v2/other/tiny/manifests/v3`)).status).toBe(200)
  })

  it('answers in the words of a registry what it does not have', async () => {
    expect(await codeOf(fetch(`${v2}/manifests/none`))).toEqual([404, 'MANIFEST_UNKNOWN'])
    expect(await codeOf(fetch(`${v2}/manifests/${digestOf(tiny)}`))).toEqual([404, 'MANIFEST_UNKNOWN'])
    expect(await codeOf(fetch(`${v2}/blobs/${digestOf(Buffer.from('none'))}`))).toEqual([404, 'BLOB_UNKNOWN'])
    expect(await codeOf(fetch(`${v2}/blobs/sha256:abc`))).toEqual([400, 'DIGEST_INVALID'])
    expect(await codeOf(fetch(`${node.url}/v2/library/none/tags/list`))).toEqual([404, 'NAME_UNKNOWN'])
    expect(await codeOf(fetch(`${node.url}/v2/library/..%2F..%2Fetc/manifests/latest`))).toEqual([400, 'NAME_INVALID'])
    expect(await codeOf(fetch(`${v2}/manifests/..%2F..%2Fx`))).toEqual([400, 'NAME_INVALID'])
    // It is another repository's, although the bytes are here.
    const manifest = Buffer.from(await (await fetch(`${v2}/manifests/latest`)).arrayBuffer())
    const elsewhere = fetch(`${node.url}/v2/nobody/tiny/manifests/${digestOf(manifest)}`)
    expect(await codeOf(elsewhere)).toEqual([404, 'MANIFEST_UNKNOWN'])
  })

  it('does not pass on a manifest whose bytes are others than its digest says', async () => {
    const openFile = async (): Promise<ReadableBlob> => ({
      sizeBytes: 2,
      read: async function* () {
        yield Buffer.from('{}')
      },
    })
    node.cluster.registry.manifest = (await registryIn(folder, openFile)).manifest
    expect((await fetch(`${v2}/manifests/latest`)).status).toBe(503)
  })

  it('lists the tags of one repository, page by page', async () => {
    expect(await (await fetch(`${v2}/tags/list`)).json()).toEqual({ name: 'library/tiny', tags: ['latest', 'v2'] })
    expect(await (await fetch(`${v2}/tags/list?n=1`)).json()).toMatchObject({ tags: ['latest'] })
    expect(await (await fetch(`${v2}/tags/list?n=5&last=latest`)).json()).toMatchObject({ tags: ['v2'] })
    expect((await fetch(`${v2}/tags/list?n=-1`)).status).toBe(400)
  })

  it('gives a blob whole, with the place that an Ollama looks for, and in ranges', async () => {
    const whole = await fetch(`${v2}/blobs/${tinyDigest}`)
    expect([whole.status, whole.headers.get('content-length')]).toEqual([200, String(tiny.length)])
    expect(whole.headers.get('location')).toBe(`${v2}/blobs/${tinyDigest}`)
    expect(Buffer.from(await whole.arrayBuffer()).equals(tiny)).toBe(true)
    for (const [range, start, end] of [
      ['bytes=0-0', 0, 1],
      ['bytes=1000000-1000999', 1_000_000, 1_001_000],
      ['bytes=1669000-', 1_669_000, tiny.length],
      ['bytes=-10', tiny.length - 10, tiny.length],
      ['bytes=5-99999999', 5, tiny.length],
    ] as const) {
      const part = await fetch(`${v2}/blobs/${tinyDigest}`, { headers: { range } })
      expect([part.status, part.headers.get('content-range')]).toEqual([
        206,
        `bytes ${start}-${end - 1}/${tiny.length}`,
      ])
      expect(Buffer.from(await part.arrayBuffer()).equals(tiny.subarray(start, end))).toBe(true)
    }
    const beyond = await fetch(`${v2}/blobs/${tinyDigest}`, { headers: { range: `bytes=${tiny.length}-` } })
    expect(beyond.headers.get('content-range')).toBe(`bytes */${tiny.length}`)
    expect(await codeOf(beyond)).toEqual([416, 'RANGE_INVALID'])
    const head = await send('HEAD', `${v2}/blobs/${tinyDigest}`)
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(tiny.length)])
  })

  it('serves on when clients leave in the middle of a blob', async () => {
    for (let count = 0; count < 300; count++) {
      const answer = await fetch(`${v2}/blobs/${tinyDigest}`)
      await answer.body?.cancel()
    }
    // More than may be read out at once, so each of them has been given up.
    await eventually('a blob is read', async () => (await send('HEAD', `${v2}/blobs/${tinyDigest}`)).status === 200)
  })
})

describe('what is pushed to /v2', () => {
  const manifestFor = (model: Buffer, config: Buffer, kind = 'application/vnd.ollama.image.model') => ({
    schemaVersion: 2,
    mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
    config: {
      mediaType: 'application/vnd.docker.container.image.v1+json',
      digest: digestOf(config),
      size: config.length,
    },
    layers: [{ mediaType: kind, digest: digestOf(model), size: model.length }],
  })
  const config = Buffer.from('{"model_format":"gguf","model_family":"llama"}')

  it('takes a model as an Ollama pushes it: in parts, its manifest last', async () => {
    expect((await send('HEAD', `${v2}/blobs/${tinyDigest}`)).status).toBe(404)
    let place = await begun()
    expect(place.startsWith(`${node.url}/v2/library/tiny/blobs/uploads/`)).toBe(true)
    for (const [start, end] of [
      [0, 600_000],
      [600_000, 1_200_000],
      [1_200_000, tiny.length],
    ] as const) {
      const part = await send('PATCH', place, tiny.subarray(start, end), { 'content-range': `${start}-${end - 1}` })
      expect([part.status, part.headers.get('range')]).toEqual([202, `0-${end - 1}`])
      place = part.headers.get('location') ?? ''
    }
    const last = await send('PUT', `${place}?digest=${tinyDigest}&etag=whatever-3`)
    expect([last.status, last.headers.get('docker-content-digest')]).toEqual([201, tinyDigest])
    expect((await send('HEAD', `${v2}/blobs/${tinyDigest}`)).status).toBe(200)
    const early = send('PUT', `${v2}/manifests/latest`, JSON.stringify(manifestFor(tiny, config)))
    expect(await codeOf(early)).toEqual([400, 'MANIFEST_INVALID'])
    expect((await send('POST', `${v2}/blobs/uploads/?digest=${digestOf(config)}`, config)).status).toBe(201)
    const bytes = Buffer.from(JSON.stringify(manifestFor(tiny, config)))
    const named = await send('PUT', `${v2}/manifests/latest`, bytes)
    expect([named.status, named.headers.get('docker-content-digest')]).toEqual([201, digestOf(bytes)])
    const read = await fetch(`${v2}/manifests/latest`)
    expect(Buffer.from(await read.arrayBuffer())).toEqual(bytes)
    expect((await (await openCatalog(folder)).list()).map(({ name }) => name)).toEqual(['tiny:latest'])
  })

  it('says of a blob that it has that it need not be sent', async () => {
    await send('POST', `${v2}/blobs/uploads/?digest=${digestOf(config)}`, config)
    const mounted = await send('POST', `${v2}/blobs/uploads/?mount=${digestOf(config)}&from=library/other`)
    expect([mounted.status, mounted.headers.get('location')]).toEqual([201, `${v2}/blobs/${digestOf(config)}`])
    expect((await send('POST', `${v2}/blobs/uploads/?mount=${tinyDigest}&from=library/other`)).status).toBe(202)
  })

  it('takes a part again that broke off, or that a sender begins anew', async () => {
    const place = await begun()
    await send('PATCH', place, tiny.subarray(0, 400_000), { 'content-range': '0-399999' })
    const { hostname, port, pathname } = new URL(place)
    const socket = connect(Number(port), hostname)
    socket.write(`PATCH ${pathname} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 500000\r\n\r\n`)
    socket.write(Buffer.alloc(200_000, 'x'))
    await eventually('the part is being written', async () => (await fetch(place)).status === 400)
    socket.destroy()
    await eventually('the broken part is forgotten', async () => {
      const status = await fetch(place)
      return status.status === 204 && status.headers.get('range') === '0-399999'
    })
    // An answer that was lost has a part sent once more.
    expect(
      (await send('PATCH', place, tiny.subarray(100_000, 900_000), { 'content-range': '100000-899999' })).status,
    ).toBe(202)
    expect((await send('PATCH', place, tiny.subarray(900_000))).status).toBe(202)
    expect((await send('PUT', `${place}?digest=${tinyDigest}`)).status).toBe(201)
    expect(await filesBelow(folder)).toEqual([`blobs/sha256-${tinyHex}`])
  })

  it('refuses a part that leaves a gap, and goes on with the right one', async () => {
    const place = await begun()
    const gap = send('PATCH', place, tiny.subarray(5), { 'content-range': `5-${tiny.length - 1}` })
    expect(await codeOf(gap)).toEqual([416, 'RANGE_INVALID'])
    expect((await send('PUT', `${place}?digest=${tinyDigest}`, tiny)).status).toBe(201)
  })

  it('keeps nothing of a blob whose digest lies, of one that is forgotten, nor when it stops', async () => {
    const lying = await begun()
    expect(await codeOf(send('PUT', `${lying}?digest=${tinyDigest}`, 'something else'))).toEqual([
      400,
      'DIGEST_INVALID',
    ])
    expect(await codeOf(send('PUT', `${lying}?digest=${tinyDigest}`, tiny))).toEqual([404, 'BLOB_UPLOAD_UNKNOWN'])
    const forgotten = await begun()
    await send('PATCH', forgotten, tiny)
    expect((await send('DELETE', forgotten)).status).toBe(204)
    expect(await codeOf(send('PATCH', forgotten, tiny))).toEqual([404, 'BLOB_UPLOAD_UNKNOWN'])
    expect(await filesBelow(folder)).toEqual([])
    await begun()
    expect(await filesBelow(folder)).toHaveLength(1)
    await node.listener.close()
    expect(await filesBelow(folder)).toEqual([])
  })

  it.each([
    ['no JSON', 'not JSON'],
    ['no manifest', '{"schemaVersion":1}'],
    [
      'a way out of the store',
      JSON.stringify({
        ...manifestFor(tiny, config),
        layers: [{ mediaType: 'application/vnd.ollama.image.model', digest: 'sha256:../../../../etc/passwd', size: 1 }],
      }),
    ],
    ['a layer of another kind', JSON.stringify(manifestFor(tiny, config, 'application/vnd.oci.image.layer.v1.tar'))],
  ])('refuses a manifest that is %s', async (_, text) => {
    await send('POST', `${v2}/blobs/uploads/?digest=${digestOf(config)}`, config)
    await send('POST', `${v2}/blobs/uploads/?digest=${tinyDigest}`, tiny)
    const before = await filesBelow(folder)
    expect(await codeOf(send('PUT', `${v2}/manifests/latest`, text))).toEqual([400, 'MANIFEST_INVALID'])
    expect(await filesBelow(folder)).toEqual(before)
  })

  it('refuses a manifest that is too large, one under a digest, and a model file that is none', async () => {
    expect(await codeOf(send('PUT', `${v2}/manifests/latest`, ' '.repeat(5_000_000)))).toEqual([413, 'SIZE_INVALID'])
    expect(await codeOf(send('PUT', `${v2}/manifests/${tinyDigest}`, '{}'))).toEqual([400, 'UNSUPPORTED'])
    const noModel = Buffer.from('no GGUF at all')
    for (const bytes of [config, noModel]) await send('POST', `${v2}/blobs/uploads/?digest=${digestOf(bytes)}`, bytes)
    const named = send('PUT', `${v2}/manifests/latest`, JSON.stringify(manifestFor(noModel, config)))
    expect(await codeOf(named)).toEqual([400, 'MANIFEST_INVALID'])
  })

  it('forgets at once a blob that is sent in one piece and breaks off', async () => {
    const { hostname, port, pathname } = new URL(`${v2}/blobs/uploads/`)
    const socket = connect(Number(port), hostname)
    socket.write(`POST ${pathname}?digest=${tinyDigest} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 500000\r\n\r\n`)
    socket.write(Buffer.alloc(200_000, 'x'))
    await eventually('the blob is being written', async () => (await filesBelow(folder)).length === 1)
    socket.destroy()
    await eventually('nothing of it is left', async () => (await filesBelow(folder)).length === 0)
  })

  it('takes a bounded number of uploads at once', async () => {
    const answers = await Promise.all(Array.from({ length: 150 }, () => send('POST', `${v2}/blobs/uploads/`)))
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(128)
    expect(await codeOf(send('POST', `${v2}/blobs/uploads/`))).toEqual([503, 'TOOMANYREQUESTS'])
  })
})
