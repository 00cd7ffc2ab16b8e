/** JSON as Go's encoding/json writes it: no spaces, keys of maps sorted but where a type keeps their order, `<`, `>` and `&` escaped. */
import { type GoField, type GoValue, isComposite, sortedEntries } from './values.ts'

/** Values come from JSON, so that all of them can be written. */
export function jsonText(value: GoValue): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return quoted(value)
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString('base64')}"`
  if (!isComposite(value)) return Object.is(value, -0) ? '-0' : String(value)
  if (value.kind === 'struct') {
    const fields = value.fields.filter((field) => !(field.omitEmpty === true && isEmpty(field.value)))
    return `{${fields.map(fieldText).join(',')}}`
  }
  if (value.isNil === true) return 'null'
  if (value.kind === 'slice' && value.json !== undefined) return jsonText(value.json())
  if (value.kind === 'slice') return `[${value.items.map(jsonText).join(',')}]`
  const entries = value.isOrdered === true ? [...value.entries] : sortedEntries(value)
  return `{${entries.map(([key, inner]) => `${quoted(key)}:${jsonText(inner)}`).join(',')}}`
}

function fieldText(field: GoField): string {
  return `${quoted(field.json ?? field.name)}:${jsonText(field.value)}`
}

/** What `omitempty` leaves out. */
function isEmpty(value: GoValue): boolean {
  if (value === null) return true
  if (value instanceof Uint8Array) return value.length === 0
  if (!isComposite(value)) return typeof value === 'number' ? value === 0 : !value
  if (value.kind === 'struct') return false
  return value.kind === 'slice' ? value.items.length === 0 : value.entries.size === 0
}

const escaped: Readonly<Record<string, string>> = { '<': '\\u003c', '>': '\\u003e', '&': '\\u0026' }

/** JSON of JavaScript, which escapes quotes, backslashes and control characters as Go does, with Go's own caution. */
export function withGoEscapes(json: string): string {
  return json
    .replace(/[<>&]/g, (character) => escaped[character] as string)
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029')
}

const quoted = (text: string): string => withGoEscapes(JSON.stringify(text.toWellFormed()))
