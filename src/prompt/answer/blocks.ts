/**
 * Calls between tags. One parser for every model that writes them so; what differs is a row in `formats.ts`.
 * White space before a call and after it is nobody's. What turns out to be no call is text, with its tags; nothing else
 * is ever lost.
 */
import { type Calls, callsOf, type NamedCall } from './calls.ts'
import type { Deltas } from './delta.ts'
import type { BlockFormat, JsonBlock, TextBlock } from './format.ts'
import { Held } from './held.ts'
import { isObject, JsonScanner, parseJson } from './json.ts'
import { Markers, spaceEnd, trailingSpace, trimStart } from './markers.ts'

/** White space that is held back because a call may follow, in characters; models write a line break or two. */
const maxHeldSpace = 256

/** Between a tag and the first bracket, in characters: a tool's name and tags. */
const maxHeadChars = 512

type State =
  | { readonly kind: 'text' }
  | { readonly kind: 'after'; readonly block: JsonBlock | TextBlock; readonly close: Markers }
  | { readonly kind: 'head'; readonly block: JsonBlock; readonly open: string }
  | { readonly kind: 'value'; readonly block: JsonBlock; readonly head: Head; readonly json: JsonScanner }
  | { readonly kind: 'body'; readonly block: TextBlock; readonly close: Markers }

/** What came before a value: the tool's name, if it named one, and how many characters of the raw text it took. */
interface Head {
  readonly name: string | undefined
  readonly length: number
}

export class BlockParser {
  readonly #format: BlockFormat
  readonly #calls: Calls
  readonly #markers: Markers
  /** JSON without a tag; undefined as soon as something else was the first word. */
  #bare: JsonBlock | undefined
  #state: State = { kind: 'text' }
  /** Text whose meaning the next piece decides: white space and the beginning of a tag, or a call's head. */
  #pending = ''
  /** A call as written, while it arrives. */
  readonly #raw = new Held()

  constructor(format: BlockFormat, calls: Calls) {
    this.#format = format
    this.#calls = calls
    const blocks = calls.offered ? format.blocks : []
    const opens = blocks.map(({ open }) => open).filter((open) => open !== '')
    this.#markers = new Markers([...opens, ...format.silent])
    this.#bare = blocks.filter((block) => block.kind === 'json').find(({ open }) => open === '')
  }

  push(piece: string, out: Deltas): void {
    let rest = this.#pending + piece
    this.#pending = ''
    while (rest !== '') rest = this.#step(rest, out)
  }

  finish(out: Deltas): void {
    const state = this.#state
    if (state.kind === 'head') out.text(state.open + this.#pending)
    else if (state.kind === 'body') this.#endBody(state.block, '', out)
    else if (state.kind === 'value') out.text(this.#raw.take())
    else if (state.kind === 'text') out.text(this.#pending)
    this.#pending = ''
    this.#state = { kind: 'text' }
  }

  /** @returns what is left after one step; what it waits with is pending or raw */
  #step(text: string, out: Deltas): string {
    const state = this.#state
    switch (state.kind) {
      case 'text':
        return this.#bare === undefined ? this.#readText(text, out) : this.#readStart(text, this.#bare)
      case 'after':
        return this.#readAfter(text, state.block, state.close)
      case 'head':
        return this.#readHead(text, state.block, state.open, out)
      case 'value':
        return this.#readValue(text, state, out)
      case 'body':
        return this.#readBody(text, state.block, state.close, out)
    }
  }

  #readStart(text: string, bare: JsonBlock): string {
    const from = spaceEnd(text)
    if (from === text.length && from <= maxHeldSpace) return this.#wait(text)
    this.#bare = undefined
    if (from > maxHeldSpace || !isBracket(text.charAt(from))) return text
    this.#state = { kind: 'head', block: bare, open: text.slice(0, from) }
    return text.slice(from)
  }

  #readText(text: string, out: Deltas): string {
    const found = this.#markers.find(text)
    const end = found?.at ?? text.length - this.#markers.partial(text)
    if (found !== undefined && this.#format.silent.includes(found.marker)) {
      out.text(text.slice(0, end))
      return text.slice(end + found.marker.length)
    }
    const spaceFrom = Math.max(trailingSpace(text.slice(0, end)), end - maxHeldSpace)
    out.text(text.slice(0, spaceFrom))
    if (found === undefined) return this.#wait(text.slice(spaceFrom))
    const block = this.#format.blocks.find(({ open }) => open === found.marker)
    if (block !== undefined) this.#open(block, text.slice(spaceFrom, end))
    return text.slice(end + found.marker.length)
  }

  #open(block: JsonBlock | TextBlock, space: string): void {
    if (block.kind === 'json') this.#state = { kind: 'head', block, open: space + block.open }
    else {
      this.#raw.add(space)
      this.#raw.add(block.open)
      this.#state = { kind: 'body', block, close: new Markers(block.close) }
    }
  }

  /** A call has been made: what still belongs to it is passed over. */
  #readAfter(text: string, block: JsonBlock | TextBlock, close: Markers): string {
    const rest = trimStart(text)
    if (rest === '') return ''
    const closing = close.leading(rest)
    if (closing !== undefined) return rest.slice(closing.length)
    if (close.mayBecome(rest)) return this.#wait(rest)
    const another = block.kind === 'json' && block.many === true && isBracket(rest.charAt(0))
    this.#state = another ? { kind: 'head', block, open: '' } : { kind: 'text' }
    return rest
  }

  #readHead(text: string, block: JsonBlock, open: string, out: Deltas): string {
    const window = text.slice(0, maxHeadChars + 1)
    const from = spaceEnd(window)
    const first = window.charAt(from)
    const at = isBracket(first) ? from : window.indexOf('{')
    if (at < 0 && window.length <= maxHeadChars && (first === '' || block.head !== undefined)) return this.#wait(text)
    const name = at <= from ? undefined : nameIn(window.slice(0, at), block)
    if (at !== from && name === undefined) return this.#refuse(text, open, out)
    this.#raw.add(open)
    this.#raw.add(window.slice(0, at))
    this.#state = { kind: 'value', block, head: { name, length: open.length + at }, json: new JsonScanner() }
    return text.slice(at)
  }

  /** The tag did not begin a call; what follows it may hold another one. */
  #refuse(text: string, open: string, out: Deltas): string {
    out.text(open)
    this.#state = { kind: 'text' }
    return text
  }

  #readValue(text: string, state: State & { kind: 'value' }, out: Deltas): string {
    const window = text.slice(0, this.#raw.room + 1)
    const end = state.json.scan(window)
    const value = window.slice(0, end)
    this.#raw.add(value)
    if (state.json.state === 'complete') this.#endValue(state, out)
    else if (state.json.state === 'broken' || this.#raw.overflows) this.#surrender(out)
    return text.slice(end)
  }

  #endValue({ block, head }: State & { kind: 'value' }, out: Deltas): void {
    const raw = this.#raw.take()
    const value = parseJson(raw.slice(head.length))
    const calls = head.name === undefined ? callsOf(value, this.#calls) : argumentsOf(head.name, value)
    const known = block.open !== '' || calls?.every((call) => this.#calls.knows(call.name)) === true
    this.#settle(known ? calls : undefined, raw, block, out)
  }

  #readBody(text: string, block: TextBlock, close: Markers, out: Deltas): string {
    const found = close.find(text)
    const end = found?.at ?? text.length - close.partial(text)
    const kept = text.slice(0, Math.min(end, this.#raw.room + 1))
    this.#raw.add(kept)
    if (this.#raw.overflows) this.#surrender(out)
    else if (found === undefined) return this.#wait(text.slice(kept.length))
    else this.#endBody(block, found.marker, out)
    return text.slice(kept.length)
  }

  /** @param marker the closing tag, or nothing at the answer's end */
  #endBody(block: TextBlock, marker: string, out: Deltas): void {
    const raw = this.#raw.take()
    const from = raw.indexOf(block.open)
    const body = block.inclusive === true ? raw.slice(from) + marker : raw.slice(from + block.open.length)
    const complete = marker !== '' || block.openEnded === true
    this.#settle(complete ? block.read(body, this.#calls) : undefined, raw + this.#pending, block, out)
  }

  /** Calls that were recognised are made; everything else is text. */
  #settle(calls: readonly NamedCall[] | undefined, raw: string, block: JsonBlock | TextBlock, out: Deltas): void {
    const made = calls === undefined ? undefined : this.#calls.make(calls)
    if (made === undefined) {
      out.text(raw)
      this.#state = { kind: 'text' }
      return
    }
    out.calls(made)
    this.#state = { kind: 'after', block, close: new Markers(block.close) }
  }

  #surrender(out: Deltas): void {
    out.text(this.#raw.take())
    this.#state = { kind: 'text' }
  }

  #wait(text: string): '' {
    this.#pending = text
    return ''
  }
}

function isBracket(character: string): boolean {
  return character === '{' || character === '['
}

/** The tool that a head names. */
function nameIn(head: string, block: JsonBlock): string | undefined {
  return block.head
    ?.exec(head)
    ?.slice(1)
    .find((group) => group !== undefined)
    ?.trim()
}

function argumentsOf(name: string, value: unknown): readonly NamedCall[] | undefined {
  return isObject(value) ? [{ name, args: value }] : undefined
}
