/** Arguments that a model wrote as plain text, turned into what the tool's schema asks for. */
import { isObject, parseJson } from './json.ts'

/**
 * The value that `text` means under `schema`. `null` is always null; otherwise the most special of the schema's types
 * that fits: boolean, integer, number, array, object; text where none does. A lone boolean that is neither is false.
 */
export function coerce(text: string, schema: unknown): unknown {
  if (text.toLowerCase() === 'null') return null
  const types = typesOf(schema)
  for (const [type, read] of readers) {
    if (!types.includes(type)) continue
    const value = read(text)
    if (value !== undefined) return value
  }
  return types.length === 1 && types[0] === 'boolean' ? false : text
}

const readers: readonly (readonly [type: string, read: (text: string) => unknown])[] = [
  ['boolean', (text) => ({ true: true, false: false })[text.toLowerCase()]],
  ['integer', (text) => (/^[+-]?\d+$/.test(text) ? Number(text) : undefined)],
  ['number', (text) => (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined)],
  ['array', (text) => ofKind(parseJson(text), Array.isArray)],
  ['object', (text) => ofKind(parseJson(text), isObject)],
]

function ofKind(value: unknown, is: (value: unknown) => boolean): unknown {
  return is(value) ? value : undefined
}

/** The types that a schema names itself, or its alternatives do. */
function typesOf(schema: unknown): readonly unknown[] {
  if (!isObject(schema)) return []
  const alternatives = Array.isArray(schema.anyOf) ? schema.anyOf : []
  return [schema, ...alternatives.filter(isObject)].flatMap(({ type }) => type ?? [])
}
