/** The tiny model as llama-gguf-split leaves it: the keys in the first part, some tensors and their data in each. */
import { readFile } from 'node:fs/promises'
import { readGgufHeader } from '../../src/gguf/header.ts'
import { ggufString, ggufTensorDescription, tinyPath } from './fixtures.ts'

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
    const described = Buffer.concat([
      head,
      ...pairs,
      ...own.map((tensor) => ggufTensorDescription({ ...tensor, offset: tensor.offset - first })),
    ])
    const padding = Buffer.alloc((32 - (described.length % 32)) % 32)
    return Buffer.concat([described, padding, bytes.subarray(dataStart + first, dataStart + end)])
  })
}

function key(name: string, value: number): Buffer {
  const bytes = Buffer.alloc(6)
  bytes.writeUInt32LE(2, 0)
  bytes.writeUInt16LE(value, 4)
  return Buffer.concat([ggufString(name), bytes])
}

function text(name: string, value: string): Buffer {
  const type = Buffer.alloc(4)
  type.writeUInt32LE(8)
  return Buffer.concat([ggufString(name), type, ggufString(value)])
}
