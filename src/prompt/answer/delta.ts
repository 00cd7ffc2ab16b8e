/** What a piece of an answer adds, told apart: words for the reader, thoughts, and complete calls. */
import type { ToolCall } from '../../../protocols/chat.ts'

export interface Delta {
  readonly text?: string
  readonly thinking?: string
  readonly toolCalls?: readonly ToolCall[]
}

/** Deltas in the order of the answer; neighbours of one kind are one. */
export class Deltas {
  #list: Delta[] = []

  text(text: string): void {
    if (text === '') return
    const last = this.#list.at(-1)?.text
    if (last === undefined) this.#list.push({ text })
    else this.#list[this.#list.length - 1] = { text: last + text }
  }

  thinking(thinking: string): void {
    if (thinking === '') return
    const last = this.#list.at(-1)?.thinking
    if (last === undefined) this.#list.push({ thinking })
    else this.#list[this.#list.length - 1] = { thinking: last + thinking }
  }

  calls(toolCalls: readonly ToolCall[]): void {
    if (toolCalls.length === 0) return
    const last = this.#list.at(-1)?.toolCalls
    if (last === undefined) this.#list.push({ toolCalls })
    else this.#list[this.#list.length - 1] = { toolCalls: [...last, ...toolCalls] }
  }

  /** Hands over what has gathered. */
  take(): readonly Delta[] {
    const list = this.#list
    this.#list = []
    return list
  }
}
