/** One behaviour of Ollama's API: what is sent, and what must come back. */
import type { Matcher } from './match.ts'
import type { Answer, SentRequest } from './server.ts'

/** What a row needs of the model that it asks. */
export type ModelKind =
  | 'completion' // any that completes
  | 'embedding' // makes vectors and nothing else
  | 'vectors' // makes vectors, whatever else it does
  | 'plain' // completes; knows no tools, no thinking, no insertion, no images
  | 'tools'
  | 'thinking'
  | 'insert'
  | 'vision'
  | 'told' // says what stands between ⟦ and ⟧, word for word: the sim engine
  | 'told-tools' // the same, with tools
  | 'told-thinking' // the same, with thinking
  | 'stocked' // has the layers that `models.ts` writes

export interface Expectation {
  readonly status?: Matcher
  /** The whole header. */
  readonly type?: Matcher
  /** By lower-case name. */
  readonly headers?: { readonly [name: string]: Matcher }
  /** The body as it came. */
  readonly text?: Matcher
  /** The body as one JSON value. */
  readonly json?: Matcher
  /** The body as lines of JSON. */
  readonly lines?: Matcher
  /** Its last line. */
  readonly last?: Matcher
  /** What the others cannot say; `earlier` are the answers of the row's earlier steps. Returns what is wrong. */
  readonly check?: (answer: Answer, earlier: readonly Answer[]) => string | undefined
}

export interface Step {
  readonly send: SentRequest
  readonly expect: Expectation
}

/**
 * In all strings of a row, `$model` stands for the name of the model that it needs (`m`), `$display` for its shortest
 * form with a tag (`m:latest`), `$full` for all of it (`registry.ollama.ai/library/m:latest`), `$upper` for it
 * in capitals, and `$new` for a name that nothing has.
 */
export interface Row {
  /** A sentence; no two rows have the same. */
  readonly title: string
  /** Of the reference. */
  readonly section: string
  readonly needs?: ModelKind
  readonly steps: readonly Step[]
  /** Names that the row makes, removed when it is over. */
  readonly leaves?: readonly string[]
}

type Unplaced = Omit<Row, 'section'>

export function section(name: string, rows: readonly Unplaced[]): readonly Row[] {
  return rows.map((row) => ({ ...row, section: name }))
}

/** A row of one step. */
export function row(title: string, send: SentRequest, expect: Expectation, needs?: ModelKind): Unplaced {
  return { title, steps: [{ send, expect }], ...(needs === undefined ? {} : { needs }) }
}

/** A row of several steps. */
export function rowOf(title: string, needs: ModelKind, ...steps: readonly Step[]): Unplaced {
  return { title, needs, steps }
}

export function step(send: SentRequest, expect: Expectation): Step {
  return { send, expect }
}

type Headers = Readonly<Record<string, string>>

export function get(path: string, headers: Headers = {}): SentRequest {
  return { method: 'GET', path, headers }
}

export function head(path: string): SentRequest {
  return { method: 'HEAD', path }
}

/** @param body JSON, or the very text or bytes */
export function post(path: string, body: unknown, headers: Headers = {}): SentRequest {
  return { method: 'POST', path, body, headers }
}

export function remove(path: string, body: unknown): SentRequest {
  return { method: 'DELETE', path, body }
}

/** An error in Ollama's shape. */
export function error(status: number, words: Matcher): Expectation {
  return { status, type: /^application\/json/, json: { error: words }, check: onlyError }
}

function onlyError({ json }: Answer): string | undefined {
  const keys = Object.keys(json as object)
  return keys.length === 1 ? undefined : `wants only "error", got ${keys.join(', ')}`
}
