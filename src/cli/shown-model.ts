/** What a node says about one model: asked for, and as sections of text. */
import { type Static, Type } from 'typebox'
import { type NodeAccess, postJson } from './client.ts'
import { cutTo } from './columns.ts'
import { aligned } from './table.ts'

const Text = Type.Optional(Type.String())
const Metadata = Type.Optional(Type.Record(Type.String(), Type.Unknown()))

const ShownModel = Type.Object({
  ...{ modelfile: Type.String(), license: Text, parameters: Text, system: Text, template: Text, requires: Text },
  details: Type.Object({ family: Type.String(), parameter_size: Type.String(), quantization_level: Type.String() }),
  ...{ model_info: Metadata, projector_info: Metadata },
  capabilities: Type.Optional(Type.Array(Type.String())),
  tensors: Type.Optional(
    Type.Array(Type.Object({ name: Type.String(), type: Type.String(), shape: Type.Array(Type.Number()) })),
  ),
})
export type ShownModel = Static<typeof ShownModel>

/** Lines of a system text or a licence that a person is shown; the whole is had by its flag. */
const maxTextLines = 2
/** Columns of a line of text or of a list of values. */
const maxTextColumns = 100
/** Values of a list that are looked at: a vocabulary has a hundred thousand. */
const maxListed = 8

/** Throws a CommandError; a Refusal where the cluster does not hold it. */
export function showModel(node: NodeAccess, model: string, verbose = false): Promise<ShownModel> {
  return postJson(node, '/api/show', { model, verbose }, ShownModel)
}

/** Sections as Ollama has them. Metadata and tensors are there where they were asked for. */
export function describeModel(shown: ShownModel, verbose: boolean): string {
  const { capabilities = [], projector_info: projector, tensors = [] } = shown
  return [
    section('Model', modelRows(shown)),
    section(
      'Capabilities',
      capabilities.map((capability) => [capability]),
    ),
    section('Projector', projector === undefined ? [] : projectorRows(projector)),
    section('Parameters', parameterRows(shown.parameters)),
    section('Metadata', verbose ? metadataRows(shown.model_info) : []),
    section(
      'Tensors',
      tensors.map(({ name, type, shape }) => [name, type, `[${shape.join(' ')}]`]),
    ),
    section('System', firstLines(shown.system)),
    section('License', firstLines(shown.license)),
  ].join('')
}

type Row = readonly string[]

/** Rows below a title, their cells aligned. '' where there are none. */
function section(title: string, rows: readonly Row[]): string {
  if (rows.length === 0) return ''
  return `  ${title}\n${aligned(rows, 4)
    .map((line) => `    ${line}`)
    .join('')}\n`
}

function modelRows({ details, model_info: info = {}, requires }: ShownModel): Row[] {
  const architecture = textAt(info, 'general.architecture') ?? details.family
  return known([
    ['architecture', architecture],
    ['parameters', details.parameter_size],
    ['context length', textAt(info, `${architecture}.context_length`)],
    ['embedding length', textAt(info, `${architecture}.embedding_length`)],
    ['quantization', details.quantization_level],
    ['requires', requires],
  ])
}

function projectorRows(info: Readonly<Record<string, unknown>>): Row[] {
  const architecture = textAt(info, 'general.architecture')
  return known([
    ['architecture', architecture],
    ['parameters', countText(info['general.parameter_count'])],
    ['embedding length', textAt(info, `${architecture}.vision.embedding_length`)],
    ['dimensions', textAt(info, `${architecture}.vision.projection_dim`)],
  ])
}

function known(rows: readonly (readonly [label: string, value: string | undefined])[]): Row[] {
  return rows.flatMap(([label, value]) => (value === undefined || value === '' ? [] : [[label, value]]))
}

function textAt(info: Readonly<Record<string, unknown>>, key: string): string | undefined {
  const value = info[key]
  return value === undefined || value === null ? undefined : String(value)
}

const countUnits = [
  ['B', 1e9],
  ['M', 1e6],
  ['K', 1e3],
] as const

/** As Ollama counts parameters: `623.4M`. */
function countText(count: unknown): string | undefined {
  if (typeof count !== 'number') return undefined
  const [unit, size] = countUnits.find(([, size]) => count >= size) ?? ['', 1]
  return `${Number((count / size).toFixed(2))}${unit}`
}

/** A name, and what it is set to. */
function parameterRows(parameters = ''): Row[] {
  return nonEmptyLines(parameters).map((line) => {
    const [name = '', ...words] = line.split(/\s+/)
    return [name, words.join(' ')]
  })
}

function metadataRows(info: ShownModel['model_info'] = {}): Row[] {
  return Object.keys(info)
    .sort()
    .map((key) => [key, cutTo(valueText(info[key]), maxTextColumns)])
}

function valueText(value: unknown): string {
  if (!Array.isArray(value)) return typeof value === 'string' ? value : JSON.stringify(value)
  const more = value.length > maxListed ? `, … ${value.length} in all` : ''
  return `[${value.slice(0, maxListed).map(valueText).join(', ')}${more}]`
}

function firstLines(text = ''): Row[] {
  const lines = nonEmptyLines(text)
  const shown = lines.slice(0, maxTextLines).map((line) => [cutTo(line, maxTextColumns)])
  return lines.length > maxTextLines ? [...shown, ['...']] : shown
}

function nonEmptyLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}
