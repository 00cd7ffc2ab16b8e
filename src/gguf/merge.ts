/** Makes one file of the parts of a split model: the keys of the first, the tensors and the data of all. */
import { createReadStream } from 'node:fs'
import { GgufError, type GgufHeader, ggufMagic, readGgufHeader, type Tensor } from './header.ts'

/** Bytes of tensor descriptions that are handed on at once. */
const descriptionChunkBytes = 64 * 1024

/** What says that a file is one part: a whole one has none of them. */
const splitPrefix = 'split.'

interface Part {
  readonly path: string
  readonly header: GgufHeader
}

/**
 * The bytes of the merged file, in bounded memory. `paths` are all parts, in any order. Throws a GgufError when they are
 * not the parts of one model, or the error of the system when one cannot be read.
 */
export async function* mergeGguf(paths: readonly string[]): AsyncGenerator<Uint8Array, void, void> {
  const parts = await inOrder(paths)
  const first = parts[0] as Part
  const spans = first.header.spans.filter(({ key }) => !key.startsWith(splitPrefix))
  const tensorCount = parts.reduce((sum, { header }) => sum + header.tensors.length, 0)
  const head = Buffer.alloc(24)
  ggufMagic.copy(head)
  head.writeUInt32LE(first.header.version, 4)
  head.writeBigUInt64LE(BigInt(tensorCount), 8)
  head.writeBigUInt64LE(BigInt(spans.length), 16)
  let written = head.length
  const counted = (chunk: Uint8Array): Uint8Array => {
    written += chunk.length
    return chunk
  }
  yield head
  for (const { start, end } of spans) for await (const chunk of bytesOf(first.path, start, end)) yield counted(chunk)
  const { alignment } = first.header
  for (const chunk of descriptions(parts, alignment)) yield counted(chunk)
  for (const { path, header } of parts) {
    yield counted(Buffer.alloc(padding(written, alignment)))
    for await (const chunk of bytesOf(path, header.dataStart, header.fileBytes)) yield counted(chunk)
  }
}

/** Every part once, the first first. */
async function inOrder(paths: readonly string[]): Promise<Part[]> {
  const parts: Part[] = []
  for (const path of paths) {
    const header = await readGgufHeader(path, 'none')
    const { 'split.no': number, 'split.count': count } = header.values
    if (count !== paths.length) throw refused(`is one of ${count} parts, of which ${paths.length} were given`)
    if (typeof number !== 'number' || !(number in paths) || parts[number] !== undefined) {
      throw refused(`says that it is part ${number} of ${count}, which it cannot be`)
    }
    parts[number] = { path, header }
  }
  const [first] = parts
  for (const { header } of parts) {
    if (header.alignment !== first?.header.alignment || header.version !== first.header.version) {
      throw refused('is made of parts that differ in version or alignment')
    }
  }
  return parts
}

const refused = (what: string): GgufError => new GgufError('corrupt', what)

/** How the tensors are described: each part's data comes behind the data of those before it. */
function* descriptions(parts: readonly Part[], alignment: number): Generator<Uint8Array, void, void> {
  let pending: Buffer[] = []
  let pendingBytes = 0
  let base = 0
  for (const { header } of parts) {
    for (const tensor of header.tensors) {
      const bytes = description(tensor, base)
      pending.push(bytes)
      pendingBytes += bytes.length
      if (pendingBytes < descriptionChunkBytes) continue
      yield Buffer.concat(pending)
      pending = []
      pendingBytes = 0
    }
    const dataBytes = Math.max(0, header.fileBytes - header.dataStart)
    base += dataBytes + padding(dataBytes, alignment)
  }
  yield Buffer.concat(pending)
}

function description({ name, shape, type, offset }: Tensor, base: number): Buffer {
  const nameBytes = Buffer.from(name)
  const bytes = Buffer.alloc(8 + nameBytes.length + 4 + 8 * shape.length + 4 + 8)
  let at = bytes.writeBigUInt64LE(BigInt(nameBytes.length), 0)
  at += nameBytes.copy(bytes, at)
  at = bytes.writeUInt32LE(shape.length, at)
  for (const size of shape) at = bytes.writeBigUInt64LE(BigInt(size), at)
  at = bytes.writeUInt32LE(type, at)
  bytes.writeBigUInt64LE(BigInt(base + offset), at)
  return bytes
}

function padding(bytes: number, alignment: number): number {
  return (alignment - (bytes % alignment)) % alignment
}

/** From `start` to before `end`. */
async function* bytesOf(path: string, start: number, end: number): AsyncGenerator<Uint8Array, void, void> {
  if (start < end) yield* createReadStream(path, { start, end: end - 1 })
}
