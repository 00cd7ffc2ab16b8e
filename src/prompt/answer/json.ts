/** Finding where a JSON object or array ends while it arrives, and reading it without a throw. */

/** Brackets within brackets: more than any tool's schema asks for, and no danger to whoever walks the value. */
export const maxNesting = 100

/** What may stand in JSON outside of strings; anything else says that this is no JSON. */
const outside = /[\s{}[\],:"0-9a-zE+\-.]/

/** Reads one object or array, piece by piece; every character once. */
export class JsonScanner {
  #state: 'open' | 'complete' | 'broken' = 'open'
  #closers = ''
  #inString = false
  #escaped = false

  get state(): 'open' | 'complete' | 'broken' {
    return this.#state
  }

  /**
   * Reads on. The first character ever read is the opening bracket.
   * @returns where reading stopped: after the last bracket, at the character that fits no JSON, or at the text's end
   */
  scan(text: string, from = 0): number {
    for (let at = from; at < text.length; at++) {
      if (this.#inString) this.#string(text.charCodeAt(at))
      else this.#structure(text.charAt(at))
      if (this.#state === 'complete') return at + 1
      if (this.#state === 'broken') return at
    }
    return text.length
  }

  #string(code: number): void {
    if (code < 0x20) this.#state = 'broken'
    else if (this.#escaped) this.#escaped = false
    else if (code === 0x5c) this.#escaped = true
    else if (code === 0x22) this.#inString = false
  }

  #structure(character: string): void {
    if (character === '"') this.#inString = true
    else if (character === '{') this.#open('}')
    else if (character === '[') this.#open(']')
    else if (character === '}' || character === ']') this.#close(character)
    else if (!outside.test(character)) this.#state = 'broken'
  }

  #open(closer: string): void {
    if (this.#closers.length === maxNesting) this.#state = 'broken'
    else this.#closers += closer
  }

  #close(closer: string): void {
    if (!this.#closers.endsWith(closer)) {
      this.#state = 'broken'
      return
    }
    this.#closers = this.#closers.slice(0, -1)
    if (this.#closers === '') this.#state = 'complete'
  }
}

/** @returns the value, keys in their order; undefined when `text` is no JSON or nests deeper than `maxNesting` */
export function parseJson(text: string): unknown {
  const bracket = text.search(/\S/)
  if (/[{[]/.test(text.charAt(bracket)) && !isBalanced(text, bracket)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isBalanced(text: string, from: number): boolean {
  const scanner = new JsonScanner()
  scanner.scan(text, from)
  return scanner.state === 'complete'
}

export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An object's text, or that of nothing at all: a call without arguments. */
export function parseObject(text: string): JsonObject | undefined {
  const value = text.trim() === '' ? {} : parseJson(text)
  return isObject(value) ? value : undefined
}
