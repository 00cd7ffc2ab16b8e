/** Go's `fmt.Sprintf` for the values that templates have. */
import { jsonText } from './json-text.ts'
import { maxWidth } from './limits.ts'
import { defaultText, exponentText, floatText } from './print.ts'
import { type GoComposite, type GoValue, isComposite, sortedEntries, typeOf } from './values.ts'

interface Directive {
  readonly flags: string
  readonly width: number | undefined
  readonly precision: number | undefined
  readonly verb: string
}

const directive = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?(?:\[(\d+)\])?(.?)/gsu

export function formatted(format: string, values: readonly GoValue[]): string {
  let next = 0
  let reordered = false
  const text = format.replace(
    directive,
    (whole: string, flags: string, width?: string, precision?: string, position?: string, verb = '') => {
      if (verb === '%') return '%'
      const dimension = (written: string | undefined) => {
        if (written !== '*') return written === undefined ? undefined : Number(written)
        const value = values[next]
        next += 1
        return typeof value === 'bigint' ? Number(value) : undefined
      }
      const wide = dimension(width)
      const precise = dimension(precision) ?? (/\.(?!\d|\*)/.test(whole) ? 0 : undefined)
      if (verb === '') return '%!(NOVERB)'
      if (position !== undefined) {
        reordered = true
        next = Number(position) - 1
      }
      if (next < 0 || next >= values.length)
        return position === undefined ? `%!${verb}(MISSING)` : `%!${verb}(BADINDEX)`
      const value = values[next] as GoValue
      next += 1
      const left = wide !== undefined && wide < 0
      if (Math.abs(wide ?? 0) > maxWidth)
        return `%!(BADWIDTH)${one(value, { flags, width: undefined, precision: precise, verb })}`
      const allowed = precise !== undefined && (precise > maxWidth || precise < 0) ? undefined : precise
      return one(value, {
        flags: left ? `${flags}-` : flags,
        width: wide === undefined ? undefined : Math.abs(wide),
        precision: allowed,
        verb,
      })
    },
  )
  if (reordered || next >= values.length) return text
  const extra = values.slice(next).map((value) => (value === null ? '<nil>' : `${typeOf(value)}=${defaultText(value)}`))
  return `${text}%!(EXTRA ${extra.join(', ')})`
}

function one(value: GoValue, how: Directive): string {
  const zeros = how.flags.includes('0') && !how.flags.includes('-')
  const text = how.verb === 'T' ? typeOf(value) : body(value, how)
  const missing = (how.width ?? 0) - [...text].length
  if (missing <= 0) return text
  if (how.flags.includes('-')) return text + ' '.repeat(missing)
  const signed = /^[+-]/.test(text) && typeof value !== 'string'
  if (!zeros) return ' '.repeat(missing) + text
  return signed ? `${text[0]}${'0'.repeat(missing)}${text.slice(1)}` : '0'.repeat(missing) + text
}

function body(value: GoValue, how: Directive): string {
  const { verb } = how
  if (value === null) return verb === 'v' ? '<nil>' : `%!${verb}(<nil>)`
  if (verb === 'v') return how.flags.includes('#') ? sourceText(value) : general(value, how)
  if (isComposite(value)) return compositeText(value, how)
  const text =
    typeof value === 'string'
      ? stringText(value, how)
      : typeof value === 'bigint'
        ? integerText(value, how)
        : typeof value === 'number'
          ? numberText(value, how)
          : typeof value === 'boolean' && verb === 't'
            ? String(value)
            : undefined
  return text ?? `%!${verb}(${typeOf(value)}=${defaultText(value)})`
}

/** `%v` of a float may have a precision. */
function general(value: GoValue, how: Directive): string {
  return typeof value === 'number' && how.precision !== undefined
    ? (numberText(value, { ...how, flags: '', verb: 'g' }) ?? defaultText(value))
    : defaultText(value)
}

/** `%#v`, which nobody's prompt needs, as near as JSON comes to Go's source. */
function sourceText(value: GoValue): string {
  return isComposite(value)
    ? `${typeOf(value)}${jsonText(value)}`
    : typeof value === 'string'
      ? JSON.stringify(value)
      : defaultText(value)
}

function compositeText(value: GoComposite, how: Directive): string {
  if (value.text !== undefined && 'sqxX'.includes(how.verb)) return stringText(value.text(), how) ?? ''
  const inner = (item: GoValue) => (item === null ? '<nil>' : body(item, how))
  switch (value.kind) {
    case 'slice':
      return `[${value.items.map(inner).join(' ')}]`
    case 'struct':
      return `{${value.fields.map((field) => inner(field.value)).join(' ')}}`
    case 'map':
      return `map[${sortedEntries(value)
        .map(([key, item]) => `${inner(key)}:${inner(item)}`)
        .join(' ')}]`
  }
}

function stringText(value: string, how: Directive): string | undefined {
  switch (how.verb) {
    case 's':
      return cut(value, how.precision)
    case 'q':
      return quotedText(cut(value, how.precision), how.flags)
    case 'x':
    case 'X': {
      const hex = Buffer.from(value).toString('hex')
      return how.verb === 'X' ? hex.toUpperCase() : hex
    }
    default:
      return undefined
  }
}

function cut(value: string, precision: number | undefined): string {
  return precision === undefined ? value : [...value].slice(0, precision).join('')
}

function quotedText(value: string, flags: string): string {
  if (flags.includes('#') && !/`|(?!\t)\p{Cc}/u.test(value)) return `\`${value}\``
  return JSON.stringify(value)
    .replaceAll('\u007f', '\\x7f')
    .replace(/\\u00([01][\da-f])/g, (_, digits: string) =>
      digits === '07' ? '\\a' : digits === '0b' ? '\\v' : `\\x${digits}`,
    )
}

function integerText(value: bigint, how: Directive): string | undefined {
  const magnitude = value < 0n ? -value : value
  const sign = value < 0n ? '-' : how.flags.includes('+') ? '+' : how.flags.includes(' ') ? ' ' : ''
  const alternate = how.flags.includes('#')
  const digits = (base: number, prefix: string) =>
    `${sign}${alternate ? prefix : ''}${magnitude.toString(base).padStart(how.precision ?? 0, '0')}`
  switch (how.verb) {
    case 'd':
      return digits(10, '')
    case 'b':
      return digits(2, '0b')
    case 'o':
      return digits(8, '0')
    case 'O':
      return `${sign}0o${magnitude.toString(8)}`
    case 'x':
      return digits(16, '0x')
    case 'X':
      return digits(16, '0x').toUpperCase()
    case 'c':
      return characterText(value)
    case 'q':
      return `'${characterText(value)}'`
    case 'U':
      return `U+${magnitude.toString(16).toUpperCase().padStart(4, '0')}`
    default:
      return undefined
  }
}

function characterText(value: bigint): string {
  return value >= 0n && value <= 0x10ffffn ? String.fromCodePoint(Number(value)).toWellFormed() : '\ufffd'
}

/** JavaScript writes at most a hundred digits after the point; a float64 has no more that mean anything. */
const maxDigits = 100

function numberText(value: number, how: Directive): string | undefined {
  if (!Number.isFinite(value)) return 'eEfFgG'.includes(how.verb) ? floatText(value) : undefined
  const precision = Math.min(how.precision ?? 6, maxDigits)
  switch (how.verb) {
    case 'f':
    case 'F':
      return plus(value, how, value.toFixed(precision))
    case 'e':
      return plus(value, how, exponentText(value.toExponential(precision)))
    case 'E':
      return plus(value, how, exponentText(value.toExponential(precision)).toUpperCase())
    case 'g':
    case 'G': {
      const text = how.precision === undefined ? floatText(value) : shortText(value, Math.max(1, precision))
      return plus(value, how, how.verb === 'G' ? text.toUpperCase() : text)
    }
    default:
      return undefined
  }
}

/** `%.3g`: so many digits that matter, without zeros at the end. */
function shortText(value: number, digits: number): string {
  const exponent = Number(value.toExponential(digits - 1).split('e')[1])
  const text =
    exponent < -4 || exponent >= digits
      ? value.toExponential(digits - 1)
      : value.toFixed(Math.max(0, digits - 1 - exponent))
  return exponentText(text.replace(/(\.\d*?)0+(e|$)/, '$1$2').replace(/\.(e|$)/, '$1'))
}

function plus(value: GoValue, how: Directive, text: string): string {
  if (typeof value !== 'number' && typeof value !== 'bigint') return text
  if (text.startsWith('-') || text.startsWith('+')) return text
  return how.flags.includes('+') ? `+${text}` : how.flags.includes(' ') ? ` ${text}` : text
}
