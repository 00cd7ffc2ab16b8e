/**
 * The kinds of values that settings have. A kind reads what a flag, an environment variable or a YAML file holds, says
 * what it expects in words, and keeps the schema of the result.
 */
import { resolve } from 'node:path'
import { type TSchema, Type } from 'typebox'
import { DurationError, parseDuration } from '../../protocols/duration.ts'
import { isDialAddress, p2pHost, parseApiAddress } from './address.ts'

export interface Kind<Schema extends TSchema = TSchema> {
  readonly schema: Schema
  /** Completes "expected …". */
  readonly expected: string
  /** Turns text into what the schema describes; what it cannot read comes out as something that the schema refuses. */
  read(raw: unknown, homeFolder: string): unknown
  /** Whether no message may repeat it. */
  readonly isSecret?: boolean
}

export function choice<const Names extends readonly string[]>(...names: Names) {
  const schema = Type.Unsafe<Names[number]>(Type.Enum([...names]))
  return { schema, expected: `one of ${names.join(', ')}`, read: trimmed }
}

/** An engine, and where it is where it is not part of this program: `llama`, `ollama=http://127.0.0.1:11434`. */
export function engine() {
  const built = Type.Object({ name: Type.Union([Type.Literal('llama'), Type.Literal('sim')]) })
  // No user and no query: both would carry a secret into messages.
  const ollama = Type.Object({ name: Type.Literal('ollama'), url: Type.String({ pattern: '^https?://[^/?#@]+/?$' }) })
  const openai = Type.Object({
    name: Type.Literal('openai'),
    url: Type.String({ pattern: '^https?://[^/?#@]+(/[^?#]*)?$' }),
  })
  const server = Type.Object({ name: Type.Literal('llama-server'), command: Type.String({ minLength: 1 }) })
  return {
    schema: Type.Union([built, ollama, openai, server]),
    expected: 'llama, sim, ollama=URL, openai=URL, llama-server or llama-server=PATH',
    read: (raw: unknown) => {
      if (typeof raw !== 'string') return undefined
      const [name = '', at] = raw.trim().split(/=(.*)/s)
      if (name === 'llama-server') return { name, command: at ?? name }
      return at === undefined ? { name } : { name, url: at }
    },
  }
}

export function wholeNumber(minimum: number, maximum: number) {
  return {
    schema: Type.Integer({ minimum, maximum }),
    expected: `a whole number from ${minimum} to ${maximum}`,
    read: (raw: unknown) => (typeof raw === 'string' && /^\s*-?\d+\s*$/.test(raw) ? Number(raw) : raw),
  }
}

export function onOff() {
  const words: Readonly<Record<string, boolean>> = {
    ...{ true: true, 1: true, yes: true, on: true },
    ...{ false: false, 0: false, no: false, off: false },
  }
  return {
    schema: Type.Boolean(),
    expected: 'true or false',
    read: (raw: unknown) => (typeof raw === 'string' ? (words[raw.trim().toLowerCase()] ?? raw) : raw),
  }
}

export function text(pattern: string, expected: string) {
  return { schema: Type.String({ pattern }), expected, read: trimmed }
}

/** A secret that fits into a header; '' is none. What cannot be used is not repeated. */
export function secret() {
  const schema = Type.String({ maxLength: 4_096, pattern: '^[!-~]*$' })
  return { schema, expected: 'at most 4096 visible ASCII characters', read: trimmed, isSecret: true }
}

/** A folder or file as an absolute path; `~` is the home folder, also where no shell has expanded it. */
export function path() {
  return {
    schema: Type.String({ minLength: 1, maxLength: 4_096, pattern: '^[^\\0]+$' }),
    expected: 'a path',
    read: (raw: unknown, homeFolder: string) => {
      if (typeof raw !== 'string' || raw.trim() === '') return ''
      return resolve(raw.replace(/^~(?=\/|$)/, homeFolder))
    },
  }
}

/** Milliseconds, written as a duration (`30s`) or a number of seconds. */
export function duration(maximumMs: number, expected: string) {
  return { schema: Type.Number({ minimum: 0, maximum: maximumMs }), expected, read: durationMs }
}

/** Like `duration`, but a negative one means for ever, which is Infinity: Ollama's keep-alive. */
export function keepAlive() {
  return endless('a duration like 5m, a number of seconds, or -1 for ever', (milliseconds) => milliseconds < 0)
}

/** Likewise, and 0 is for ever too: to wait for no time at all is of no use. */
export function timeout() {
  return endless('a duration like 5m, a number of seconds, or 0 for ever', (milliseconds) => milliseconds <= 0)
}

function endless(expected: string, isForEver: (milliseconds: number) => boolean) {
  return {
    // JSON Schema's numbers are finite, so the check is written out.
    schema: Type.Refine(Type.Unsafe<number>({}), (value) => typeof value === 'number' && value >= 0),
    expected,
    read: (raw: unknown) => {
      const milliseconds = durationMs(raw)
      return typeof milliseconds === 'number' && isForEver(milliseconds) ? Number.POSITIVE_INFINITY : milliseconds
    },
  }
}

export function apiAddress() {
  return {
    schema: Type.Object({ host: Type.String(), port: Type.Integer() }),
    expected: 'HOST:PORT, for example 127.0.0.1:11434',
    read: (raw: unknown) => (typeof raw === 'string' ? parseApiAddress(raw.trim()) : undefined),
  }
}

export function p2pAddress() {
  return {
    schema: Type.String({ minLength: 1 }),
    expected: 'a TCP multiaddr without a peer id, for example /ip4/127.0.0.1/tcp/11435',
    read: (raw: unknown) => (typeof raw === 'string' && p2pHost(raw.trim()) !== undefined ? raw.trim() : undefined),
  }
}

/** Addresses to dial. */
export function dialAddresses(maxItems: number) {
  return {
    schema: Type.Array(Type.String(), { maxItems }),
    expected: `at most ${maxItems} TCP multiaddrs, for example /ip4/192.168.1.20/tcp/11435`,
    read: (raw: unknown) => {
      const items = listOf(raw)
      return items.every((item) => typeof item === 'string' && isDialAddress(item)) ? items : undefined
    },
  }
}

/** Where web pages come from: `https://chat.example`, `chrome-extension://*`, or `*` for every page. */
export function origins(maxItems: number) {
  return {
    schema: Type.Array(Type.String({ maxLength: 512, pattern: '^(\\*|(?=[^*]*\\*?[^*]*$)[^\\s/]+://\\S*)$' }), {
      maxItems,
    }),
    expected: `at most ${maxItems} origins with a scheme and at most one *, for example https://chat.example:*`,
    read: listOf,
  }
}

/** A YAML list, or texts separated by commas. */
function listOf(raw: unknown): unknown[] {
  return (Array.isArray(raw) ? raw : [raw]).flatMap((item) =>
    typeof item === 'string' ? item.split(',').flatMap((part) => part.trim() || []) : [item],
  )
}

function trimmed(raw: unknown): unknown {
  return typeof raw === 'string' ? raw.trim() : raw
}

/** A bare number is seconds, as in `OLLAMA_KEEP_ALIVE`. */
function durationMs(raw: unknown): unknown {
  if (typeof raw === 'number') return raw * 1_000
  if (typeof raw !== 'string') return raw
  const written = raw.trim()
  if (/^[-+]?\d+$/.test(written)) return Number(written) * 1_000
  try {
    return parseDuration(written)
  } catch (error) {
    if (error instanceof DurationError) return raw
    throw error
  }
}
