/** A model's raw text, piece by piece, told apart into answer, thoughts and calls. */
import type { Tool } from '../../../protocols/chat.ts'
import { BlockParser } from './blocks.ts'
import { Calls } from './calls.ts'
import { type Delta, Deltas } from './delta.ts'
import type { CallFormat } from './format.ts'
import { type CallFormatName, callFormats } from './formats.ts'
import { MessageParser } from './messages.ts'
import { TemplateTools } from './template-tools.ts'
import { ThinkingParser, type ThinkingTags } from './thinking.ts'

export interface AnswerParserInit {
  /** What may be called; without any, no text is a call. */
  readonly tools: readonly Tool[]
  /** How the model writes calls: a known format, or the tag that its Go template puts before them. */
  readonly calls?: CallFormatName | { readonly tag: string }
  /** How it writes thoughts, where they are to be told apart; `started` when the prompt ended with the opening tag. */
  readonly thinking?: ThinkingTags & { readonly started: boolean }
  /** Numbers from 0 up to 1, for the ids of calls. */
  readonly random: () => number
}

export interface AnswerParser {
  /**
   * Whether thoughts may still come. Where an answer has a format, it holds from the first piece after which this is
   * false; text of that piece itself was written without it.
   */
  readonly thinks: boolean
  push(piece: string): readonly Delta[]
  /** The answer has ended: what was held back, whatever it turned out to be. */
  finish(): readonly Delta[]
}

/** What reads the text that is no thought. */
interface Stage {
  push(piece: string, out: Deltas): void
  finish(out: Deltas): void
}

/** @returns the least that the answer needs: nothing at all where there are no tools and no thoughts */
export function createAnswerParser(init: AnswerParserInit): AnswerParser {
  const calls = new Calls(init.tools, init.random)
  const format = typeof init.calls === 'string' ? callFormats[init.calls] : undefined
  if (format?.kind === 'messages') return new Messages(new MessageParser(format, calls))
  const stage = stageFor(init.calls, format, calls)
  const thinking = init.thinking === undefined ? undefined : new ThinkingParser(init.thinking, init.thinking.started)
  return stage === undefined && thinking === undefined ? plain : new Staged(thinking, stage)
}

/** The tags that tell the parts of an answer apart: an engine must show them, also where they are control tokens. */
export function tagsRead({ calls, thinking }: Pick<AnswerParserInit, 'calls' | 'thinking'>): readonly string[] {
  const tags = thinking === undefined ? [] : [thinking.open, thinking.close]
  if (typeof calls === 'object') return [...tags, calls.tag]
  if (calls === undefined) return tags
  const format = callFormats[calls]
  if (format.kind === 'messages') return [...tags, ...format.starts, format.headerEnd, ...format.ends]
  return [...tags, ...format.silent, ...format.blocks.flatMap(({ open, close }) => [open, ...close])].filter(
    (tag) => tag !== '',
  )
}

function stageFor(how: AnswerParserInit['calls'], format: CallFormat | undefined, calls: Calls): Stage | undefined {
  if (format?.kind === 'blocks') {
    return calls.offered || format.silent.length > 0 ? new BlockParser(format, calls) : undefined
  }
  return calls.offered && typeof how === 'object' ? new TemplateTools(how.tag, calls) : undefined
}

/** Everything is answer. This runs for every token of most answers, so it looks at nothing. */
const plain: AnswerParser = {
  thinks: false,
  push: (text) => [{ text }],
  finish: () => [],
}

class Staged implements AnswerParser {
  readonly #thinking: ThinkingParser | undefined
  readonly #stage: Stage | undefined
  readonly #out = new Deltas()

  constructor(thinking: ThinkingParser | undefined, stage: Stage | undefined) {
    this.#thinking = thinking
    this.#stage = stage
  }

  get thinks(): boolean {
    return this.#thinking?.thinks === true
  }

  push(piece: string): readonly Delta[] {
    if (this.#thinking === undefined) this.#read(piece)
    else {
      const { thinking, content } = this.#thinking.push(piece)
      this.#out.thinking(thinking)
      this.#read(content)
    }
    return this.#out.take()
  }

  finish(): readonly Delta[] {
    const rest = this.#thinking?.finish()
    if (rest !== undefined) {
      this.#out.thinking(rest.thinking)
      this.#read(rest.content)
    }
    this.#stage?.finish(this.#out)
    return this.#out.take()
  }

  #read(content: string): void {
    if (content === '') return
    if (this.#stage === undefined) this.#out.text(content)
    else this.#stage.push(content, this.#out)
  }
}

class Messages implements AnswerParser {
  readonly #parser: MessageParser
  readonly #out = new Deltas()

  constructor(parser: MessageParser) {
    this.#parser = parser
  }

  get thinks(): boolean {
    return this.#parser.thinks
  }

  push(piece: string): readonly Delta[] {
    this.#parser.push(piece, this.#out)
    return this.#out.take()
  }

  finish(): readonly Delta[] {
    this.#parser.finish(this.#out)
    return this.#out.take()
  }
}
