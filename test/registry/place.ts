/** A models folder of its own, and pulls into it. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { ProgressBoard } from '../../actors/progress-board.ts'
import type { Signer } from '../../src/registry/challenge.ts'
import { Downloads } from '../../src/registry/downloads.ts'
import { Exchange, type ExchangeInit } from '../../src/registry/exchange.ts'
import { Pull } from '../../src/registry/pull.ts'
import { Rate } from '../../src/registry/rate.ts'
import type { Patience } from '../../src/registry/retries.ts'
import { realWorld } from '../../src/runtime/world.ts'
import { openCatalog } from '../../src/store/catalog.ts'
import { Shelf } from '../../src/store/shelf.ts'

export const tinyPath = new URL('../../models/omx-tiny.gguf', import.meta.url)

/** Three tries within a few milliseconds. */
const impatience: Patience = { tries: 3, pauseMs: 1 }

/** A key of its own, made by other code than what is tested. */
export function newSigner(): Signer & { readonly line: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x as string, 'base64url')
  const head = Buffer.from('0000000b7373682d6564323535313900000020', 'hex')
  const line = `ssh-ed25519 ${Buffer.concat([head, raw]).toString('base64')}`
  return { publicKey: raw, sign: (bytes) => sign(null, bytes, privateKey), line }
}

const signer = newSigner()

export async function temporaryData(): Promise<string> {
  const data = await mkdtemp(join(tmpdir(), 'omx-registry-'))
  onTestFinished(() => rm(data, { recursive: true, force: true }))
  return data
}

/** `data`: the folder that an earlier process used; default: a new one. */
export async function place(init: ExchangeInit & { readonly data?: string; readonly bytesPerSecond?: number } = {}) {
  const data = init.data ?? (await temporaryData())
  const folder = join(data, 'models')
  const catalog = await openCatalog(folder, { data })
  const shelf = await Shelf.open(catalog, 'node')
  const exchange = new Exchange(init)
  onTestFinished(() => exchange[Symbol.dispose]())
  const rate = new Rate({ bytesPerSecond: init.bytesPerSecond ?? 0, clock: realWorld })
  const downloads = new Downloads(shelf, rate, impatience)
  const board = new ProgressBoard()
  const begin = (model: string) =>
    new Pull({ exchange, signer, shelf, downloads, patience: impatience }, { model, insecure: true }, board)
  const run = async (model: string, { signal }: { readonly signal: AbortSignal } = new AbortController()) => {
    const pull = begin(model)
    await pull.resolve(signal)
    await pull.move(signal)
    await pull.verify(signal)
    await pull.write()
  }
  return { data, folder, catalog, board, signer, begin, run, blobs: () => readdir(join(folder, 'blobs')) }
}

export const blobIn = (folder: string, digest: string) => readFile(join(folder, 'blobs', digest.replace(':', '-')))

/** A model of so many bytes: a sound one, and behind it what no computation reads. */
export async function modelOf(bytes: number): Promise<Buffer> {
  const tiny = await readFile(tinyPath)
  return Buffer.concat([tiny, randomBytes(bytes - tiny.length)])
}
