/** Makes a model and halts at one step of its writing, so that a test can kill it there. Arguments: data folder, step. */
import { readFileSync } from 'node:fs'
import { openCatalog } from '../../src/store/catalog.ts'
import { sha256Hex } from '../../src/store/manifest.ts'
import { StagedFile } from '../../src/store/staged-file.ts'

const [data = '', step = ''] = process.argv.slice(2)
const [method = '', count = '1'] = step.split(' ')
let left = Number(count)

/** Stays in this step for ever once it has come so often. */
async function halt(at: string): Promise<void> {
  if (at !== method || --left > 0) return
  process.stdout.write(`${at}\n`)
  await new Promise<void>(() => setInterval(() => {}, 1_000))
}

const { write, seal, moveTo } = StagedFile.prototype
StagedFile.prototype.write = async function (bytes, onSlice) {
  await halt('open')
  await write.call(this, bytes.subarray(0, bytes.length >> 1), onSlice)
  await halt('write')
  await write.call(this, bytes.subarray(bytes.length >> 1), onSlice)
}
StagedFile.prototype.seal = async function () {
  await halt('sync')
  await seal.call(this)
}
StagedFile.prototype.moveTo = async function (path) {
  await halt('rename')
  await moveTo.call(this, path)
}

const tiny = readFileSync(new URL('../../models/omx-tiny.gguf', import.meta.url))

async function* source(): AsyncIterable<Uint8Array> {
  yield tiny
}

const catalog = await openCatalog(`${data}/models`, { data })
const digest = `sha256:${sha256Hex(tiny)}`
await catalog.writeBlob(digest, source(), undefined)
const files = { 'tiny.gguf': digest }
const request = { name: 'made', system: 'Hi.', files, adapters: {}, licenses: [], parameters: {}, messages: [] }
await catalog.create(request, () => {})
