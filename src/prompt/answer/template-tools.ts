/**
 * Calls of models with a Go template, by the rules of Ollama's tool parser:
 * - Text before the tag is the answer. The tags `{` and `[` count only as the answer's first word; otherwise there are
 *   no calls in it.
 * - After the tag, a call is a JSON object together with the name of a known tool in it or before it; the first name
 *   counts, the longest where several begin at one place. Its arguments are those of the first object with a `name`,
 *   or what stands under the tool's own name, or all of it. Objects without the name of a tool are no calls.
 * - What follows a call and is no call (closing tags, commas) belongs to nobody.
 * - An object or array that began with the tag `{` or `[` and has no call in it is the answer after all, as is all that
 *   follows. After any other tag without a call, the text is the answer when it ends (Ollama drops it there).
 */
import { argumentsWithin, type Calls } from './calls.ts'
import type { Deltas } from './delta.ts'
import { Held } from './held.ts'
import { isObject, JsonScanner, parseJson } from './json.ts'
import { Markers, spaceEnd } from './markers.ts'

type Phase = 'looking' | 'calling' | 'answering'

export class TemplateTools {
  readonly #tag: string
  readonly #markers: Markers
  readonly #calls: Calls
  #phase: Phase = 'looking'
  #partial = ''
  /** Everything since the tag, until the first call. */
  readonly #unsure = new Held()
  /** Everything since the last object: where a call's name is looked for. */
  readonly #region = new Held()
  #object: JsonScanner | undefined
  /** Where in that text the object begins. */
  #objectAt = 0
  /** Of the tag `[`: arrays that are open outside of objects. */
  #arrays = 0

  constructor(tag: string, calls: Calls) {
    this.#tag = tag
    this.#markers = new Markers([tag])
    this.#calls = calls
  }

  push(piece: string, out: Deltas): void {
    let rest = this.#partial + piece
    this.#partial = ''
    if (this.#phase === 'looking') rest = this.#look(rest, out)
    while (rest !== '' && this.#phase === 'calling') rest = this.#read(rest, out)
    out.text(rest)
  }

  finish(out: Deltas): void {
    out.text(this.#partial)
    this.#partial = ''
    out.text(this.#unsure.take())
  }

  get #isBracket(): boolean {
    return this.#tag === '{' || this.#tag === '['
  }

  /** @returns what is left for the phase that follows */
  #look(text: string, out: Deltas): string {
    if (this.#isBracket) return this.#lookAtStart(text, out)
    const found = this.#markers.find(text)
    if (found === undefined) {
      const end = text.length - this.#markers.partial(text)
      this.#partial = text.slice(end)
      out.text(text.slice(0, end))
      return ''
    }
    out.text(text.slice(0, found.at))
    this.#unsure.add(found.marker)
    this.#phase = 'calling'
    return text.slice(found.at + found.marker.length)
  }

  #lookAtStart(text: string, out: Deltas): string {
    const from = spaceEnd(text)
    out.text(text.slice(0, from))
    if (from < text.length) this.#phase = text.startsWith(this.#tag, from) ? 'calling' : 'answering'
    return text.slice(from)
  }

  #read(text: string, out: Deltas): string {
    // No further than may be kept, so that it makes no difference how the text was cut.
    const window = text.slice(0, Math.min(this.#unsure.room, this.#region.room) + 1)
    const end = this.#object === undefined ? this.#readBetween(window) : this.#object.scan(window)
    this.#keep(window.slice(0, end))
    if (this.#object?.state === 'complete') this.#end(out)
    else if (this.#object?.state === 'broken') this.#object = undefined
    else if (this.#object === undefined && this.#closed(window.charAt(end - 1))) this.#surrender(out)
    if (this.#unsure.overflows) this.#surrender(out)
    return text.slice(end)
  }

  /** @returns where the next object begins, or just after a closing bracket of the tag `[` */
  #readBetween(text: string): number {
    for (let at = 0; at < text.length; at++) {
      const character = text.charAt(at)
      if (character === '{') {
        this.#object = new JsonScanner()
        this.#objectAt = this.#region.length + at
        return at
      }
      if (character === '[') this.#arrays += 1
      else if (character === ']') {
        this.#arrays -= 1
        return at + 1
      }
    }
    return text.length
  }

  #closed(last: string): boolean {
    return this.#tag === '[' && last === ']' && this.#arrays === 0 && this.#calls.count === 0
  }

  #keep(text: string): void {
    if (this.#calls.count === 0) this.#unsure.add(text)
    this.#region.add(text)
    // Without a call yet, `unsure` is longer and ends the search; after one, so long a text holds no further call.
    if (this.#region.overflows) {
      this.#region.take()
      this.#object = undefined
    }
  }

  /** An object is complete. */
  #end(out: Deltas): void {
    this.#object = undefined
    const region = this.#region.take()
    const name = this.#calls.firstNamed(region)
    const object = parseJson(region.slice(this.#objectAt))
    const made =
      name !== undefined && isObject(object)
        ? this.#calls.make([{ name, args: argumentsWithin(object, name) }])
        : undefined
    if (made !== undefined) {
      this.#unsure.take()
      out.calls(made)
    } else if (this.#tag === '{' && this.#calls.count === 0) this.#surrender(out)
  }

  /** No call after all. */
  #surrender(out: Deltas): void {
    out.text(this.#unsure.take())
    this.#phase = 'answering'
  }
}
