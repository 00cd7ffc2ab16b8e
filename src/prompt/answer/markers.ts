/** Finding tags in text that arrives in pieces, and white space as Ollama sees it. */

export interface Found {
  readonly at: number
  readonly marker: string
}

/** A set of tags, none of which begins another. One pass finds the first of them, so that many tags cost as one. */
export class Markers {
  readonly #markers: readonly string[]
  readonly #pattern: RegExp
  readonly #firsts: string
  readonly #longest: number

  constructor(markers: readonly string[]) {
    this.#markers = markers
    const escaped = markers.map((marker) => marker.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
    // An empty set matches nothing.
    this.#pattern = new RegExp(escaped.length === 0 ? '(?!)' : escaped.join('|'))
    this.#firsts = markers.map((marker) => marker.charAt(0)).join('')
    this.#longest = Math.max(0, ...markers.map((marker) => marker.length))
  }

  /** Characters that a tag has at most. */
  get longest(): number {
    return this.#longest
  }

  find(text: string): Found | undefined {
    const match = this.#pattern.exec(text)
    return match === null ? undefined : { at: match.index, marker: match[0] }
  }

  /** The tag that `text` begins with. */
  leading(text: string): string | undefined {
    return this.#markers.find((marker) => text.startsWith(marker))
  }

  /** Whether more text may turn all of `text` into a tag. */
  mayBecome(text: string): boolean {
    return this.#markers.some((marker) => marker.length > text.length && marker.startsWith(text))
  }

  /** Length of the longest end of `text` that begins a tag. */
  partial(text: string): number {
    for (let at = Math.max(0, text.length - this.#longest + 1); at < text.length; at++) {
      if (this.#firsts.includes(text.charAt(at)) && this.mayBecome(text.slice(at))) return text.length - at
    }
    return 0
  }
}

const rareSpace = /[\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/

/** By code, since this looks at every character of an answer's white space more than once. */
function isSpace(code: number): boolean {
  if (code < 0x80) return code === 0x20 || (code >= 0x09 && code <= 0x0d)
  return rareSpace.test(String.fromCharCode(code))
}

/** Where the first character that is no white space stands; the length if there is none. */
export function spaceEnd(text: string): number {
  let at = 0
  while (at < text.length && isSpace(text.charCodeAt(at))) at += 1
  return at
}

/** Where the white space at the end begins. */
export function trailingSpace(text: string): number {
  let at = text.length
  while (at > 0 && isSpace(text.charCodeAt(at - 1))) at -= 1
  return at
}

export function trimStart(text: string): string {
  return text.slice(spaceEnd(text))
}

export function trim(text: string): string {
  return trimStart(text.slice(0, trailingSpace(text)))
}
