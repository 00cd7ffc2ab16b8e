/** The functions that a template may call: those of Go's text/template and those that Ollama adds. */
import { isEqual, isLess } from './compare.ts'
import { htmlText, jsText, queryText } from './escape.ts'
import { jsonText } from './json-text.ts'
import { defaultText, joined } from './print.ts'
import { formatted } from './printf.ts'
import { FunctionError } from './template-error.ts'
import { type GoValue, isComposite, isTrue, typeOf } from './values.ts'

export interface GoFunction {
  /** How many arguments it takes, at least and at most. */
  readonly min: number
  readonly max: number
  /** @throws FunctionError */
  readonly call: (args: readonly GoValue[], now: Date) => GoValue
}

const any = Number.POSITIVE_INFINITY

const binary = (compare: (a: GoValue, b: GoValue) => boolean): GoFunction => ({
  min: 2,
  max: 2,
  call: ([a = null, b = null]) => compare(a, b),
})

const textual = (convert: (text: string) => string): GoFunction => ({
  min: 0,
  max: any,
  call: (args) => convert(joined(args.map((value) => value ?? '<no value>'))),
})

const isAtMost = (a: GoValue, b: GoValue) => isLess(a, b) || isEqual(a, [b])

/** `and` and `or` stop early: the evaluator knows them. */
export const functions: ReadonlyMap<string, GoFunction> = new Map<string, GoFunction>([
  ['and', { min: 1, max: any, call: (args) => args.find((value) => !isTrue(value)) ?? args.at(-1) ?? null }],
  ['or', { min: 1, max: any, call: (args) => args.find(isTrue) ?? args.at(-1) ?? null }],
  ['not', { min: 1, max: 1, call: ([value = null]) => !isTrue(value) }],
  ['eq', { min: 1, max: any, call: ([first = null, ...others]) => isEqual(first, others) }],
  ['ne', binary((a, b) => !isEqual(a, [b]))],
  ['lt', binary(isLess)],
  ['le', binary(isAtMost)],
  ['gt', binary((a, b) => !isAtMost(a, b))],
  ['ge', binary((a, b) => !isLess(a, b))],
  ['len', { min: 1, max: 1, call: ([value = null]) => length(value) }],
  ['index', { min: 1, max: any, call: ([value = null, ...keys]) => keys.reduce(element, indexable(value)) }],
  ['slice', { min: 1, max: any, call: ([value = null, ...bounds]) => part(value, bounds) }],
  ['print', { min: 0, max: any, call: (args) => joined(args) }],
  ['println', { min: 0, max: any, call: (args) => `${args.map(defaultText).join(' ')}\n` }],
  ['printf', { min: 1, max: any, call: ([format = null, ...args]) => formatted(text(format), args) }],
  ['html', textual(htmlText)],
  ['js', textual(jsText)],
  ['urlquery', textual(queryText)],
  ['call', { min: 1, max: any, call: ([value = null]) => notCallable(value) }],
  ['json', { min: 1, max: 1, call: ([value = null]) => jsonText(value) }],
  ['currentDate', { min: 0, max: any, call: (args, now) => date(args, now, 0) }],
  ['yesterdayDate', { min: 0, max: any, call: (args, now) => date(args, now, -1) }],
  ['toTypeScriptType', { min: 1, max: 1, call: ([value = null]) => typeScriptType(value) }],
])

/** Values of a template are data: none of them is a function. */
function notCallable(value: GoValue): never {
  throw new FunctionError(value === null ? 'call of nil' : `non-function of type ${typeOf(value)}`)
}

function text(value: GoValue): string {
  if (typeof value === 'string') return value
  if (value === null) throw new FunctionError('invalid value; expected string')
  throw new FunctionError(`wrong type for value; expected string; got ${typeOf(value)}`)
}

function bytes(value: string): Buffer {
  return Buffer.from(value)
}

function length(value: GoValue): bigint {
  if (typeof value === 'string') return BigInt(Buffer.byteLength(value))
  if (value instanceof Uint8Array) return BigInt(value.length)
  if (value === null) throw new FunctionError('len of nil pointer')
  if (!isComposite(value) || value.kind === 'struct') throw new FunctionError(`len of type ${typeOf(value)}`)
  return BigInt(value.kind === 'slice' ? value.items.length : value.entries.size)
}

function indexable(value: GoValue): GoValue {
  if (value === null) throw new FunctionError('index of untyped nil')
  return value
}

function element(value: GoValue, key: GoValue): GoValue {
  if (value === null) throw new FunctionError('index of nil pointer')
  if (typeof value === 'string') return BigInt(bytes(value)[position(key, Buffer.byteLength(value) - 1)] ?? 0)
  if (value instanceof Uint8Array) return BigInt(value[position(key, value.length - 1)] ?? 0)
  if (isComposite(value) && value.kind === 'slice') return value.items[position(key, value.items.length - 1)] ?? null
  if (isComposite(value) && value.kind === 'map') {
    if (typeof key === 'string') return value.entries.get(key) ?? null
    throw new FunctionError(
      key === null ? 'value is nil; should be of type string' : `value has type ${typeOf(key)}; should be string`,
    )
  }
  throw new FunctionError(`can't index item of type ${typeOf(value)}`)
}

function position(key: GoValue, max: number): number {
  if (key === null) throw new FunctionError('cannot index slice/array with nil')
  if (typeof key !== 'bigint') throw new FunctionError(`cannot index slice/array with type ${typeOf(key)}`)
  if (key < 0n || key > BigInt(max)) throw new FunctionError(`index out of range: ${key}`)
  return Number(key)
}

function part(value: GoValue, bounds: readonly GoValue[]): GoValue {
  if (value === null) throw new FunctionError('slice of untyped nil')
  if (bounds.length > 3) throw new FunctionError(`too many slice indexes: ${bounds.length}`)
  const sliced = isComposite(value) && value.kind === 'slice' ? value : undefined
  if (sliced === undefined && typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw new FunctionError(`can't slice item of type ${typeOf(value)}`)
  }
  if (typeof value === 'string' && bounds.length === 3) throw new FunctionError('cannot 3-index slice a string')
  const size = Number(length(value))
  const [from = 0, to = size, most = size] = bounds.map((bound) => position(bound, size))
  if (from > to) throw new FunctionError(`invalid slice index: ${from} > ${to}`)
  if (to > most) throw new FunctionError(`invalid slice index: ${to} > ${most}`)
  if (sliced !== undefined) return { ...sliced, items: sliced.items.slice(from, to) }
  return typeof value === 'string' ? bytes(value).toString('utf8', from, to) : (value as Uint8Array).subarray(from, to)
}

/** The day on this machine's calendar, as 2006-01-02. Formats are accepted and mean nothing. */
function date(args: readonly GoValue[], now: Date, days: number): string {
  args.forEach(text)
  const day = new Date(now.getFullYear(), now.getMonth(), now.getDate() + days)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${String(day.getFullYear()).padStart(4, '0')}-${two(day.getMonth() + 1)}-${two(day.getDate())}`
}

/** Only a tool's property knows its type in TypeScript. */
function typeScriptType(value: GoValue): GoValue {
  const method = isComposite(value) && value.kind === 'struct' ? value.methods?.ToTypeScriptType : undefined
  return method?.() ?? 'any'
}
