/** Calls written as code: `f(a="x", b=[1, 2])` in the manner of Python, `call:f{a:<|"|>x<|"|>}` in Gemma's. */
import type { NamedCall } from './calls.ts'
import { maxNesting } from './json.ts'

/** What surrounds a string; within marks of one character a backslash escapes. */
type Quotes = readonly string[]

const pythonQuotes: Quotes = ['"', "'"]
const words: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['null', null],
  ['None', null],
])
const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' }

/** @returns every call of a list (with or without brackets, commas or line breaks between); undefined when it holds anything else */
export function readPython(body: string): readonly NamedCall[] | undefined {
  const reader = new Reader(body, pythonQuotes)
  const bracketed = reader.skip('[')
  const found: NamedCall[] = []
  do {
    const call = reader.call('(', '=', ')')
    if (call === undefined) return undefined
    found.push(call)
    reader.skip(',')
  } while (!reader.atEnd && !(bracketed && reader.skip(']')))
  return reader.atEnd ? found : undefined
}

/** @param mark what surrounds a string, such as `<escape>` */
export function readGemma(body: string, mark: string): readonly NamedCall[] | undefined {
  const reader = new Reader(body, [mark, '"'])
  if (!reader.skip('call:')) return undefined
  const call = reader.call('{', ':', '}')
  return call !== undefined && reader.atEnd ? [call] : undefined
}

/** Something that is no literal; caught where reading began. */
const wrong = Symbol('wrong')

class Reader {
  readonly #text: string
  readonly #quotes: Quotes
  #at = 0

  constructor(text: string, quotes: Quotes) {
    this.#text = text
    this.#quotes = quotes
  }

  get atEnd(): boolean {
    this.#space()
    return this.#at === this.#text.length
  }

  skip(token: string): boolean {
    this.#space()
    if (!this.#text.startsWith(token, this.#at)) return false
    this.#at += token.length
    return true
  }

  /** A name and its arguments between brackets. */
  call(open: string, between: string, close: string): NamedCall | undefined {
    this.#space()
    const name = /[\w.-]*/y
    name.lastIndex = this.#at
    const found = name.exec(this.#text)?.[0] ?? ''
    this.#at += found.length
    if (found === '' || !this.skip(open)) return undefined
    const args = this.#entries(between, close, maxNesting)
    return args === wrong ? undefined : { name: found, args: Object.fromEntries(args) }
  }

  #entries(between: string, close: string, depth: number): [string, unknown][] | typeof wrong {
    const entries: [string, unknown][] = []
    while (!this.skip(close)) {
      const key = this.#string() ?? this.#upTo(between)
      if (key === '' || !this.skip(between)) return wrong
      const value = this.#value(depth - 1)
      if (value === wrong) return wrong
      entries.push([key, value])
      if (!this.skip(',') && !this.#isNext(close)) return wrong
    }
    return entries
  }

  #value(depth: number): unknown {
    if (depth === 0) return wrong
    const text = this.#string()
    if (text !== undefined) return text
    if (this.skip('[')) return this.#list(depth)
    if (this.skip('{')) {
      const entries = this.#entries(':', '}', depth)
      return entries === wrong ? wrong : Object.fromEntries(entries)
    }
    return meaning(this.#upTo(',)]}\n'))
  }

  #list(depth: number): unknown {
    const values: unknown[] = []
    while (!this.skip(']')) {
      const value = this.#value(depth - 1)
      if (value === wrong) return wrong
      values.push(value)
      if (!this.skip(',') && !this.#isNext(']')) return wrong
    }
    return values
  }

  /** A string between quotes; undefined when none begins here, or it never ends. */
  #string(): string | undefined {
    this.#space()
    const mark = this.#quotes.find((quote) => this.#text.startsWith(quote, this.#at))
    if (mark === undefined) return undefined
    let text = ''
    for (let at = this.#at + mark.length; at < this.#text.length; at++) {
      const character = this.#text.charAt(at)
      if (this.#text.startsWith(mark, at)) {
        this.#at = at + mark.length
        return text
      }
      if (character === '\\' && mark.length === 1) {
        at += 1
        const escaped = this.#text.charAt(at)
        text += escapes[escaped] ?? escaped
      } else text += character
    }
    return undefined
  }

  /** Trimmed text up to any of these characters. */
  #upTo(ends: string): string {
    const from = this.#at
    while (this.#at < this.#text.length && !ends.includes(this.#text.charAt(this.#at))) this.#at += 1
    return this.#text.slice(from, this.#at).trim()
  }

  #isNext(token: string): boolean {
    this.#space()
    return this.#text.startsWith(token, this.#at)
  }

  #space(): void {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at += 1
  }
}

/** A word outside of quotes: a constant, a number, or text whose quotes were forgotten. */
function meaning(word: string): unknown {
  if (word === '' || /["']/.test(word)) return wrong
  if (words.has(word)) return words.get(word)
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word) ? Number(word) : word
}
