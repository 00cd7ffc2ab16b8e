/** Makes a model of another one or of uploaded files: blobs first, the manifest last and in one step. */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { NewModel } from '../../actors/model-catalog.ts'
import { displayName } from '../../protocols/model-name.ts'
import { GoTemplate } from '../prompt/go-template/go-template.ts'
import { withGoEscapes } from '../prompt/go-template/json-text.ts'
import { blobSize, keep, stageBytes } from './blobs.ts'
import { adapterOf, partsOfFiles } from './create-files.ts'
import type { Creation, DraftLayer, Parts } from './creation.ts'
import { withKnownTemplate } from './known-template.ts'
import { blobPath, createFolders, type Layout, manifestPath } from './layout.ts'
import {
  type Config,
  configBytes,
  type Layer,
  type LayerKind,
  layersOf,
  manifestBytes,
  sha256Hex,
  textLayer,
} from './manifest.ts'
import { storedMessage } from './own-messages.ts'
import { quantized } from './quantized.ts'
import { readParameters } from './show.ts'
import { causeText, fileError, StoreError } from './store-error.ts'

/** Throws a StoreError and then leaves no manifest; files that were staged go with it. */
export async function createModel(creation: Creation): Promise<void> {
  const { layout, request } = creation
  checkTemplate(request.template)
  await createFolders(layout)
  // Whatever was staged and not moved goes, however this ends.
  await using stagedFiles = new AsyncDisposableStack()
  const base = request.from === undefined ? undefined : await creation.find(request.from)
  const start =
    base === undefined
      ? await withKnownTemplate(creation, await partsOfFiles(creation, stagedFiles))
      : {
          layers: base.manifest.layers,
          config: base.config,
          parameters: await readParameters(base.manifest, (digest) => blobPath(layout, digest)),
        }
  const { layers, config, parameters } = await withAdapter(creation, await quantized(creation, start, stagedFiles))
  const complete = withTexts(layers, request, { ...parameters, ...request.parameters })
  const { renderer = config.renderer, parser = config.parser, requires = config.requires } = request
  const own = { renderer, parser, requires }
  await commit(creation, complete, configBytes({ ...config, ...(definedOf(own) as Partial<Config>) }))
}

async function withAdapter(creation: Creation, parts: Parts): Promise<Parts> {
  const adapter = await adapterOf(creation)
  if (adapter === undefined) return parts
  // Beside those that the base has, as Ollama does it; the same one twice would count twice.
  const others = parts.layers.filter(({ digest }) => digest !== adapter.digest)
  return { ...parts, layers: [...others, adapter] }
}

/** The request's texts over those that the layers have; licences are added. */
function withTexts(
  layers: readonly DraftLayer[],
  { template, system, licenses, messages }: NewModel,
  parameters: Readonly<Record<string, unknown>>,
): readonly DraftLayer[] {
  let texts = layers
  if (template) texts = replaced(texts, 'template', template)
  if (system) texts = replaced(texts, 'system', system)
  texts = [...texts, ...licenses.filter((text) => text !== '').map((text) => textLayer('license', text))]
  if (Object.keys(parameters).length > 0) texts = replaced(texts, 'params', goJson(inOrder(parameters)))
  return messages.length > 0 ? replaced(texts, 'messages', goJson(messages.map(storedMessage))) : texts
}

function replaced(layers: readonly DraftLayer[], kind: LayerKind, text: string): readonly DraftLayer[] {
  return [...without(layers, kind), textLayer(kind, text)]
}

function without(layers: readonly DraftLayer[], kind: LayerKind): readonly DraftLayer[] {
  const gone = new Set<Layer>(layersOf({ layers }, kind))
  return layers.filter((layer) => !gone.has(layer))
}

/** As Go writes a map: by its keys, so that the same options have the same bytes. */
function inOrder(parameters: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const keys = Object.keys(parameters).sort()
  return Object.fromEntries(keys.map((key) => [key, parameters[key]]))
}

/** As Go's encoder writes it to a file. */
const goJson = (value: unknown): string => `${withGoEscapes(JSON.stringify(value))}\n`

/** Without what is undefined: a base's own is then kept. */
function definedOf(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== ''))
}

function checkTemplate(template: string | undefined): void {
  if (!template) return
  try {
    new GoTemplate(template)
  } catch (error) {
    throw new StoreError('unsupported', `template error: ${causeText(error)}`, { cause: error })
  }
}

async function commit(creation: Creation, layers: readonly DraftLayer[], config: Buffer): Promise<void> {
  const { layout, name, inTurn, onStatus } = creation
  const target = manifestPath(layout, name)
  try {
    await using stagedManifest = await stageBytes(layout, manifestBytes(config, layers))
    await inTurn(async () => {
      for (const layer of layers) {
        const isNew = await settle(layout, layer)
        onStatus(layer.status ?? `${isNew ? 'creating new' : 'using existing'} layer ${layer.digest}`)
      }
      await settle(layout, { digest: `sha256:${sha256Hex(config)}`, size: config.length, bytes: config })
      onStatus('writing manifest')
      await mkdir(dirname(target), { recursive: true })
      await stagedManifest.moveTo(target)
    })
  } catch (error) {
    throw fileError(`Creating ${displayName(name)} in`, layout.root, error)
  }
}

/** The layer's blob is on the disk. True: it was not there before. */
async function settle(layout: Layout, layer: Omit<DraftLayer, 'mediaType'>): Promise<boolean> {
  const { digest, size, bytes, staged } = layer
  const hex = digest.slice('sha256:'.length)
  if (staged !== undefined) return keep(layout, staged, hex)
  if ((await blobSize(layout, digest)) === size) return false
  if (bytes === undefined) {
    throw new StoreError('absent', `${blobPath(layout, digest)} is missing or damaged. Pull or create its model again.`)
  }
  await using file = await stageBytes(layout, bytes)
  return await keep(layout, file, hex)
}
