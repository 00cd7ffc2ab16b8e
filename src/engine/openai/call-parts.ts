/** Tool calls that arrive in parts. */
import { type Static, Type } from 'typebox'
import type { ToolCall } from '../../../protocols/chat.ts'
import { RemoteError } from '../remote/client.ts'

/** Longest arguments of all calls of one answer, in characters: far more than a context holds. */
const maxLength = 8 * 1024 * 1024

const text = Type.Optional(Type.Union([Type.String(), Type.Null()]))

export const callPart = Type.Object({
  index: Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.Null()])),
  id: text,
  function: Type.Optional(Type.Object({ name: text, arguments: text })),
})
export type CallPart = Static<typeof callPart>

interface OpenCall {
  readonly at: number
  id: string
  name: string
  arguments: string
}

export class CallParts {
  #open: OpenCall | undefined
  #taken = 0
  #length = 0

  /** The call that this part shows to be whole: the one before it, where it begins another. Throws a RemoteError. */
  add({ index, id, function: called }: CallPart): ToolCall[] {
    const open = this.#open
    // A server that does not count begins a call with its id.
    const at = index ?? (id && id !== open?.id ? (open?.at ?? -1) + 1 : (open?.at ?? 0))
    const whole = open !== undefined && open.at !== at ? this.take() : []
    this.#open ??= { at, id: '', name: '', arguments: '' }
    this.#open.id ||= id ?? ''
    this.#open.name ||= called?.name ?? ''
    this.#open.arguments += called?.arguments ?? ''
    this.#length += (called?.arguments ?? '').length
    if (this.#length > maxLength) throw new RemoteError(500, `tool calls of more than ${maxLength} characters`)
    return whole
  }

  /** The last one: the answer is whole. Throws a RemoteError where its arguments are no object. */
  take(): ToolCall[] {
    const open = this.#open
    if (open === undefined) return []
    this.#open = undefined
    const { id, name } = open
    const call = { id, index: this.#taken, name, arguments: argumentsOf(open) }
    this.#taken += 1
    return [call]
  }
}

function argumentsOf({ name, arguments: written }: OpenCall): ToolCall['arguments'] {
  let value: unknown
  try {
    value = JSON.parse(written.trim() || '{}')
  } catch {
    // Said below, the same for what is no JSON and for what is no object.
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as ToolCall['arguments']
  throw new RemoteError(500, `the model called ${name} with arguments that are no JSON object`)
}
