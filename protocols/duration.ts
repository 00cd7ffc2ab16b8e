/**
 * Durations as Ollama's clients write them: Go's grammar (`5m`, `1h30m`, `1.5s`, `-1m`, `0`), and the number of seconds
 * or duration string that `keep_alive` accepts. Errors are worded as Go words them, because clients compare them.
 */
import { goTypeOf } from './go-type.ts'

/** Thrown when a text is not a duration; the message is Go's. */
export class DurationError extends Error {
  override readonly name = 'DurationError'
}

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5, the micro sign
  μs: 1e-3, // U+03BC, the Greek letter
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
}

/** Go keeps nanoseconds in a signed 64-bit integer: about 292 years. */
const maxDurationMs = Number(2n ** 63n - 1n) / 1e6

/** Longest text that is looked at: far more than any duration needs. */
const maxDurationLength = 128

const partPattern = /^(\d*)(?:\.(\d*))?([^\d.]*)/

/**
 * The milliseconds that a Go duration means, negative ones included.
 * Throws a DurationError: `time: missing unit in duration "5"` and the like.
 */
export function parseDuration(text: string): number {
  const unsigned = /^[-+]/.test(text) ? text.slice(1) : text
  if (unsigned === '0') return 0
  if (unsigned === '' || text.length > maxDurationLength) throw invalid(text)
  let totalMs = 0
  for (let rest = unsigned; rest !== ''; ) {
    const [part = '', whole = '', fraction = '', unit = ''] = partPattern.exec(rest) ?? []
    if (whole === '' && fraction === '') throw invalid(text)
    if (unit === '') throw new DurationError(`time: missing unit in duration ${quoted(text)}`)
    const factor = Object.hasOwn(unitMs, unit) ? unitMs[unit] : undefined
    if (factor === undefined) {
      throw new DurationError(`time: unknown unit ${quoted(unit)} in duration ${quoted(text)}`)
    }
    totalMs += Number(`${whole || '0'}.${fraction || '0'}`) * factor
    if (totalMs > maxDurationMs) throw invalid(text)
    rest = rest.slice(part.length)
  }
  return text.startsWith('-') && totalMs !== 0 ? -totalMs : totalMs
}

/**
 * The milliseconds that a request's `keep_alive` means: a number of seconds or a Go duration; negative is for ever,
 * which is Infinity. Throws a DurationError for anything else.
 */
export function parseKeepAlive(value: unknown): number {
  if (typeof value !== 'number' && typeof value !== 'string') {
    throw new DurationError(`Unsupported type: '${goTypeOf(value)}'`)
  }
  const durationMs = typeof value === 'number' ? value * 1_000 : parseDuration(value)
  return durationMs < 0 || durationMs > maxDurationMs ? Number.POSITIVE_INFINITY : durationMs
}

function invalid(text: string): DurationError {
  return new DurationError(`time: invalid duration ${quoted(text.slice(0, maxDurationLength))}`)
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
