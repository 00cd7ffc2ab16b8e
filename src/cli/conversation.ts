/** A conversation with a model of a node: what was said so far, and the next answer, piece by piece. */
import { type Static, Type } from 'typebox'
import { type NodeAccess, postLines } from './client.ts'

/** Messages that are kept and sent: the model's context is full long before. */
const maxKept = 1_000

const AnswerLine = Type.Object({
  message: Type.Optional(
    Type.Object({ content: Type.Optional(Type.String()), thinking: Type.Optional(Type.String()) }),
  ),
  done: Type.Boolean(),
})
export type AnswerLine = Static<typeof AnswerLine>

interface Said {
  readonly role: 'user' | 'assistant'
  readonly content: string
}

export class Conversation {
  readonly #node: NodeAccess
  readonly #model: string
  #said: readonly Said[] = []
  /** Replaces the model's own text; undefined: that one. */
  system: string | undefined

  constructor(node: NodeAccess, model: string) {
    this.#node = node
    this.#model = model
  }

  clear(): void {
    this.#said = []
  }

  /** The lines of the answer as they come. What an aborted one had so far is kept. Throws a CommandError. */
  async *ask(content: string, signal: AbortSignal): AsyncGenerator<AnswerLine, void, void> {
    const asked: Said = { role: 'user', content }
    const system = this.system === undefined ? [] : [{ role: 'system', content: this.system }]
    const body = { model: this.#model, messages: [...system, ...this.#said, asked], stream: true }
    let answer = ''
    let failed = true
    try {
      for await (const line of postLines(this.#node, '/api/chat', body, AnswerLine, signal)) {
        answer += line.message?.content ?? ''
        yield line
      }
      failed = false
    } finally {
      // A question that got no answer is none of the conversation.
      if (!failed || answer !== '') {
        this.#said = [...this.#said, asked, { role: 'assistant' as const, content: answer }].slice(-maxKept)
      }
    }
  }
}
