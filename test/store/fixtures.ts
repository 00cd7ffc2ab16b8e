/** Folders and files that the store's tests share: real ones, in a temporary folder that goes with the test. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { type GGUFTypedMetadata, GGUFValueType, type MetadataValue, serializeGgufMetadata } from '@huggingface/gguf'
import { onTestFinished } from 'vitest'
import type { Tensor } from '../../src/gguf/header.ts'

export const tinyPath = fileURLToPath(new URL('../../models/omx-tiny.gguf', import.meta.url))
export const tinyHex = '0afb252d4c8e30e07952cd0476a54311d51318c73c5cfbc622d69c10d1ea300c'

export function tinySource(): AsyncIterable<Uint8Array> {
  return createReadStream(tinyPath)
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'omx-store-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Every file below a folder, as relative paths. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return files.map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1)).sort()
}

interface StockLayer {
  readonly kind: string
  readonly content: string | Buffer
}

/** Writes a model as a stock Ollama leaves it after a pull: fields that we do not know included. */
export async function writeStockModel(folder: string, name: string, layers: readonly StockLayer[]): Promise<string> {
  const config = {
    model_format: 'gguf',
    model_family: 'llama',
    model_families: ['llama'],
    model_type: '8.0B',
    file_type: 'Q4_K_M',
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [] },
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
    config: {
      mediaType: 'application/vnd.docker.container.image.v1+json',
      ...(await writeBlob(folder, JSON.stringify(config))),
    },
    layers: await Promise.all(
      layers.map(async ({ kind, content }) => ({
        mediaType: `application/vnd.ollama.image.${kind}`,
        ...(await writeBlob(folder, content)),
        from: '/somewhere/else',
      })),
    ),
    annotations: { unknown: true },
  }
  const path = join(folder, 'manifests', name)
  await mkdir(dirname(path), { recursive: true })
  const text = JSON.stringify(manifest)
  await writeFile(path, text)
  return createHash('sha256').update(text).digest('hex')
}

export async function stockTiny(): Promise<StockLayer> {
  return { kind: 'model', content: await readFile(tinyPath) }
}

async function writeBlob(folder: string, content: string | Buffer): Promise<{ digest: string; size: number }> {
  const hex = createHash('sha256').update(content).digest('hex')
  await mkdir(join(folder, 'blobs'), { recursive: true })
  await writeFile(join(folder, 'blobs', `sha256-${hex}`), content)
  return { digest: `sha256:${hex}`, size: Buffer.byteLength(content) }
}

/** A tensor of 32-bit floats. */
export interface FloatTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** A GGUF whose keys are written by a writer that is not ours. Arrays are of strings. */
export function ggufBytes(
  values: Readonly<Record<string, string | number | boolean | string[]>>,
  tensors: readonly FloatTensor[] = [],
): Buffer {
  const typed: Record<string, { value: MetadataValue; type: GGUFValueType; subType?: GGUFValueType }> = {
    version: { value: 3, type: GGUFValueType.UINT32 },
    tensor_count: { value: BigInt(tensors.length), type: GGUFValueType.UINT64 },
    kv_count: { value: 0n, type: GGUFValueType.UINT64 },
  }
  for (const [key, value] of Object.entries(values)) {
    if (Array.isArray(value)) typed[key] = { value, type: GGUFValueType.ARRAY, subType: GGUFValueType.STRING }
    else if (typeof value === 'string') typed[key] = { value, type: GGUFValueType.STRING }
    else if (typeof value === 'boolean') typed[key] = { value, type: GGUFValueType.BOOL }
    else typed[key] = { value, type: Number.isInteger(value) ? GGUFValueType.UINT32 : GGUFValueType.FLOAT32 }
  }
  // Unless there is data to align, nothing is.
  const keys = Buffer.from(serializeGgufMetadata(typed as unknown as GGUFTypedMetadata, { alignment: 1 }))
  return tensors.length === 0 ? keys : withTensors(keys, tensors)
}

const alignment = 32
const aligned = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, Buffer.alloc((alignment - (bytes.length % alignment)) % alignment)])

function withTensors(keys: Buffer, tensors: readonly FloatTensor[]): Buffer {
  let offset = 0
  const described: Buffer[] = []
  const data: Buffer[] = []
  for (const tensor of tensors) {
    const bytes = aligned(Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength))
    described.push(ggufTensorDescription({ ...tensor, type: 0, offset }))
    data.push(bytes)
    offset += bytes.length
  }
  return Buffer.concat([aligned(Buffer.concat([keys, ...described])), ...data])
}

export function ggufTensorDescription({ name, shape, type, offset }: Tensor): Buffer {
  const numbers = Buffer.alloc(4 + shape.length * 8 + 12)
  numbers.writeUInt32LE(shape.length, 0)
  for (const [at, size] of shape.entries()) numbers.writeBigUInt64LE(BigInt(size), 4 + at * 8)
  numbers.writeUInt32LE(type, 4 + shape.length * 8)
  numbers.writeBigUInt64LE(BigInt(offset), 8 + shape.length * 8)
  return Buffer.concat([ggufString(name), numbers])
}

export function ggufString(value: string): Buffer {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(value)))
  return Buffer.concat([length, Buffer.from(value)])
}

/** Locks a database as another process would, until the test ends or the lock's `ROLLBACK`. */
export function lockDatabase(path: string): DatabaseSync {
  const other = new DatabaseSync(path)
  onTestFinished(() => other.close())
  other.exec('BEGIN IMMEDIATE')
  return other
}
