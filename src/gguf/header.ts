/**
 * The header of a GGUF file: keys, values and where the tensors lie. A vocabulary has some 400,000 strings that only a
 * verbose answer wants; unless asked for, long arrays are stepped over, so that a header takes milliseconds and no
 * memory. The store shows what it says, the engine estimates memory from it.
 */
import { open } from 'node:fs/promises'
import { EndOfFileError, FileCursor } from './file-cursor.ts'
import { tensorBytes } from './ggml-types.ts'

/** The first bytes of every GGUF file. */
export const ggufMagic = Buffer.from('GGUF')

/** Limits on what a header may claim, each well above any published model, so that a hostile file costs little. */
const maxKeys = 100_000
const maxTensors = 1_000_000
const maxArrayLength = 10_000_000
const maxKeyBytes = 65_535
const maxStringBytes = 16 * 1024 * 1024
const maxDimensions = 4

/** Versions with 64-bit counts; the first had 32 and nothing loads it any more. */
const versions = [2, 3]

/** One value per layer and the like; a vocabulary is longer. */
const maxShortArray = 4096

/** Which arrays are read; the others are null. */
export type Arrays = 'none' | 'short' | 'all'

export interface Tensor {
  readonly name: string
  readonly type: number
  readonly shape: readonly number[]
  /** Of its bytes, from where the data begins. */
  readonly offset: number
}

/** Where a key and its value stand in the file, in bytes. */
export interface Span {
  readonly key: string
  readonly start: number
  readonly end: number
}

export interface GgufHeader {
  readonly fileBytes: number
  /** Arrays are null unless they were asked for. */
  readonly values: Readonly<Record<string, unknown>>
  readonly tensors: readonly Tensor[]
  readonly version: number
  readonly spans: readonly Span[]
  /** What the data of every tensor begins at a multiple of, and where the data begins, in bytes. */
  readonly alignment: number
  readonly dataStart: number
}

/** Thrown for bytes that cannot be used: no GGUF, damaged or cut short, or of a version that nothing loads. */
export class GgufError extends Error {
  override readonly name = 'GgufError'
  readonly code: 'not-gguf' | 'corrupt' | 'unsupported'

  constructor(code: GgufError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * Reads a header and checks that the file has all the bytes that it speaks of. Throws a GgufError, whose message is a
 * sentence about "it", or the system's error when the file cannot be read.
 */
export async function readGgufHeader(path: string, arrays: Arrays): Promise<GgufHeader> {
  await using file = await open(path)
  const { size } = await file.stat()
  try {
    return await readHeader(new FileCursor(file, size), arrays)
  } catch (error) {
    if (error instanceof EndOfFileError)
      throw new GgufError('corrupt', `is damaged: ${error.message}`, { cause: error })
    throw error
  }
}

/** A header that contradicts itself or the limits. */
const damaged = (what: string): GgufError => new GgufError('corrupt', `is damaged: ${what}`)

async function readHeader(cursor: FileCursor, arrays: Arrays): Promise<GgufHeader> {
  if (cursor.sizeBytes < ggufMagic.length || !(await cursor.bytes(ggufMagic.length)).equals(ggufMagic)) {
    throw new GgufError('not-gguf', 'is not a GGUF file: it does not start with "GGUF"')
  }
  await cursor.fill(20)
  const version = cursor.uint32()
  if (!versions.includes(version)) {
    throw new GgufError('unsupported', `is GGUF version ${version}, where 2 or 3 (little-endian) can be used`)
  }
  const tensorCount = limited('tensors', cursor.uint64(), maxTensors)
  const keyCount = limited('keys', cursor.uint64(), maxKeys)
  // Without a prototype, a key such as __proto__ is one like any other.
  const values: Record<string, unknown> = Object.create(null)
  const spans: Span[] = []
  for (let read = 0; read < keyCount; read++) {
    const start = cursor.offset
    const key = await text(cursor, maxKeyBytes)
    await cursor.fill(4)
    values[key] = await value(cursor, cursor.uint32(), arrays)
    spans.push({ key, start, end: cursor.offset })
  }
  const alignment = alignmentOf(values['general.alignment'])
  const { tensors, dataStart } = await readTensors(cursor, tensorCount, alignment)
  return { fileBytes: cursor.sizeBytes, values, tensors, version, spans, alignment, dataStart }
}

/** Value types by their number; the sizes in bytes are those of one value, 0 where it depends. */
const typeBytes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]
const stringType = 8
const arrayType = 9

async function value(cursor: FileCursor, type: number, arrays: Arrays): Promise<unknown> {
  if (type === stringType) return text(cursor, maxStringBytes)
  if (type === arrayType) return array(cursor, arrays)
  const bytes = typeBytes[type]
  if (bytes === undefined) throw damaged(`a value has the unknown type ${type}`)
  await cursor.fill(bytes)
  return scalar(cursor.view(bytes), type)
}

async function array(cursor: FileCursor, arrays: Arrays): Promise<unknown> {
  await cursor.fill(12)
  const type = cursor.uint32()
  const length = limited('array elements', cursor.uint64(), maxArrayLength)
  const bytes = typeBytes[type]
  if (bytes === undefined || type === arrayType) throw damaged(`an array has elements of type ${type}`)
  const isWanted = arrays === 'all' || (arrays === 'short' && length <= maxShortArray)
  if (!isWanted) return skipArray(cursor, length, bytes)
  const elements: unknown[] = []
  for (let read = 0; read < length; read++) {
    if (type === stringType) elements.push(await text(cursor, maxStringBytes))
    else {
      if (cursor.ready < bytes) await cursor.fill(bytes)
      elements.push(scalar(cursor.view(bytes), type))
    }
  }
  return elements
}

/** Waits only when the window is used up: a promise per string would cost more than the reading. */
async function skipArray(cursor: FileCursor, length: number, bytes: number): Promise<null> {
  if (bytes > 0) {
    cursor.skip(length * bytes)
    return null
  }
  for (let read = 0; read < length; read++) {
    if (cursor.ready < 8) await cursor.fill(8)
    cursor.skip(limited('bytes in a string', cursor.uint64(), maxStringBytes))
  }
  return null
}

async function text(cursor: FileCursor, maxBytes: number): Promise<string> {
  if (cursor.ready < 8) await cursor.fill(8)
  const bytes = limited('bytes in a string', cursor.uint64(), maxBytes)
  return (bytes <= cursor.ready ? cursor.view(bytes) : await cursor.bytes(bytes)).toString('utf8')
}

function scalar(bytes: Buffer, type: number): unknown {
  switch (type) {
    case 0:
      return bytes.readUInt8()
    case 1:
      return bytes.readInt8()
    case 2:
      return bytes.readUInt16LE()
    case 3:
      return bytes.readInt16LE()
    case 4:
      return bytes.readUInt32LE()
    case 5:
      return bytes.readInt32LE()
    case 6:
      return shortest(bytes.readFloatLE())
    case 7:
      return bytes.readUInt8() !== 0
    case 10:
      return Number(bytes.readBigUInt64LE())
    case 11:
      return Number(bytes.readBigInt64LE())
    default:
      return bytes.readDoubleLE()
  }
}

/** Digits that always suffice to name a 32-bit float. */
const float32Digits = 9

/** The shortest decimal that is the same 32-bit float: 0.00001, not 0.000009999999747378752. */
function shortest(float: number): number {
  if (Number.isInteger(float)) return float
  for (let digits = 1; digits < float32Digits; digits++) {
    const candidate = Number(float.toPrecision(digits))
    if (Math.fround(candidate) === float) return candidate
  }
  return float
}

/** Where tensor data begins is rounded up to this many bytes unless the file says otherwise. */
const defaultAlignment = 32

/** Far above any file's; what merges parts fills up to it with zeros. */
const maxAlignment = 1024 * 1024

function alignmentOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) return defaultAlignment
  if (value > maxAlignment) throw damaged(`it aligns its data to ${value} bytes, more than the ${maxAlignment} allowed`)
  return value
}

async function readTensors(
  cursor: FileCursor,
  count: number,
  alignment: number,
): Promise<Pick<GgufHeader, 'tensors' | 'dataStart'>> {
  const tensors: Tensor[] = []
  let dataBytes = 0
  for (let read = 0; read < count; read++) {
    const name = await text(cursor, maxKeyBytes)
    await cursor.fill(4)
    const dimensions = limited('dimensions', BigInt(cursor.uint32()), maxDimensions)
    await cursor.fill(dimensions * 8 + 12)
    const shape = Array.from({ length: dimensions }, () => Number(cursor.uint64()))
    const type = cursor.uint32()
    const elements = shape.reduce((product, size) => product * size, 1)
    const offset = Number(cursor.uint64())
    dataBytes = Math.max(dataBytes, offset + tensorBytes(type, elements))
    tensors.push({ name, type, shape, offset })
  }
  const dataStart = Math.ceil(cursor.offset / alignment) * alignment
  const neededBytes = dataStart + dataBytes
  if (count > 0 && neededBytes > cursor.sizeBytes) {
    throw damaged(`it has ${cursor.sizeBytes} bytes where its header asks for ${neededBytes}: it was cut short`)
  }
  return { tensors, dataStart }
}

function limited(what: string, count: bigint, limit: number): number {
  if (count > BigInt(limit)) throw damaged(`it claims ${count} ${what}, more than the ${limit} allowed`)
  return Number(count)
}
