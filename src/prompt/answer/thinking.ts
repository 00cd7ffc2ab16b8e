/**
 * Thoughts between tags, by the rules of Ollama's thinking parser: the answer thinks if its first word is the opening
 * tag, or if the prompt ended with it; white space after either tag is nobody's; everything else is an answer.
 */
import { Markers, spaceEnd, trimStart } from './markers.ts'

/** How a model tells its thoughts from its answer. */
export interface ThinkingTags {
  readonly open: string
  readonly close: string
}

/** What a piece adds to either side. */
export interface Thought {
  readonly thinking: string
  readonly content: string
}

/** White space that is kept while the opening tag may still come, in characters; models write a line break or two. */
const maxLeadingSpace = 256

type Phase = 'opening' | 'started' | 'thinking' | 'ended' | 'answering'

export class ThinkingParser {
  readonly #open: string
  readonly #close: Markers
  #phase: Phase
  #held = ''

  /** @param started the prompt ended with the opening tag */
  constructor(tags: ThinkingTags, started: boolean) {
    this.#open = tags.open
    this.#close = new Markers([tags.close])
    this.#phase = started ? 'started' : 'opening'
  }

  /** Whether thoughts may still come; false from the piece on that closes them or does not begin with them. */
  get thinks(): boolean {
    return this.#phase === 'opening' || this.#phase === 'started' || this.#phase === 'thinking'
  }

  push(piece: string): Thought {
    if (this.#phase === 'answering') return { thinking: '', content: piece }
    const text = this.#held + piece
    this.#held = ''
    return this.#read(text)
  }

  /** The answer has ended: what was held is what it seemed to be. */
  finish(): Thought {
    const held = this.#held
    this.#held = ''
    return this.#phase === 'thinking' ? { thinking: held, content: '' } : { thinking: '', content: held }
  }

  #read(text: string): Thought {
    switch (this.#phase) {
      case 'opening':
        return this.#readOpening(text)
      case 'started': {
        const rest = trimStart(text)
        if (rest === '') return nothing
        this.#phase = 'thinking'
        return this.#readThinking(rest)
      }
      case 'thinking':
        return this.#readThinking(text)
      default:
        return { thinking: '', content: this.#begin(text) }
    }
  }

  #readOpening(text: string): Thought {
    const from = spaceEnd(text)
    if (from <= maxLeadingSpace) {
      if (text.startsWith(this.#open, from)) {
        this.#phase = 'started'
        return this.#read(text.slice(from + this.#open.length))
      }
      if (this.#open.startsWith(text.slice(from))) {
        this.#held = text
        return nothing
      }
    }
    this.#phase = 'answering'
    return { thinking: '', content: text }
  }

  #readThinking(text: string): Thought {
    const found = this.#close.find(text)
    if (found !== undefined) {
      this.#phase = 'ended'
      return { thinking: text.slice(0, found.at), content: this.#begin(text.slice(found.at + found.marker.length)) }
    }
    const end = text.length - this.#close.partial(text)
    this.#held = text.slice(end)
    return { thinking: text.slice(0, end), content: '' }
  }

  /** The answer's first words, without the white space before them. */
  #begin(text: string): string {
    const content = trimStart(text)
    if (content !== '') this.#phase = 'answering'
    return content
  }
}

const nothing: Thought = { thinking: '', content: '' }
