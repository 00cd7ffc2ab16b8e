/**
 * Values as Go's templates see them. A bigint is an int, a number a float64; null is Go's untyped nil, and what an absent key
 * of a map gives.
 */

export interface GoSlice {
  readonly kind: 'slice'
  readonly type: string
  readonly items: readonly GoValue[]
  /** A nil slice is empty too, but JSON writes it as null. */
  readonly isNil?: boolean
  /** Go's String method, where the type has one. */
  readonly text?: () => string
  /** Go's MarshalJSON, where the type has one: the value to write in its place. */
  readonly json?: () => GoValue
}

export interface GoMap {
  readonly kind: 'map'
  readonly type: string
  readonly entries: ReadonlyMap<string, GoValue>
  readonly isNil?: boolean
  /** JSON has its keys in the order in which they came. */
  readonly isOrdered?: boolean
  readonly text?: () => string
}

export interface GoField {
  readonly name: string
  readonly value: GoValue
  /** Its name in JSON; without one, its own. */
  readonly json?: string
  /** JSON leaves it out when it is empty. */
  readonly omitEmpty?: boolean
}

export interface GoStruct {
  readonly kind: 'struct'
  readonly type: string
  readonly fields: readonly GoField[]
  readonly text?: () => string
  readonly methods?: Readonly<Record<string, () => GoValue>>
}

export type GoComposite = GoSlice | GoMap | GoStruct
export type GoValue = null | boolean | bigint | number | string | Uint8Array | GoComposite

export function isComposite(value: GoValue): value is GoComposite {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array)
}

/** Whether `if` takes it for true: not the zero value of its type; structs always are. */
export function isTrue(value: GoValue): boolean {
  if (value === null) return false
  if (value instanceof Uint8Array) return value.length > 0
  if (!isComposite(value)) return typeof value === 'number' ? value !== 0 : Boolean(value)
  if (value.kind === 'struct') return true
  return value.kind === 'slice' ? value.items.length > 0 : value.entries.size > 0
}

/** Nil in the sense of `eq`. */
export function isNil(value: GoValue): boolean {
  return value === null || (isComposite(value) && value.kind !== 'struct' && value.isNil === true)
}

/** The name of a value's type, for messages and `%T`. */
export function typeOf(value: GoValue): string {
  if (value === null) return '<nil>'
  if (value instanceof Uint8Array) return '[]uint8'
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'float64'
    case 'string':
      return 'string'
    default:
      return value.type
  }
}

export function slice(items: readonly GoValue[], type = '[]interface {}'): GoSlice {
  return { kind: 'slice', type, items }
}

/** What encoding/json makes of a JSON value: numbers are float64. Anything else that is no JSON becomes nil. */
export function fromJson(value: unknown): GoValue {
  if (Array.isArray(value)) return slice(value.map(fromJson))
  if (typeof value === 'object' && value !== null)
    return { kind: 'map', type: 'map[string]interface {}', entries: entriesOf(value) }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  return typeof value === 'bigint' ? Number(value) : null
}

export function entriesOf(value: object): Map<string, GoValue> {
  return new Map(Object.entries(value).map(([key, inner]) => [key, fromJson(inner)]))
}

/** A map's entries as Go prints and ranges over them. */
export function sortedEntries(map: GoMap): [string, GoValue][] {
  return [...map.entries].sort(([left], [right]) => compareText(left, right))
}

/** Go compares strings by bytes of UTF-8, which is by code points; JavaScript by UTF-16 units. */
export function compareText(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index += 1) {
    const a = left.charCodeAt(index)
    const b = right.charCodeAt(index)
    if (a !== b) return rank(a) - rank(b)
  }
  return left.length - right.length
}

/** Surrogates, which stand for what comes after U+FFFF, follow all other units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x2000 : unit
}
