/**
 * Pulls a model and halts at one step of its writing, so that a test can kill it there. Arguments: data folder, the model's
 * name at the registry, step.
 */
import files, { type FileHandle, open } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { ProgressBoard } from '../../actors/progress-board.ts'
import { Downloads } from '../../src/registry/downloads.ts'
import { Exchange } from '../../src/registry/exchange.ts'
import { Pull } from '../../src/registry/pull.ts'
import { Rate } from '../../src/registry/rate.ts'
import { realWorld } from '../../src/runtime/world.ts'
import { openCatalog } from '../../src/store/catalog.ts'
import { PartialBlob } from '../../src/store/partial-blob.ts'
import { Shelf } from '../../src/store/shelf.ts'
import { StagedFile } from '../../src/store/staged-file.ts'

const [data = '', model = '', step = ''] = process.argv.slice(2)
const [place = '', count = '1'] = step.split(' ')
let left = Number(count)

/** Stays in this step for ever once it has come so often. */
async function halt(at: string): Promise<void> {
  if (at !== place || --left > 0) return
  process.stdout.write(`${at}\n`)
  await new Promise<void>(() => setInterval(() => {}, 1_000))
}

/** A mark is one byte; no piece of these models is. */
const markBytes = 1

type Write = (this: FileHandle, bytes: Uint8Array, start: number, length: number, position: number) => Promise<unknown>
const handle = await open(import.meta.filename)
const handles = Object.getPrototypeOf(handle) as { write: Write }
await handle.close()
const { write } = handles
handles.write = async function (bytes, start, length, position) {
  if (length === markBytes) await halt('mark')
  else {
    await write.call(this, bytes, start, length >> 1, position)
    await halt('piece')
  }
  return await write.call(this, bytes, start, length, position)
}

const { keep } = PartialBlob.prototype
PartialBlob.prototype.keep = async function () {
  await halt('keep')
  await keep.call(this)
}

const { rename } = files
files.rename = async (from, to) => {
  await halt('rename')
  await rename(from, to)
  await halt('renamed')
}
syncBuiltinESMExports()

const { seal } = StagedFile.prototype
StagedFile.prototype.seal = async function () {
  await halt('manifest')
  await seal.call(this)
}

const catalog = await openCatalog(`${data}/models`, { data })
const shelf = await Shelf.open(catalog, 'node')
const signer = { publicKey: new Uint8Array(32), sign: () => new Uint8Array(64) }
const init = {
  exchange: new Exchange(),
  signer,
  shelf,
  downloads: new Downloads(shelf, new Rate({ bytesPerSecond: 0, clock: realWorld })),
}
const pull = new Pull(init, { model, insecure: true }, new ProgressBoard())
const { signal } = new AbortController()
await pull.resolve(signal)
await pull.move(signal)
await pull.verify(signal)
await pull.write()
