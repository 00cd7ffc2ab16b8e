/** Runs rows against a server, one after another: some make models, and some unload them. */
import { setTimeout as pause } from 'node:timers/promises'
import { displayName, fullName, parseModelName } from '../../protocols/model-name.ts'
import { differences, type Matcher } from './match.ts'
import type { Models } from './models.ts'
import type { Expectation, Row, Step } from './row.ts'
import type { Answer, Server } from './server.ts'

export type Outcome =
  | { readonly kind: 'same' }
  | { readonly kind: 'differs'; readonly differences: readonly string[] }
  | { readonly kind: 'skipped'; readonly reason: string }

export interface Target {
  readonly server: Server
  readonly models: Models
  /** How long a list may take to show what was done elsewhere in a cluster; 0: not at all. */
  readonly settleMs: number
}

/** Between two looks at a list. */
const lookMs = 50

/** The outcome of one row. Never rejects: a server that breaks the connection differs. */
export async function runRow(row: Row, { server, models, settleMs }: Target): Promise<Outcome> {
  const model = row.needs === undefined ? '' : models.names[row.needs]
  if (model === undefined) return { kind: 'skipped', reason: `there is no model of the kind "${row.needs}"` }
  const fill = filler(model)
  const found: string[] = []
  const earlier: Answer[] = []
  try {
    for (const [index, step] of row.steps.entries()) {
      const { send, expect } = fill(step) as Step
      const untilMs = performance.now() + (send.method === 'GET' ? settleMs : 0)
      let answer = await server.send(send)
      let wrong = differencesOf(expect, answer, earlier)
      while (wrong.length > 0 && performance.now() < untilMs) {
        await pause(lookMs)
        answer = await server.send(send)
        wrong = differencesOf(expect, answer, earlier)
      }
      found.push(...wrong.map((difference) => (row.steps.length === 1 ? '' : `step ${index + 1}: `) + difference))
      earlier.push(answer)
    }
    for (const name of row.leaves ?? []) {
      await server.send({ method: 'DELETE', path: '/api/delete', body: { model: fill(name) } })
    }
  } catch (error) {
    found.push(`no answer: ${error instanceof Error ? error.message : String(error)}`)
  }
  return found.length === 0 ? { kind: 'same' } : { kind: 'differs', differences: found }
}

let newNames = 0

function filler(model: string): (value: unknown) => unknown {
  newNames += 1
  const name = parseModelName(model)
  const words: Readonly<Record<string, string>> = {
    $model: model,
    $display: name === undefined ? model : displayName(name),
    $full: name === undefined ? model : fullName(name),
    $upper: model.toUpperCase(),
    $new: `conformance-${process.pid}-${newNames}`,
  }
  const fill = (value: unknown): unknown => {
    if (typeof value === 'string')
      return value.replace(/\$(?:model|display|full|upper|new)\b/g, (word) => words[word] ?? word)
    if (Array.isArray(value)) return value.map(fill)
    if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fill(inner)]))
  }
  return fill
}

function differencesOf(expect: Expectation, answer: Answer, earlier: readonly Answer[]): string[] {
  const parts: readonly (readonly [name: string, matcher: Matcher | undefined, value: unknown])[] = [
    ['status', expect.status, answer.status],
    ['type', expect.type, answer.headers['content-type']],
    ['header', expect.headers, answer.headers],
    ['body', expect.text, answer.text],
    ['json', expect.json, answer.json],
    ['lines', expect.lines, answer.lines],
    ['last line', expect.last, answer.lines.at(-1)],
  ]
  const found = parts.flatMap(([name, matcher, value]) =>
    matcher === undefined ? [] : differences(matcher, value, name),
  )
  if (found.length > 0) return [...found, `answered ${answer.status} ${answer.text.slice(0, 200)}`]
  const wrong = expect.check?.(answer, earlier)
  return wrong === undefined ? [] : [wrong]
}
