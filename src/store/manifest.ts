/**
 * Manifests and configs as Ollama writes them. A manifest's digest is the SHA-256 of the file's bytes,
 * so what is written here never holds a time, a host or anything else that differs between nodes.
 */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { manifestType, maxManifestBytes } from '../../protocols/manifest.ts'
import type { GgufFacts } from './gguf.ts'
import { causeText, fileError, StoreError } from './store-error.ts'

/** Largest text or JSON layer that is read, in bytes: a model's messages may have images. */
const maxTextBytes = 64 * 1024 * 1024

const configType = 'application/vnd.docker.container.image.v1+json'
const layerTypePrefix = 'application/vnd.ollama.image.'

const Layer = Type.Object({
  mediaType: Type.String(),
  digest: Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }),
  size: Type.Integer({ minimum: 0 }),
})
export type Layer = Static<typeof Layer>

const Manifest = Type.Object({
  schemaVersion: Type.Literal(2),
  config: Layer,
  layers: Type.Array(Layer),
})
export type Manifest = Static<typeof Manifest>

const Config = Type.Object({
  model_format: Type.Optional(Type.String()),
  model_family: Type.Optional(Type.String()),
  model_families: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
  model_type: Type.Optional(Type.String()),
  file_type: Type.Optional(Type.String()),
  renderer: Type.Optional(Type.String()),
  parser: Type.Optional(Type.String()),
  requires: Type.Optional(Type.String()),
  context_length: Type.Optional(Type.Integer({ minimum: 0 })),
  embedding_length: Type.Optional(Type.Integer({ minimum: 0 })),
})
export type Config = Static<typeof Config>

const manifestCheck = Compile(Manifest)
const configCheck = Compile(Config)

/** What an Ollama layer holds, by the last word of its media type. */
export type LayerKind = 'model' | 'projector' | 'adapter' | 'template' | 'system' | 'params' | 'messages' | 'license'

export function layersOf(manifest: { readonly layers: readonly Layer[] }, kind: LayerKind): readonly Layer[] {
  return manifest.layers.filter((layer) => layer.mediaType === layerTypePrefix + kind)
}

/** A manifest, its bytes and their digest in hex. Throws a StoreError when it cannot be read or is not a manifest. */
export async function readManifest(path: string): Promise<{ manifest: Manifest; bytes: Uint8Array; digest: string }> {
  const bytes = await readBounded(path, maxManifestBytes)
  return { manifest: parseManifest(path, bytes), bytes, digest: sha256Hex(bytes) }
}

/** The same of bytes that come from elsewhere. `origin`: for messages. */
function parseManifest(origin: string, bytes: Uint8Array): Manifest {
  const manifest = parseJson(origin, Buffer.from(bytes))
  if (!manifestCheck.Check(manifest)) throw mismatch(origin, 'a manifest', manifestCheck, manifest)
  return manifest
}

/** The same of a model that this release can use. Throws a StoreError `unsupported` otherwise. */
export function usableManifest(origin: string, bytes: Uint8Array): Manifest {
  const manifest = parseManifest(origin, bytes)
  if (layersOf(manifest, 'model').length > 0) return manifest
  throw new StoreError('unsupported', `${origin} has no GGUF layer. Use a GGUF version of it.`)
}

/** A config blob. Throws a StoreError when it cannot be read or is not a config. */
export async function readConfig(path: string): Promise<Config> {
  const config = parseJson(path, await readBounded(path, maxManifestBytes))
  if (!configCheck.Check(config)) throw mismatch(path, 'a model config', configCheck, config)
  return config
}

/** A JSON layer (`params`, `messages`), not yet validated. */
export async function readJson(path: string): Promise<unknown> {
  return parseJson(path, await readBounded(path, maxTextBytes))
}

/** A text layer (`system`, `template`, `license`). */
export async function readText(path: string): Promise<string> {
  return (await readBounded(path, maxTextBytes)).toString('utf8')
}

/** The config of a model that is one GGUF: what Ollama keeps of it, and nothing that depends on the host. */
export function ggufConfig(facts: GgufFacts): Config {
  return {
    model_format: 'gguf',
    model_family: facts.architecture,
    model_families: [facts.architecture],
    model_type: facts.parameterSize,
    file_type: facts.quantization,
    ...(facts.contextLength > 0 ? { context_length: facts.contextLength } : {}),
    ...(facts.embeddingLength > 0 ? { embedding_length: facts.embeddingLength } : {}),
  }
}

/** A config in the order of Ollama's encoder, so that the same one has the same bytes everywhere. */
export function configBytes(config: Config): Buffer {
  const { model_format, model_family, model_families, model_type, file_type, renderer, parser, requires } = config
  const { context_length, embedding_length } = config
  const head = { model_format, model_family, model_families, model_type, file_type, renderer, parser, requires }
  return Buffer.from(JSON.stringify({ ...head, context_length, embedding_length, architecture: 'amd64', os: 'linux' }))
}

export function layerOf(kind: LayerKind, digest: string, size: number): Layer {
  return { mediaType: layerTypePrefix + kind, digest, size }
}

/** A layer with its bytes. */
export function textLayer(kind: LayerKind, text: string): Layer & { readonly bytes: Buffer } {
  const bytes = Buffer.from(text)
  return { ...layerOf(kind, `sha256:${sha256Hex(bytes)}`, bytes.length), bytes }
}

/** A manifest, byte by byte as Ollama's encoder would write it. */
export function manifestBytes(config: Buffer, layers: readonly Layer[]): Buffer {
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: configType, digest: `sha256:${sha256Hex(config)}`, size: config.length },
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  }
  return Buffer.from(`${JSON.stringify(manifest)}\n`)
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Reads a whole small file; the limit holds even when the file grows meanwhile. */
async function readBounded(path: string, maxBytes: number): Promise<Buffer> {
  try {
    await using file = await open(path)
    const { size } = await file.stat()
    if (size > maxBytes) {
      throw new StoreError('corrupt', `${path} has ${size} bytes, more than the ${maxBytes} allowed. Remove it.`)
    }
    const buffer = Buffer.alloc(size)
    let filled = 0
    while (filled < size) {
      const { bytesRead } = await file.read(buffer, filled, size - filled, filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return buffer.subarray(0, filled)
  } catch (error) {
    throw fileError('Reading', path, error)
  }
}

function parseJson(path: string, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw new StoreError('corrupt', `${path} is not JSON: ${causeText(error)}. Pull or import the model again.`, {
      cause: error,
    })
  }
}

interface Explainer {
  Errors(value: unknown): readonly { readonly instancePath: string; readonly message: string }[]
}

function mismatch(path: string, what: string, check: Explainer, value: unknown): StoreError {
  const [first] = check.Errors(value)
  const where = first === undefined ? '' : `: ${first.instancePath || '/'} ${first.message}`
  return new StoreError('corrupt', `${path} is not ${what}${where}. Pull or import the model again.`)
}
