/**
 * Answers in messages with headers, as gpt-oss (harmony), Glimmer and Functionary write them. A header says whether its message
 * is an answer, thoughts or the arguments of a call; headers and the tags around messages are nobody's. The body of a
 * call that has no arguments in it is text after all, with its header, and so is what no header introduces.
 */
import type { Calls } from './calls.ts'
import type { Deltas } from './delta.ts'
import type { MessageFormat, MessageKind } from './format.ts'
import { Held } from './held.ts'
import { parseObject } from './json.ts'
import { Markers } from './markers.ts'

/** Characters of a header; role, channel, recipient and the kind of content have a fifth of that. */
const maxHeaderChars = 512

export class MessageParser {
  readonly #format: MessageFormat
  readonly #calls: Calls
  readonly #headerEnd: Markers
  readonly #bodyEnd: Markers
  /** What the current message is; undefined within a header. */
  #kind: MessageKind | undefined
  /** The tag with which the current header began; undefined for the answer's first, which has none. */
  #start: string | undefined
  #pending = ''
  /** A call as written, while it arrives: its header and its body. */
  readonly #raw = new Held()
  #headerLength = 0
  #thinks = true

  constructor(format: MessageFormat, calls: Calls) {
    this.#format = format
    this.#calls = calls
    this.#headerEnd = new Markers([format.headerEnd])
    this.#bodyEnd = new Markers([...format.starts, ...format.ends])
  }

  /** Whether no message but thoughts has begun yet. */
  get thinks(): boolean {
    return this.#thinks
  }

  push(piece: string, out: Deltas): void {
    let rest = this.#pending + piece
    this.#pending = ''
    while (rest !== '') {
      rest = this.#kind === undefined ? this.#readHeader(rest, out) : this.#readBody(rest, this.#kind, out)
    }
  }

  finish(out: Deltas): void {
    if (this.#kind !== undefined) this.#endBody(this.#kind, this.#pending, out)
    else if (!this.#format.starts.some((start) => this.#pending.startsWith(start))) out.text(this.#pending)
    this.#pending = ''
  }

  #readHeader(text: string, out: Deltas): string {
    const window = text.slice(0, maxHeaderChars)
    const found = this.#headerEnd.find(window)
    const header = window.slice(0, found?.at)
    if (this.#format.plausible(header + (found?.marker ?? ''))) {
      const kind = found === undefined ? undefined : this.#kindOf(header)
      if (found !== undefined && kind !== undefined) {
        this.#begin(kind, header + found.marker)
        return text.slice(found.at + found.marker.length)
      }
      if (found === undefined && window.length < maxHeaderChars) {
        this.#pending = text
        return ''
      }
    }
    out.text(this.#start ?? '')
    const length = this.#start?.length ?? 0
    this.#begin('text', '')
    return text.slice(length)
  }

  /** @returns undefined for what is no header: it names no tool */
  #kindOf(header: string): MessageKind | undefined {
    const kind = this.#format.read(header, this.#calls)
    if (typeof kind === 'string') return kind
    if (this.#format.known) return this.#calls.knows(kind.tool) ? kind : undefined
    return this.#calls.offered ? kind : 'text'
  }

  #begin(kind: MessageKind, header: string): void {
    if (typeof kind === 'object') {
      this.#raw.add(header)
      this.#headerLength = header.length
    }
    this.#kind = kind
    if (kind !== 'thinking') this.#thinks = false
  }

  #readBody(text: string, kind: MessageKind, out: Deltas): string {
    const found = this.#bodyEnd.find(text)
    const end = found?.at ?? text.length - this.#bodyEnd.partial(text)
    if (typeof kind === 'object') return this.#readCall(text, kind, end, out)
    this.#show(kind, text.slice(0, end), out)
    return this.#pass(text, end, found?.marker)
  }

  #readCall(text: string, kind: { readonly tool: string }, end: number, out: Deltas): string {
    const kept = text.slice(0, Math.min(end, this.#raw.room + 1))
    this.#raw.add(kept)
    if (this.#raw.overflows) {
      out.text(this.#raw.take())
      this.#kind = 'text'
      return text.slice(kept.length)
    }
    const marker = this.#bodyEnd.leading(text.slice(end, end + this.#bodyEnd.longest))
    if (marker !== undefined) this.#endBody(kind, '', out)
    return this.#pass(text, end, marker)
  }

  /** Goes on behind the tag at `end`, or waits for the rest of it. */
  #pass(text: string, end: number, marker: string | undefined): string {
    if (marker === undefined) {
      this.#pending = text.slice(end)
      return ''
    }
    const starts = this.#format.starts.includes(marker)
    this.#kind = starts ? undefined : 'text'
    this.#start = starts ? marker : undefined
    // A starting tag may say something about its message, so the header keeps it.
    return text.slice(starts ? end : end + marker.length)
  }

  #endBody(kind: MessageKind, rest: string, out: Deltas): void {
    if (typeof kind !== 'object') {
      this.#show(kind, rest, out)
      return
    }
    const raw = this.#raw.take() + rest
    const { readBody = parseObject } = this.#format
    const args = readBody(raw.slice(this.#headerLength), kind.tool, this.#calls)
    const made = args === undefined ? undefined : this.#calls.make([{ name: kind.tool, args }])
    if (made === undefined) out.text(raw)
    else out.calls(made)
  }

  #show(kind: 'text' | 'thinking', text: string, out: Deltas): void {
    if (kind === 'thinking') out.thinking(text)
    else out.text(text)
  }
}
