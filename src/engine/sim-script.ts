/** What a test wants a simulated model to say: written into the prompt, or made up to fit a format. */
import type { Format } from '../../protocols/chat.ts'
import { schemaGrammar } from './grammar/json-schema.ts'

/** `⟦…⟧` in a prompt: the answer is what stands in the last one. Rare enough to mean nothing else. */
const script = /⟦([^⟦⟧]*)⟧(?![\s\S]*⟦)/

/** Schemas inside schemas that are followed: enough for tests, and an end for one that contains itself. */
const maxDepth = 16

export function scriptedAnswer(prompt: string): string | undefined {
  return script.exec(prompt)?.[1]
}

/** A small value of the format. Throws a SchemaError for what no engine could follow. */
export function simInstance(format: Format): unknown {
  if (format === 'json') return { simulated: true }
  schemaGrammar(format)
  return instanceOf(format, 0)
}

function instanceOf(schema: unknown, depth: number): unknown {
  if (typeof schema !== 'object' || schema === null || depth > maxDepth) return null
  const { type, enum: choices, properties, items, const: only, minimum } = schema as Record<string, unknown>
  if (only !== undefined) return only
  if (Array.isArray(choices)) return choices[0]
  switch (Array.isArray(type) ? type[0] : type) {
    case 'string':
      return 'text'
    case 'integer':
    case 'number':
      return minimum ?? 1
    case 'boolean':
      return true
    case 'array':
      return [instanceOf(items, depth + 1)]
    case 'null':
      return null
    default: {
      const fields = Object.entries((properties ?? {}) as Record<string, unknown>)
      return Object.fromEntries(fields.map(([name, inner]) => [name, instanceOf(inner, depth + 1)]))
    }
  }
}
