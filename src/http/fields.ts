/**
 * Reads an object of a request as Go reads a struct: keys match in any case at the levels that the schema names,
 * `null` is absent, the last duplicate wins, what the schema does not name is ignored. User data keeps its own keys.
 */
import type { Static, TObject, TProperties, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { maxNesting } from '../../protocols/infer-request.ts'
import { ApiError } from './errors.ts'

/**
 * How deep a field that is read may nest. The frame that carries a request puts up to four containers around what a client
 * sent; and no recursion over a value, such as that of `JSON.stringify`, comes near the end of the stack.
 */
const maxFieldNesting = maxNesting - 4
/** Characters of a wrong value that an error repeats: enough to recognise it. */
const maxShownLength = 100

/** The parts of a schema that say where the known keys are. */
interface Level {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Level>>
  readonly items?: Level
}

type Shaper = (value: unknown) => unknown

/** Reads a body; `schema` says what it reads. */
interface FieldReader<Properties extends TProperties> {
  (body: unknown): Static<TObject<Properties>>
  readonly schema: TObject<Properties>
}

/**
 * A reader for bodies of one schema, all of whose fields should be optional. It throws ApiError `missing-body` for
 * undefined and `bad-field`, with the field's name and what was expected, for a value that does not fit.
 */
export function fieldReader<Properties extends TProperties>(schema: TObject<Properties>): FieldReader<Properties> {
  const shape = shaperOf(schema as Level)
  const validator = Compile(schema as TSchema)
  const read = (body: unknown): Static<TObject<Properties>> => {
    if (body === undefined) throw new ApiError('missing-body')
    if (body === null) return {} as Static<TObject<Properties>>
    const value = shape(body)
    refuseDeep(value)
    if (!validator.Check(value)) throw new ApiError('bad-field', mismatch(validator.Errors(value), value))
    return value as Static<TObject<Properties>>
  }
  return Object.assign(read, { schema })
}

/** A wrong value for whoever sent it. */
export function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, maxShownLength)
}

/** Whether a value nests deeper than `levels`. Recursion ends there, whatever the value is. */
export function deeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => deeperThan(inner, levels - 1))
}

function refuseDeep(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  for (const [name, field] of Object.entries(value)) {
    if (!deeperThan(field, maxFieldNesting)) continue
    throw new ApiError('bad-field', `field ${name} must not nest deeper than ${maxFieldNesting} levels`)
  }
}

function shaperOf(level: Level): Shaper {
  if (level.type === 'array' && level.items !== undefined) {
    const item = shaperOf(level.items)
    if (item === asItIs) return asItIs
    // In a list `null` is what has no fields.
    return (value) => (Array.isArray(value) ? value.map((each) => item(each ?? {})) : value)
  }
  return level.properties === undefined ? asItIs : objectShaper(level.properties)
}

function asItIs(value: unknown): unknown {
  return value
}

function objectShaper(properties: Readonly<Record<string, Level>>): Shaper {
  const fields = new Map<string, { readonly name: string; readonly shape: Shaper }>()
  let longestName = 0
  for (const [name, level] of Object.entries(properties)) {
    fields.set(name.toLowerCase(), { name, shape: shaperOf(level) })
    longestName = Math.max(longestName, name.length)
  }
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    const shaped: Record<string, unknown> = {}
    for (const key of Object.keys(value)) {
      // No lower-casing of keys of any length: they are a stranger's.
      if (key.length > longestName) continue
      const field = fields.get(key) ?? fields.get(key.toLowerCase())
      const content = (value as Record<string, unknown>)[key]
      if (field !== undefined && content !== null) shaped[field.name] = field.shape(content)
    }
    return shaped
  }
}

interface Mismatch {
  readonly instancePath: string
  readonly message: string
}

function mismatch(errors: readonly Mismatch[], value: unknown): string {
  const [first] = errors
  if (first === undefined) return 'json: cannot read the request'
  const steps = first.instancePath.split('/').slice(1)
  const found = steps.reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], value)
  const where = steps.length === 0 ? 'the request' : `field ${steps.join('.')}`
  return `json: cannot read ${kindOf(found)} as ${where}: it ${first.message}`
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  // As Go's decoder does: which of many is told by itself.
  if (typeof value === 'number') return `number ${value}`
  return Array.isArray(value) ? 'array' : typeof value
}
