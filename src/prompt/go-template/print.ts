/** Values as Go's `fmt.Print` and `%v` write them. */
import { compareText, type GoValue, isComposite, sortedEntries } from './values.ts'

/** What an action prints: nothing there is said in so many words. */
export function printed(value: GoValue): string {
  return value === null ? '<no value>' : defaultText(value)
}

/** `%v`. */
export function defaultText(value: GoValue): string {
  if (value === null) return '<nil>'
  if (typeof value === 'string') return value
  if (typeof value === 'number') return floatText(value)
  if (value instanceof Uint8Array) return `[${value.join(' ')}]`
  if (!isComposite(value)) return String(value)
  if (value.text !== undefined) return value.text()
  switch (value.kind) {
    case 'slice':
      return `[${value.items.map(defaultText).join(' ')}]`
    case 'map':
      return `map[${sortedEntries(value)
        .map(([key, inner]) => `${key}:${defaultText(inner)}`)
        .join(' ')}]`
    case 'struct':
      return `{${value.fields.map((field) => defaultText(field.value)).join(' ')}}`
  }
}

/** The shortest text that reads back as the same float64; an exponent below -4 and from 6 on, of two digits at least. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  if (Object.is(value, -0)) return '-0'
  const magnitude = Math.abs(value)
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e6)) return exponentText(value.toExponential())
  return String(value)
}

/** JavaScript's exponents have as many digits as they need, Go's at least two. */
export function exponentText(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2')
}

/** `fmt.Sprint`: a space only between two operands that are no strings. */
export function joined(values: readonly GoValue[]): string {
  let text = ''
  for (const [index, value] of values.entries()) {
    const before = values[index - 1]
    const apart = index > 0 && typeof value !== 'string' && typeof before !== 'string'
    text += `${apart ? ' ' : ''}${defaultText(value)}`
  }
  return text
}

/** Whether a comes before b, for values of one kind. */
export function isBefore(a: bigint | number | string, b: bigint | number | string): boolean {
  return typeof a === 'string' && typeof b === 'string' ? compareText(a, b) < 0 : a < b
}
