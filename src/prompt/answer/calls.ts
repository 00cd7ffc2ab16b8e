/** From what a model wrote to calls: their names, arguments, ids and order. */
import type { Tool, ToolCall } from '../../../protocols/chat.ts'
import { isObject, type JsonObject, maxNesting, parseObject } from './json.ts'

/** Calls of one answer; nobody runs more, and a model that repeats itself would never end. */
const maxCalls = 256

const idAlphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'
const idLength = 8

/** A call as the model wrote it. */
export interface NamedCall {
  readonly name: string
  readonly args: JsonObject
}

/** Numbers one answer's calls and knows the tools that it may call. */
export class Calls {
  readonly #tools: ReadonlyMap<string, Tool>
  readonly #random: () => number
  #count = 0

  /** @param random numbers from 0 up to 1, for the ids */
  constructor(tools: readonly Tool[], random: () => number) {
    this.#tools = new Map(tools.map((tool) => [tool.function.name, tool]))
    this.#random = random
  }

  get count(): number {
    return this.#count
  }

  /** Whether any tool may be called. */
  get offered(): boolean {
    return this.#tools.size > 0
  }

  knows(name: string): boolean {
    return this.#tools.has(name)
  }

  /** The JSON Schemas of a tool's arguments by name. */
  properties(name: string): JsonObject {
    const properties = this.#tools.get(name)?.function.parameters?.properties
    return isObject(properties) ? properties : {}
  }

  /** The tool whose name comes first in `text`; the longest where several begin at one place. */
  firstNamed(text: string): string | undefined {
    let first: { name: string; at: number } | undefined
    for (const name of this.#tools.keys()) {
      const at = name === '' ? -1 : text.indexOf(name)
      if (at < 0) continue
      const better = first === undefined || at < first.at || (at === first.at && name.length > first.name.length)
      if (better) first = { name, at }
    }
    return first?.name
  }

  /** @returns undefined when the answer has no room for all of them */
  make(calls: readonly NamedCall[]): readonly ToolCall[] | undefined {
    if (this.#count + calls.length > maxCalls) return undefined
    return calls.map(({ name, args }) => ({ id: this.#id(), index: this.#count++, name, arguments: args }))
  }

  #id(): string {
    const letters = Array.from({ length: idLength }, () => idAlphabet[Math.floor(this.#random() * idAlphabet.length)])
    return `call_${letters.join('')}`
  }
}

/**
 * Calls in a JSON value: one, or an array of them, in any of the shapes that models were trained on
 * (`name`, `tool_name` or `function`; `arguments` or `parameters`, as an object or as its text; `{"tool": {…}}`).
 * @returns undefined when any of it is no call
 */
export function callsOf(value: unknown, calls: Calls): readonly NamedCall[] | undefined {
  const values = Array.isArray(value) ? value : [value]
  const found = values.map((one) => callOf(one, calls))
  const complete = found.filter((call) => call !== undefined)
  return complete.length > 0 && complete.length === found.length ? complete : undefined
}

function callOf(value: unknown, calls: Calls): NamedCall | undefined {
  if (!isObject(value)) return undefined
  if (isObject(value.function)) return callOf(value.function, calls)
  const name = [value.name, value.tool_name, value.function].find((one) => typeof one === 'string')
  if (name !== undefined) {
    const args = argumentsOf(value)
    return args === undefined ? undefined : { name, args }
  }
  const [only, ...others] = Object.entries(value)
  if (only === undefined || others.length > 0 || !calls.knows(only[0]) || !isObject(only[1])) return undefined
  return { name: only[0], args: only[1] }
}

/** A call's arguments: none where the model wrote none; undefined where it wrote something else. */
function argumentsOf(call: JsonObject): JsonObject | undefined {
  const args = call.arguments ?? call.parameters ?? {}
  return typeof args === 'string' ? parseObject(args) : isObject(args) ? args : undefined
}

/**
 * A tool's arguments somewhere in an object, as Ollama finds them: those of the first object with a `name`, or what
 * stands under the tool's own name; the whole object if there is neither.
 */
export function argumentsWithin(object: JsonObject, name: string): JsonObject {
  return searched(object, name, maxNesting) ?? object
}

function searched(value: unknown, name: string, depth: number): JsonObject | undefined {
  if (depth === 0) return undefined
  if (Array.isArray(value)) return firstOf(value, name, depth)
  if (!isObject(value)) return undefined
  if (Object.hasOwn(value, 'name')) return argumentsOf(value) ?? {}
  const own = Object.hasOwn(value, name) ? value[name] : undefined
  const named = typeof own === 'string' ? parseObject(own) : own
  return isObject(named) ? named : firstOf(Object.values(value), name, depth)
}

function firstOf(values: readonly unknown[], name: string, depth: number): JsonObject | undefined {
  for (const value of values) {
    const found = searched(value, name, depth - 1)
    if (found !== undefined) return found
  }
  return undefined
}
