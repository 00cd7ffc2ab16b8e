/** The tiny model as llama-gguf-split leaves it: the keys in the first part, some tensors and their data in each. */
import { readFile } from 'node:fs/promises'
import { readGgufHeader, type Tensor } from '../../src/gguf/header.ts'
import { tinyPath } from './fixtures.ts'

export async function splitTiny(count: number): Promise<Buffer[]> {
  const bytes = await readFile(tinyPath)
  const { tensors, spans, dataStart, version } = await readGgufHeader(tinyPath, 'none')
  const keys = spans.map(({ start, end }) => bytes.subarray(start, end))
  const perPart = Math.ceil(tensors.length / count)
  return Array.from({ length: count }, (_, part) => {
    const own = tensors.slice(part * perPart, (part + 1) * perPart)
    const first = own[0]?.offset ?? 0
    const end = tensors[(part + 1) * perPart]?.offset ?? bytes.length - dataStart
    const split = [key('split.no', part), key('split.count', count), key('split.tensors.count', tensors.length)]
    const head = Buffer.alloc(24)
    head.write('GGUF')
    head.writeUInt32LE(version, 4)
    head.writeBigUInt64LE(BigInt(own.length), 8)
    const pairs = part === 0 ? [...keys, ...split] : [text('general.architecture', 'llama'), ...split]
    head.writeBigUInt64LE(BigInt(pairs.length), 16)
    const described = Buffer.concat([head, ...pairs, ...own.map((tensor) => description(tensor, first))])
    const padding = Buffer.alloc((32 - (described.length % 32)) % 32)
    return Buffer.concat([described, padding, bytes.subarray(dataStart + first, dataStart + end)])
  })
}

function key(name: string, value: number): Buffer {
  const bytes = Buffer.alloc(6)
  bytes.writeUInt32LE(2, 0)
  bytes.writeUInt16LE(value, 4)
  return Buffer.concat([string(name), bytes])
}

function text(name: string, value: string): Buffer {
  const type = Buffer.alloc(4)
  type.writeUInt32LE(8)
  return Buffer.concat([string(name), type, string(value)])
}

function string(value: string): Buffer {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(value)))
  return Buffer.concat([length, Buffer.from(value)])
}

function description({ name, shape, type, offset }: Tensor, first: number): Buffer {
  const numbers = Buffer.alloc(4 + shape.length * 8 + 12)
  numbers.writeUInt32LE(shape.length, 0)
  for (const [at, size] of shape.entries()) numbers.writeBigUInt64LE(BigInt(size), 4 + at * 8)
  numbers.writeUInt32LE(type, 4 + shape.length * 8)
  numbers.writeBigUInt64LE(BigInt(offset - first), 8 + shape.length * 8)
  return Buffer.concat([string(name), numbers])
}
