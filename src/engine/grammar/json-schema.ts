/**
 * A JSON Schema as a grammar in llama.cpp's notation. What a grammar can say is said (types, properties in their order,
 * required ones, items, lengths, patterns, bounds of integers, constants, alternatives, references); other words are
 * ignored, as llama.cpp's own converter does.
 */
import { integersBetween } from './integers.ts'
import { jsonRules, literal } from './json.ts'
import { patternExpression } from './pattern.ts'

/** Thrown when a format cannot be turned into a grammar; the message says where and why. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError'

  constructor(what: string) {
    super(`invalid format: ${what}`)
  }
}

type Schema = Readonly<Record<string, unknown>>

/** Rules of one grammar: thousands of properties, and a bound for what llama.cpp must parse. */
const maxRules = 10_000
/** Schemas inside schemas; references do not count, they are rules of their own. */
const maxDepth = 64
/** Longest text or list that a length limit writes out. */
const maxRepetition = 2000

/** The grammar of any JSON object: what `format: "json"` means. */
export const jsonObjectGrammar = grammarText({ root: 'object' })

/** A schema that says nothing is any object, as for llama.cpp. @throws SchemaError */
export function schemaGrammar(schema: Schema): string {
  if (Object.keys(schema).length === 0) return jsonObjectGrammar
  return new Builder(schema).build()
}

function grammarText(rules: Readonly<Record<string, string>>): string {
  return Object.entries({ ...jsonRules, ...rules })
    .map(([name, rule]) => `${name} ::= ${rule}\n`)
    .join('')
}

class Builder {
  readonly #root: Schema
  readonly #rules: Record<string, string> = {}
  /** Names of the rules that references stand for; set before the rule exists, so that a schema may contain itself. */
  readonly #references = new Map<string, string>()
  #count = 0

  constructor(root: Schema) {
    this.#root = root
  }

  build(): string {
    const root = this.#expression(this.#root, 0)
    return grammarText({ ...this.#rules, root })
  }

  /** A rule of its own for an expression. */
  #rule(expression: string): string {
    const name = `r${this.#count++}`
    if (this.#count > maxRules) throw new SchemaError(`a schema of more than ${maxRules} rules`)
    this.#rules[name] = expression
    return name
  }

  #ruleOf(schema: unknown, depth: number): string {
    const expression = this.#expression(schema, depth + 1)
    return /^[a-z][a-z0-9-]*$/.test(expression) ? expression : this.#rule(expression)
  }

  #expression(schema: unknown, depth: number): string {
    if (depth > maxDepth) throw new SchemaError(`schemas inside each other, more than ${maxDepth} deep`)
    if (schema === true) return 'value'
    if (schema === false) throw new SchemaError('a schema that allows nothing (false)')
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
      throw new SchemaError(`a schema that is no object: ${JSON.stringify(schema)}`)
    }
    const known = schema as Schema
    if (typeof known.$ref === 'string') return this.#reference(known.$ref)
    if (known.const !== undefined) return constant(known.const)
    if (Array.isArray(known.enum)) return alternatives(known.enum.map(constant))
    if (Array.isArray(known.allOf)) return this.#expression(this.#merged(known, depth), depth + 1)
    const choices = known.anyOf ?? known.oneOf
    if (Array.isArray(choices)) return alternatives(choices.map((each) => this.#ruleOf(each, depth)))
    if (Array.isArray(known.type)) {
      return alternatives(known.type.map((type) => this.#ruleOf({ ...known, type }, depth)))
    }
    return this.#typed(known, depth)
  }

  #typed(schema: Schema, depth: number): string {
    const type = schema.type ?? impliedType(schema)
    switch (type) {
      case 'object':
        return this.#object(schema, depth)
      case 'array':
        return this.#array(schema, depth)
      case 'string':
        return string(schema)
      case 'integer':
        return integer(schema)
      case 'number':
      case 'boolean':
      case 'null':
        return String(type)
      case undefined:
        return 'value'
      default:
        throw new SchemaError(`the type ${JSON.stringify(type)}, which JSON Schema does not know`)
    }
  }

  #reference(reference: string): string {
    const known = this.#references.get(reference)
    if (known !== undefined) return known
    const name = this.#rule('')
    this.#references.set(reference, name)
    this.#rules[name] = this.#expression(this.#resolve(reference), 0)
    return name
  }

  #resolve(reference: string): unknown {
    if (!reference.startsWith('#')) {
      throw new SchemaError(`the reference ${reference}: only references within the schema (#/…) are followed`)
    }
    let target: unknown = this.#root
    for (const part of reference.split('/').slice(1)) {
      const name = decoded(part).replaceAll('~1', '/').replaceAll('~0', '~')
      target = isObject(target) && Object.hasOwn(target as Schema, name) ? (target as Schema)[name] : undefined
    }
    if (target === undefined) throw new SchemaError(`the reference ${reference} leads nowhere`)
    return target
  }

  /** Schemas that must all hold: their properties together, of other words the last. */
  #merged({ allOf, ...rest }: Schema, depth: number): Schema {
    const parts = [...(allOf as unknown[]), rest].map((part) => this.#dereferenced(part, depth + 1))
    return {
      ...Object.assign({}, ...parts),
      ...(parts.some(({ properties }) => properties !== undefined)
        ? { properties: Object.assign({}, ...parts.map(({ properties }) => properties ?? {})) }
        : {}),
      required: parts.flatMap(({ required }) => (Array.isArray(required) ? required : [])),
    }
  }

  #dereferenced(schema: unknown, depth: number): Schema {
    if (depth > maxDepth) throw new SchemaError(`schemas inside each other, more than ${maxDepth} deep`)
    const known = (isObject(schema) ? schema : {}) as Schema
    if (typeof known.$ref === 'string') return this.#dereferenced(this.#resolve(known.$ref), depth + 1)
    return Array.isArray(known.allOf) ? this.#merged(known, depth) : known
  }

  #object(schema: Schema, depth: number): string {
    const { additionalProperties } = schema
    const properties = Object.entries((schema.properties ?? {}) as Schema)
    const hasOthers = additionalProperties === true || isObject(additionalProperties)
    if (properties.length === 0 && !isObject(additionalProperties)) {
      return additionalProperties === false ? '"{" space "}" space' : 'object'
    }
    const required = new Set(Array.isArray(schema.required) ? schema.required : [])
    const members = properties.map(([name, inner]) => {
      const key = `${literal(JSON.stringify(name))} space ":" space`
      return { isRequired: required.has(name), rule: this.#rule(`${key} ${this.#ruleOf(inner, depth)}`) }
    })
    const others = hasOthers ? this.#rule(`string ":" space ${this.#ruleOf(additionalProperties, depth)}`) : undefined
    return `"{" space ${this.#members(members, others)} "}" space`
  }

  /**
   * Members in their order, optional ones left out at will. A rule for each place says what may follow when something
   * stands before it and when nothing does, so that commas come out right.
   */
  #members(members: readonly { isRequired: boolean; rule: string }[], others: string | undefined): string {
    const comma = '"," space'
    let after = others === undefined ? '' : `(${comma} ${others})*`
    let first = others === undefined ? '' : `(${others} (${comma} ${others})*)?`
    for (const { isRequired, rule } of members.toReversed()) {
      const afterRule = after === '' ? '' : ` ${this.#rule(after)}`
      const whole = `${rule}${afterRule}`
      const firstRule = first === '' ? '' : this.#rule(first)
      first = isRequired ? whole : `(${whole} | ${firstRule === '' ? '""' : firstRule})`
      after = isRequired ? `${comma} ${whole}` : `(${comma} ${rule})?${afterRule}`
    }
    return first
  }

  #array(schema: Schema, depth: number): string {
    const comma = '"," space'
    const prefix = Array.isArray(schema.prefixItems) ? schema.prefixItems : []
    if (prefix.length > 0) {
      const items = prefix.map((each) => this.#ruleOf(each, depth)).join(` ${comma} `)
      const isOpen = schema.items === true || isObject(schema.items)
      const rest = isOpen ? ` (${comma} ${this.#ruleOf(schema.items, depth)})*` : ''
      return `"[" space ${items}${rest} "]" space`
    }
    const item = schema.items === undefined ? 'value' : this.#ruleOf(schema.items, depth)
    const least = lengthOf(schema.minItems) ?? 0
    const most = lengthOf(schema.maxItems)
    if (most === 0) return '"[" space "]" space'
    const rest = `(${comma} ${item})${repetition(Math.max(0, least - 1), most === undefined ? undefined : most - 1)}`
    const items = `${item} ${rest}`
    return `"[" space ${least === 0 ? `(${items})?` : items} "]" space`
  }
}

/** A part of a reference as it stands in a URI; one that is none stands for itself. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null

function impliedType(schema: Schema): string | undefined {
  if (schema.properties !== undefined || schema.additionalProperties !== undefined) return 'object'
  if (schema.items !== undefined || schema.prefixItems !== undefined) return 'array'
  return undefined
}

function alternatives(expressions: readonly string[]): string {
  if (expressions.length === 0) throw new SchemaError('a choice between nothing')
  return expressions.join(' | ')
}

const constant = (value: unknown): string => `${literal(JSON.stringify(value))} space`

const formats: ReadonlySet<unknown> = new Set(['date', 'time', 'date-time', 'uuid'])

function string(schema: Schema): string {
  const pattern = typeof schema.pattern === 'string' ? patternExpression(schema.pattern) : undefined
  if (pattern !== undefined) return `"\\"" (${pattern}) "\\"" space`
  if (formats.has(schema.format)) return `"\\"" ${String(schema.format)} "\\"" space`
  const least = lengthOf(schema.minLength) ?? 0
  const most = lengthOf(schema.maxLength)
  if (least === 0 && most === undefined) return 'string'
  return `"\\"" char${repetition(least, most)} "\\"" space`
}

function integer({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): string {
  const min = numberOf(minimum) ?? above(exclusiveMinimum)
  const max = numberOf(maximum) ?? below(exclusiveMaximum)
  if (min === undefined && max === undefined) return 'integer'
  if (min !== undefined && max !== undefined && Math.ceil(min) > Math.floor(max)) {
    throw new SchemaError(`integers from ${min} to ${max}: there are none`)
  }
  return `(${integersBetween(min, max)}) space`
}

const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER ? value : undefined

function above(value: unknown): number | undefined {
  const bound = numberOf(value)
  return bound === undefined ? undefined : Math.floor(bound) + 1
}

function below(value: unknown): number | undefined {
  const bound = numberOf(value)
  return bound === undefined ? undefined : Math.ceil(bound) - 1
}

function lengthOf(value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (!Number.isInteger(value) || (value as number) < 0) throw new SchemaError(`the length ${JSON.stringify(value)}`)
  if ((value as number) > maxRepetition) throw new SchemaError(`the length ${value}: at most ${maxRepetition}`)
  return value as number
}

function repetition(least: number, most: number | undefined): string {
  if (most === undefined) return least === 0 ? '*' : `{${least},}`
  if (most < least) throw new SchemaError(`lengths from ${least} to ${most}: there are none`)
  return `{${least},${most}}`
}
