/** What a value must look like: itself, a pattern, a predicate, or an object or list of these. */

/** Says what it wants, for whoever reads a difference. */
export interface Predicate {
  readonly wants: string
  readonly holds: (value: unknown) => boolean
}

export type Matcher =
  | string
  | number
  | boolean
  | null
  | RegExp
  | Predicate
  | readonly Matcher[]
  | { readonly [key: string]: Matcher }

/** Characters of a value that a difference shows. */
const maxShownLength = 300

export function predicateOf(wants: string, holds: (value: unknown) => boolean): Predicate {
  return { wants, holds }
}

export const absent = predicateOf('no such field', (value) => value === undefined)
export const anything = predicateOf('anything', (value) => value !== undefined)
export const text = predicateOf('a string', (value) => typeof value === 'string')
export const nonEmptyText = predicateOf(
  'a text that is not empty',
  (value) => typeof value === 'string' && value !== '',
)
export const positive = predicateOf('a positive whole number', (value) => Number.isInteger(value) && Number(value) > 0)
export const wholeNumber = predicateOf('a whole number', (value) => Number.isInteger(value) && Number(value) >= 0)
export const anObject = predicateOf(
  'an object',
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
)
export const aList = predicateOf('a list', Array.isArray)
export const nonEmptyList = predicateOf('a list that is not empty', (value) => Array.isArray(value) && value.length > 0)
export const hexDigest = predicateOf(
  '64 hex digits',
  (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value),
)

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d*[1-9])?(?:Z|[+-]\d\d:\d\d)$/

/** As Go's clients parse it: RFC 3339, the fraction without trailing zeros. */
export const time = predicateOf('a time of RFC 3339', (value) => typeof value === 'string' && rfc3339.test(value))
export const utcTime = predicateOf(
  'a time of RFC 3339 that ends in Z',
  (value) => typeof value === 'string' && rfc3339.test(value) && value.endsWith('Z'),
)

/** Every element of a list, which may be empty. */
export function every(matcher: Matcher): Predicate {
  return predicateOf(`a list, each ${shown(matcher)}`, (value) => Array.isArray(value) && value.every(matches(matcher)))
}

/** At least one element of a list. */
export function some(matcher: Matcher): Predicate {
  return predicateOf(`a list with ${shown(matcher)}`, (value) => Array.isArray(value) && value.some(matches(matcher)))
}

export function length(count: number): Predicate {
  return predicateOf(`a list of ${count}`, (value) => Array.isArray(value) && value.length === count)
}

export function within(lowest: number, highest: number): Predicate {
  return predicateOf(
    `a number from ${lowest} to ${highest}`,
    (value) => typeof value === 'number' && value >= lowest && value <= highest,
  )
}

/** A string that holds all of these. */
export function containing(...parts: readonly string[]): Predicate {
  return predicateOf(
    `a text with ${parts.map((part) => JSON.stringify(part)).join(' and ')}`,
    (value) => typeof value === 'string' && parts.every((part) => value.includes(part)),
  )
}

export function without(part: string): Predicate {
  return predicateOf(
    `a text without ${JSON.stringify(part)}`,
    (value) => typeof value === 'string' && !value.includes(part),
  )
}

export function oneOf(...choices: readonly Matcher[]): Predicate {
  return predicateOf(choices.map(shown).join(' or '), (value) => choices.some((choice) => matches(choice)(value)))
}

/** All of them. */
export function both(...matchers: readonly Matcher[]): Predicate {
  return predicateOf(matchers.map(shown).join(', and '), (value) =>
    matchers.every((matcher) => matches(matcher)(value)),
  )
}

/** An object that has these keys and no others. */
export function exactly(fields: { readonly [key: string]: Matcher }): Predicate {
  const names = Object.keys(fields)
  return predicateOf(
    `exactly ${shown(fields)}`,
    (value) => isObject(value) && Object.keys(value).every((key) => names.includes(key)) && matches(fields)(value),
  )
}

/** An object whose keys are some of these, in this order. */
export function keysInOrder(...names: readonly string[]): Predicate {
  return predicateOf(`keys in the order ${names.join(', ')}, and no others`, (value) => {
    if (!isObject(value)) return false
    const places = Object.keys(value).map((key) => names.indexOf(key))
    return places.every((place, at) => place >= 0 && (at === 0 || place > (places[at - 1] ?? 0)))
  })
}

/** What is not as it should be, each with the path to it; nothing when all is. */
export function differences(matcher: Matcher, value: unknown, path = ''): string[] {
  const at = path === '' ? '' : `${path}: `
  if (isPredicate(matcher)) return matcher.holds(value) ? [] : [`${at}wants ${matcher.wants}, got ${shown(value)}`]
  if (matcher instanceof RegExp) {
    return typeof value === 'string' && matcher.test(value) ? [] : [`${at}wants ${matcher}, got ${shown(value)}`]
  }
  if (Array.isArray(matcher)) {
    if (!Array.isArray(value) || value.length !== matcher.length) {
      return [`${at}wants ${shown(matcher)}, got ${shown(value)}`]
    }
    return matcher.flatMap((inner, index) => differences(inner, value[index], `${path}[${index}]`))
  }
  if (typeof matcher === 'object' && matcher !== null) {
    if (!isObject(value)) return [`${at}wants an object, got ${shown(value)}`]
    return Object.entries(matcher).flatMap(([key, inner]) =>
      differences(inner, value[key], path === '' ? key : `${path}.${key}`),
    )
  }
  return matcher === value ? [] : [`${at}wants ${shown(matcher)}, got ${shown(value)}`]
}

function matches(matcher: Matcher): (value: unknown) => boolean {
  return (value) => differences(matcher, value).length === 0
}

function isPredicate(matcher: Matcher): matcher is Predicate {
  return typeof matcher === 'object' && matcher !== null && 'holds' in matcher && typeof matcher.holds === 'function'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: unknown): string {
  const written = JSON.stringify(value, (_key, inner) => {
    if (inner instanceof RegExp) return String(inner)
    return typeof inner === 'object' && inner !== null && 'wants' in inner ? `<${inner.wants}>` : inner
  })
  const full = written ?? String(value)
  return full.length <= maxShownLength ? full : `${full.slice(0, maxShownLength)}…`
}
