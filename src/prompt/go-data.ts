/** Messages and tools as Ollama shows them to Go templates: the same fields, of types that print as Ollama's do. */
import type { ChatMessage, Tool, ToolCall } from '../../protocols/chat.ts'
import { jsonText } from './go-template/json-text.ts'
import { defaultText } from './go-template/print.ts'
import {
  entriesOf,
  fromJson,
  type GoField,
  type GoMap,
  type GoSlice,
  type GoStruct,
  type GoValue,
} from './go-template/values.ts'

export function record(entries: Readonly<Record<string, GoValue>>): GoMap {
  return { kind: 'map', type: 'map[string]interface {}', entries: new Map(Object.entries(entries)) }
}

export function messageValues(messages: readonly ChatMessage[]): GoSlice {
  return list('[]*template.templateMessage', messages.map(messageValue))
}

/** Prints as JSON; without tools it is nil, which is false. */
export function toolValues(tools: readonly Tool[]): GoSlice {
  return withJson(list('template.templateTools', tools.map(toolValue)))
}

function messageValue(message: ChatMessage): GoStruct {
  return struct('*template.templateMessage', [
    field('Role', message.role),
    field('Content', message.content),
    field('Thinking', message.thinking ?? ''),
    field('Images', list('[]api.ImageData', message.images ?? [])),
    field('ToolCalls', list('[]template.templateToolCall', (message.toolCalls ?? []).map(callValue))),
    field('ToolName', message.toolName ?? ''),
    field('ToolCallID', message.toolCallId ?? ''),
  ])
}

function callValue(call: ToolCall): GoStruct {
  const called = struct('template.templateToolCallFunction', [
    field('Index', BigInt(Math.trunc(call.index))),
    field('Name', call.name),
    field('Arguments', withJson({ kind: 'map', type: 'template.templateArgs', entries: entriesOf(call.arguments) })),
  ])
  return struct('template.templateToolCall', [field('ID', call.id), field('Function', called)])
}

function toolValue(tool: Tool): GoStruct {
  const { name, description, parameters = {} } = tool.function
  const described = struct('template.templateToolFunction', [
    field('Name', name, 'name'),
    field('Description', description ?? '', 'description'),
    field('Parameters', parametersValue(parameters), 'parameters'),
  ])
  return struct('template.templateTool', [
    field('Type', tool.type, 'type'),
    optional('Items', null, 'items'),
    field('Function', described, 'function'),
  ])
}

type Schema = Readonly<Record<string, unknown>>

/** Ollama knows these words of JSON Schema and drops the others. */
function parametersValue(schema: Schema): GoStruct {
  return struct('template.templateToolFunctionParameters', [
    field('Type', typeof schema.type === 'string' ? schema.type : '', 'type'),
    optional('Defs', fromJson(schema.$defs), '$defs'),
    optional('Items', fromJson(schema.items), 'items'),
    optional('Required', strings(schema.required), 'required'),
    field('Properties', propertiesValue(schema.properties, { type: 'template.templateProperties' }), 'properties'),
  ])
}

/** Those of a tool are a map of the template's own, sorted; those inside of one are as they came. */
function propertiesValue(value: unknown, kind: Pick<GoMap, 'type' | 'isOrdered'>): GoMap {
  const schemas = isSchema(value) ? Object.entries(value) : []
  const entries = new Map(schemas.map(([name, schema]) => [name, propertyValue(isSchema(schema) ? schema : {})]))
  const properties: GoMap = { kind: 'map', ...kind, entries, isNil: !isSchema(value) }
  return { ...properties, text: () => (properties.isNil === true ? '{}' : jsonText(properties)) }
}

function propertyValue(schema: Schema): GoStruct {
  const anyOf = Array.isArray(schema.anyOf) ? schema.anyOf.filter(isSchema) : []
  const types = typesOf(schema)
  const nested = isSchema(schema.properties)
    ? propertiesValue(schema.properties, { type: '*api.ToolPropertiesMap', isOrdered: true })
    : null
  return {
    ...struct('api.ToolProperty', [
      optional('AnyOf', list('[]api.ToolProperty', anyOf.map(propertyValue)), 'anyOf'),
      { name: 'Type', json: 'type', omitEmpty: true, value: typeValue(types) },
      optional('Items', fromJson(schema.items), 'items'),
      optional('Description', typeof schema.description === 'string' ? schema.description : '', 'description'),
      optional('Enum', fromJson(Array.isArray(schema.enum) ? schema.enum : []), 'enum'),
      optional('Properties', nested, 'properties'),
      optional('Required', strings(schema.required), 'required'),
    ]),
    methods: { ToTypeScriptType: () => typeScriptType(schema) },
  }
}

/** One type prints, and is written in JSON, as itself; several as a list. */
function typeValue(types: readonly string[]): GoValue {
  const value = list('api.PropertyType', types)
  const [only] = types
  if (types.length !== 1 || only === undefined)
    return { ...value, text: () => (types.length === 0 ? '' : defaultText(value)) }
  return { ...value, text: () => only, json: () => only }
}

function typesOf(schema: Schema): string[] {
  const written = Array.isArray(schema.type) ? schema.type : [schema.type]
  return written.filter((type) => typeof type === 'string')
}

const typeScriptTypes: Readonly<Record<string, string>> = {
  string: 'string',
  number: 'number',
  integer: 'number',
  boolean: 'boolean',
  array: 'any[]',
  object: 'Record<string, any>',
  null: 'null',
}

function typeScriptType(schema: Schema): string {
  const anyOf = Array.isArray(schema.anyOf) ? schema.anyOf.filter(isSchema) : []
  if (anyOf.length > 0) return anyOf.map(typeScriptType).join(' | ')
  const types = typesOf(schema).map((type) => (Object.hasOwn(typeScriptTypes, type) ? typeScriptTypes[type] : 'any'))
  return types.length === 0 ? 'any' : types.join(' | ')
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function strings(value: unknown): GoSlice {
  return list('[]string', Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [])
}

function list(type: string, items: readonly GoValue[]): GoSlice {
  return { kind: 'slice', type, items, isNil: items.length === 0 }
}

function struct(type: string, fields: readonly GoField[]): GoStruct {
  return { kind: 'struct', type, fields }
}

function field(name: string, value: GoValue, json = name): GoField {
  return { name, value, json }
}

function optional(name: string, value: GoValue, json: string): GoField {
  return { name, value, json, omitEmpty: true }
}

function withJson<Value extends GoMap | GoSlice>(value: Value): Value {
  return { ...value, text: () => jsonText(value) }
}
