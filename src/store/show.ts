/** `/api/show`: everything about one model, in Ollama's fields and text forms. */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { ShownInstead } from '../../actors/model-catalog.ts'
import { displayName } from '../../protocols/model-name.ts'
import { quoted } from '../modelfile/quote.ts'
import { floatText } from '../prompt/go-template/print.ts'
import { shownTemplate } from './capabilities.ts'
import { readGgufDetails, readGgufInfo } from './gguf.ts'
import { type LayerKind, layersOf, type Manifest, readJson, readText } from './manifest.ts'
import { readMessages, type StoredMessage } from './own-messages.ts'
import { StoreError } from './store-error.ts'
import { detailsOf, type StoredModel } from './stored-model.ts'

/** Where the blob of a digest lies. */
export type BlobPath = (digest: string) => string

const parametersCheck = Compile(Type.Record(Type.String(), Type.Unknown()))

/** Throws a StoreError when a layer cannot be read. */
export async function showModel(
  model: StoredModel,
  blobPath: BlobPath,
  { verbose, system, options }: { readonly verbose: boolean } & ShownInstead,
): Promise<Record<string, unknown>> {
  const { manifest, config, facts } = model
  const [licenses, ownSystems, templates] = await Promise.all([
    readTexts(manifest, 'license', blobPath),
    readTexts(manifest, 'system', blobPath),
    readTexts(manifest, 'template', blobPath),
  ])
  const systems = system ? [system] : ownSystems
  const parameters = await readParameters(manifest, blobPath)
  const messages = await readMessages(manifest, blobPath)
  const modelfile = modelfileText({
    ...{ model, blobPath, templates, systems, licenses, messages },
    parameters: parameterLines({ ...parameters, ...options }, plainValue),
  })
  const lines = parameterLines(parameters, goValue)
  const [projector] = layersOf(manifest, 'projector')
  const { modelInfo, tensors } = await readGgufDetails(model.path, verbose)
  return {
    ...(licenses.length > 0 ? { license: licenses.join('\n') } : {}),
    modelfile,
    ...(lines.length > 0 ? { parameters: lines.map(([key, value]) => `${key.padEnd(30)} ${value}`).join('\n') } : {}),
    template: shownTemplate({ config, facts, goTemplate: templates[0] }),
    ...(systems[0] === undefined ? {} : { system: systems[0] }),
    details: detailsOf(model),
    ...(messages.length > 0 ? { messages: messages.map(({ role, content }) => ({ role, content })) } : {}),
    model_info: modelInfo,
    ...(projector === undefined ? {} : { projector_info: await readGgufInfo(blobPath(projector.digest), verbose) }),
    ...(tensors.length === 0 ? {} : { tensors }),
    capabilities: model.capabilities,
    modified_at: localTime(model.modifiedAtMs),
    ...(config.requires === undefined ? {} : { requires: config.requires }),
  }
}

/** The texts of all layers of a kind, in order. */
export function readTexts(manifest: Manifest, kind: LayerKind, blobPath: BlobPath): Promise<string[]> {
  return Promise.all(layersOf(manifest, kind).map((layer) => readText(blobPath(layer.digest))))
}

/** The params layer: options by Ollama's names. Throws a StoreError when it is no JSON object. */
export async function readParameters(manifest: Manifest, blobPath: BlobPath): Promise<Record<string, unknown>> {
  const [layer] = layersOf(manifest, 'params')
  if (layer === undefined) return {}
  const path = blobPath(layer.digest)
  const parameters = await readJson(path)
  if (parametersCheck.Check(parameters)) return parameters
  throw new StoreError('corrupt', `${path} is not a JSON object of parameters. Pull or import the model again.`)
}

/** Name and value per line; an array has a line for each element. */
function parameterLines(
  parameters: Readonly<Record<string, unknown>>,
  textOf: (value: unknown) => string,
): [name: string, value: string][] {
  return Object.entries(parameters).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((element): [string, string] => [name, textOf(element)]),
  )
}

function goValue(value: unknown): string {
  return typeof value === 'string' ? goQuoted(value) : plainValue(value)
}

/** A number is a float64 there, and written as such: a million has an exponent. */
function plainValue(value: unknown): string {
  return typeof value === 'number' ? floatText(value) : String(value)
}

interface ModelfileParts {
  readonly model: StoredModel
  readonly blobPath: BlobPath
  readonly templates: readonly string[]
  readonly systems: readonly string[]
  readonly licenses: readonly string[]
  readonly messages: readonly StoredMessage[]
  readonly parameters: readonly (readonly [name: string, value: string])[]
}

/** TEMPLATE only where a layer holds one: it is a Go template there, which the GGUF's Jinja is not. */
function modelfileText(parts: ModelfileParts): string {
  const { manifest } = parts.model
  const pathsOf = (kind: LayerKind) => layersOf(manifest, kind).map((layer) => parts.blobPath(layer.digest))
  return [
    '# Modelfile generated by "ollama show"',
    '# To build a new Modelfile based on this, replace FROM with:',
    `# FROM ${displayName(parts.model.name)}`,
    '',
    ...[...pathsOf('model'), ...pathsOf('projector')].map((path) => `FROM ${path}`),
    ...pathsOf('adapter').map((path) => `ADAPTER ${path}`),
    ...parts.templates.map((text) => `TEMPLATE ${quoted(text)}`),
    ...parts.systems.map((text) => `SYSTEM ${quoted(text)}`),
    ...parts.parameters.map(([name, value]) => `PARAMETER ${name} ${quoted(value)}`),
    ...parts.licenses.map((text) => `LICENSE ${quoted(text)}`),
    ...parts.messages.map((message) => `MESSAGE ${message.role} ${quoted(message.content)}`),
    '',
  ].join('\n')
}

const goEscapes: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '"': '\\"',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

/** A string literal as Go prints it with %q. */
function goQuoted(text: string): string {
  const escaped = text.replace(
    /[\\"\p{Cc}]/gu,
    (character) => goEscapes[character] ?? controlEscape(character.codePointAt(0) ?? 0),
  )
  return `"${escaped}"`
}

function controlEscape(code: number): string {
  return code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
}

/** RFC 3339 in the host's time zone, trailing zeros trimmed, as Go prints a local time. */
function localTime(timeMs: number): string {
  const time = new Date(timeMs)
  const offsetMinutes = -time.getTimezoneOffset()
  const local = new Date(timeMs + offsetMinutes * 60_000).toISOString().slice(0, -1)
  return local.replace(/\.?0+$/, '') + zone(offsetMinutes)
}

function zone(offsetMinutes: number): string {
  if (offsetMinutes === 0) return 'Z'
  const minutes = Math.abs(offsetMinutes)
  const pair = (value: number) => String(value).padStart(2, '0')
  return `${offsetMinutes < 0 ? '-' : '+'}${pair(Math.floor(minutes / 60))}:${pair(minutes % 60)}`
}
