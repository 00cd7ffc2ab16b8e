/** The strings that a regular expression takes, as JSON writes them, in llama.cpp's notation. */
import { literal } from './json.ts'

/** Longer ones are nothing that a person wrote. */
const maxPatternLength = 2000
/** Groups inside groups. */
const maxGroups = 64
/** Most that a repetition writes out. */
const maxRepetition = 2000

type Range = readonly [from: number, to: number]

const digits: readonly Range[] = [[0x30, 0x39]]
const words: readonly Range[] = [...digits, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]]
const spaces: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
]
const classes: Readonly<Record<string, readonly Range[]>> = { d: digits, w: words, s: spaces }
const controls: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, f: 0x0c, v: 0x0b }

/** What stands in JSON only with a backslash. */
const escapedRanges: readonly Range[] = [
  [0x00, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x7f, 0x7f],
]
/** Those of them that a class may still have, each written out. */
const writtenOut = [0x09, 0x0a, 0x0d, 0x22, 0x5c]

/** A construct that no grammar knows, such as a look ahead, or what is no expression. */
class Unsayable extends Error {}

/**
 * @returns the expression between the quotes; undefined where the pattern looks around, refers back, or is none: who cannot
 * follow all of it follows nothing
 */
export function patternExpression(pattern: string): string | undefined {
  if (pattern.length > maxPatternLength) return undefined
  try {
    return new PatternReader(pattern).whole()
  } catch (error) {
    if (error instanceof Unsayable) return undefined
    throw error
  }
}

class PatternReader {
  readonly #characters: readonly string[]
  #at = 0
  #groups = 0

  constructor(pattern: string) {
    this.#characters = Array.from(pattern)
  }

  whole(): string {
    const expression = this.#alternatives(true)
    if (this.#at < this.#characters.length) throw new Unsayable()
    return expression
  }

  #alternatives(isOutermost: boolean): string {
    const branches = [this.#sequence(isOutermost)]
    while (this.#take('|')) branches.push(this.#sequence(isOutermost))
    return branches.join(' | ')
  }

  /** Without an anchor anything may stand there: a pattern is searched for. */
  #sequence(isOutermost: boolean): string {
    const parts = isOutermost && !this.#take('^') ? ['char*'] : []
    while (this.#peek !== undefined && this.#peek !== '|' && this.#peek !== ')') {
      if (isOutermost && this.#peek === '$' && [undefined, '|'].includes(this.#characters[this.#at + 1])) break
      parts.push(this.#repeated())
    }
    if (isOutermost && !this.#take('$')) parts.push('char*')
    return parts.length === 0 ? '""' : parts.join(' ')
  }

  #repeated(): string {
    const atom = this.#atom()
    const sign = this.#sign()
    // How eagerly it is matched makes no difference to what is.
    if (sign !== '') this.#take('?')
    return atom + sign
  }

  #sign(): string {
    const next = this.#peek
    if (next === '*' || next === '+' || next === '?') return this.#next()
    const braces = /^\{(\d{1,4})(?:,(\d{1,4})?)?\}/.exec(this.#characters.slice(this.#at, this.#at + 12).join(''))
    if (braces === null) return ''
    const [text, least, most = least] = braces
    if (Number(least) > maxRepetition || Number(most) > maxRepetition || Number(most) < Number(least))
      throw new Unsayable()
    this.#at += text.length
    return text
  }

  #atom(): string {
    const character = this.#next()
    switch (character) {
      case '(':
        return this.#group()
      case '[':
        return this.#class()
      case '.':
        return 'char'
      case '\\':
        return this.#escape()
      case '^':
      case '$':
      case '*':
      case '+':
      case '?':
      case ')':
        throw new Unsayable()
      default:
        return written(character)
    }
  }

  #group(): string {
    if (this.#take('?') && !this.#take(':')) {
      const name = /^<[\p{L}_$][\p{L}\p{N}_$]*>/u.exec(this.#characters.slice(this.#at).join(''))
      if (name === null) throw new Unsayable()
      this.#at += Array.from(name[0]).length
    }
    this.#groups += 1
    if (this.#groups > maxGroups) throw new Unsayable()
    const inner = this.#alternatives(false)
    if (!this.#take(')')) throw new Unsayable()
    return `(${inner})`
  }

  #escape(): string {
    const name = this.#peek ?? ''
    const ranges = classes[name] ?? classes[name.toLowerCase()]
    if (ranges === undefined) return written(String.fromCodePoint(this.#escaped()))
    this.#next()
    return classText(ranges, name !== name.toLowerCase())
  }

  /** The character that stands behind a backslash. */
  #escaped(): number {
    const name = this.#next()
    const control = controls[name]
    if (control !== undefined) return control
    const length = name === 'x' ? 2 : name === 'u' ? 4 : 0
    if (length === 0 && /[\p{L}\p{N}]/u.test(name)) throw new Unsayable()
    if (length === 0) return name.codePointAt(0) as number
    const hex = this.#characters.slice(this.#at, this.#at + length).join('')
    if (!/^[0-9a-f]+$/i.test(hex) || hex.length !== length) throw new Unsayable()
    this.#at += length
    return Number.parseInt(hex, 16)
  }

  #class(): string {
    const isNegated = this.#take('^')
    const ranges: Range[] = []
    while (!this.#take(']')) {
      const name = this.#peek === '\\' ? (this.#characters[this.#at + 1] ?? '') : ''
      const known = classes[name]
      if (known !== undefined) {
        this.#at += 2
        ranges.push(...known)
        continue
      }
      const from = this.#member()
      const isRange = this.#peek === '-' && this.#characters[this.#at + 1] !== ']'
      if (isRange) this.#next()
      const to = isRange ? this.#member() : from
      if (to < from) throw new Unsayable()
      ranges.push([from, to])
    }
    return classText(ranges, isNegated)
  }

  #member(): number {
    return this.#take('\\') ? this.#escaped() : (this.#next().codePointAt(0) as number)
  }

  get #peek(): string | undefined {
    return this.#characters[this.#at]
  }

  #next(): string {
    const character = this.#characters[this.#at++]
    if (character === undefined) throw new Unsayable()
    return character
  }

  #take(character: string): boolean {
    if (this.#peek !== character) return false
    this.#at += 1
    return true
  }
}

/** A character as JSON writes it. */
const written = (character: string): string => literal(JSON.stringify(character).slice(1, -1))

function classText(ranges: readonly Range[], isNegated: boolean): string {
  const others = writtenOut.filter((code) => isNegated !== ranges.some(([from, to]) => from <= code && code <= to))
  const set = isNegated
    ? [...ranges, ...escapedRanges]
    : escapedRanges.reduce((left, gap) => left.flatMap((range) => without(range, gap)), ranges)
  const plain = set.map(rangeText).join('')
  const choices = [
    ...(plain === '' ? [] : [`[${isNegated ? '^' : ''}${plain}]`]),
    ...others.map((code) => written(String.fromCodePoint(code))),
  ]
  if (choices.length === 0) throw new Unsayable()
  return choices.length === 1 ? choices.join('') : `(${choices.join(' | ')})`
}

function without([from, to]: Range, [gapFrom, gapTo]: Range): Range[] {
  const before: Range = [from, Math.min(to, gapFrom - 1)]
  const after: Range = [Math.max(from, gapTo + 1), to]
  return [before, after].filter(([start, end]) => start <= end)
}

function rangeText([from, to]: Range): string {
  return from === to ? codeText(from) : `${codeText(from)}-${codeText(to)}`
}

function codeText(code: number): string {
  const character = String.fromCodePoint(code)
  if (/[0-9A-Za-z]/.test(character) || code > 0xff) return character
  return `\\x${code.toString(16).padStart(2, '0').toUpperCase()}`
}
