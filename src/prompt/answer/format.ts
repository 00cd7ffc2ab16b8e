/** How models write calls: what a table row says, and what the parsers of `blocks.ts` and `messages.ts` do with it. */
import type { Calls, NamedCall } from './calls.ts'
import type { JsonObject } from './json.ts'

/** A call, or a list of them, that begins with a tag somewhere in the answer. */
interface Block {
  /** The tag before it; empty for JSON that needs none: it counts as the answer's first word, and for known tools. */
  readonly open: string
  /** Tags after it that are part of it, in any order and number, with white space between. */
  readonly close: readonly string[]
}

/** A JSON object or array after the tag; it ends with its last bracket. */
export interface JsonBlock extends Block {
  readonly kind: 'json'
  /**
   * What may stand between the tag and the first `{`; its only group that took part is the tool's name, and the object
   * its arguments. A value that follows the tag at once has the names in itself.
   */
  readonly head?: RegExp
  /** Several values may follow one tag. */
  readonly many?: boolean
}

/** Text of any language, up to the first of the closing tags. */
export interface TextBlock extends Block {
  readonly kind: 'text'
  /** @returns undefined when it is no call */
  readonly read: (body: string, calls: Calls) => readonly NamedCall[] | undefined
  /** Both tags are part of the text. */
  readonly inclusive?: boolean
  /** The closing tag may be missing at the answer's end: engines swallow tags that end a turn. */
  readonly openEnded?: boolean
}

export interface BlockFormat {
  readonly kind: 'blocks'
  readonly blocks: readonly (JsonBlock | TextBlock)[]
  /** Tags around the answer's text that nobody is to see. */
  readonly silent: readonly string[]
}

/** What a message is, by its header. */
export type MessageKind = 'text' | 'thinking' | { readonly tool: string }

/** An answer in messages, each with a header that says whom it is for. */
export interface MessageFormat {
  readonly kind: 'messages'
  /** Tags with which a header begins, wherever they stand. The answer itself begins with a header, without its tag. */
  readonly starts: readonly string[]
  readonly headerEnd: string
  /** Tags that end a message. */
  readonly ends: readonly string[]
  /** Whether text is a header with its end, or can still become one; then so can every beginning of it. */
  readonly plausible: (header: string) => boolean
  readonly read: (header: string, calls: Calls) => MessageKind
  /** The arguments in the body of a call; undefined when it holds none. Absent: they are a JSON object. */
  readonly readBody?: (body: string, tool: string, calls: Calls) => JsonObject | undefined
  /** Only known tools can be called: a header looks like any word. */
  readonly known: boolean
}

export type CallFormat = BlockFormat | MessageFormat
