/** Calls whose arguments each stand in tags of their own, as Qwen3-Coder, GLM and MiniMax write them. */
import type { Calls, NamedCall } from './calls.ts'
import { coerce } from './coerce.ts'
import { trim } from './markers.ts'

/** The tags of one such language, in the order in which they stand in a call. */
export interface MarkupSyntax {
  /** Before the function's name; empty where the name comes first. */
  readonly call: string
  /** After the name; empty where it ends with the first argument, or with the body. */
  readonly nameEnd: string
  /** After the last argument; empty where the body ends there. */
  readonly callEnd: string
  readonly key: string
  readonly keyEnd: string
  /** Before the value, where that has a tag of its own. */
  readonly value: string
  readonly valueEnd: string
}

/** @returns every call in `body`; undefined when it holds anything else, or a call that is not complete */
export function readMarkup(body: string, syntax: MarkupSyntax, calls: Calls): readonly NamedCall[] | undefined {
  const found: NamedCall[] = []
  const cursor = new Cursor(body)
  do {
    const call = cursor.skip(syntax.call) ? readCall(cursor, syntax, calls) : undefined
    if (call === undefined) return undefined
    found.push(call)
  } while (!cursor.atEnd)
  return found
}

function readCall(cursor: Cursor, syntax: MarkupSyntax, calls: Calls): NamedCall | undefined {
  const name = trim((syntax.nameEnd === '' ? cursor.before(syntax.key) : cursor.past(syntax.nameEnd)) ?? '')
  if (name === '' || /[<>{}\s]/.test(name)) return undefined
  const properties = calls.properties(name)
  const args: [string, unknown][] = []
  while (syntax.callEnd === '' ? !cursor.atEnd : !cursor.skip(syntax.callEnd)) {
    const arg = readArgument(cursor, syntax)
    if (arg === undefined) return undefined
    args.push([arg.key, coerce(arg.text, Object.hasOwn(properties, arg.key) ? properties[arg.key] : undefined)])
  }
  // Entries and not assignments, so that an argument may have any name.
  return { name, args: Object.fromEntries(args) }
}

function readArgument(cursor: Cursor, syntax: MarkupSyntax): { key: string; text: string } | undefined {
  const key = cursor.skip(syntax.key) ? cursor.past(syntax.keyEnd) : undefined
  if (key === undefined || (syntax.value !== '' && !cursor.skip(syntax.value))) return undefined
  const text = cursor.past(syntax.valueEnd)
  return text === undefined ? undefined : { key: trim(key), text: withoutFraming(text) }
}

/** One line break on either side belongs to the tags. */
function withoutFraming(value: string): string {
  return value.replace(/^\n/, '').replace(/\n$/, '')
}

/** A place in a text that only moves forward. */
class Cursor {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Whether nothing but white space is left. */
  get atEnd(): boolean {
    return this.#afterSpace() === this.#text.length
  }

  /** Passes white space and `tag`, if it is next. */
  skip(tag: string): boolean {
    const at = this.#afterSpace()
    if (!this.#text.startsWith(tag, at)) return false
    this.#at = at + tag.length
    return true
  }

  /** The text up to `tag`, or all that is left. */
  before(tag: string): string {
    const found = this.#text.indexOf(tag, this.#at)
    const from = this.#at
    this.#at = found < 0 ? this.#text.length : found
    return this.#text.slice(from, this.#at)
  }

  /** The text up to `tag`, which is passed; undefined when it does not come. */
  past(tag: string): string | undefined {
    const found = this.#text.indexOf(tag, this.#at)
    if (found < 0) return undefined
    const text = this.#text.slice(this.#at, found)
    this.#at = found + tag.length
    return text
  }

  #afterSpace(): number {
    let at = this.#at
    while (/\s/.test(this.#text.charAt(at))) at += 1
    return at
  }
}
