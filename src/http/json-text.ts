/** Reads the first JSON value of a text, as Go's decoder does: whatever follows it is ignored. */
import { ApiError } from './errors.ts'

const scalar = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/y

/** The first value in `text`; undefined when there is none but white space. Throws ApiError `bad-json`. */
export function firstJsonValue(text: string): unknown {
  const start = text.search(/[^ \t\r\n]/)
  if (start < 0) return undefined
  try {
    // Nearly every body is exactly one value.
    return JSON.parse(text)
  } catch {
    return parse(text.slice(start, endOfValue(text, start)))
  }
}

function parse(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch (error) {
    throw new ApiError('bad-json', `invalid JSON: ${(error as Error).message}`, { cause: error })
  }
}

/** Where the value that begins at `start` ends. */
function endOfValue(text: string, start: number): number {
  const first = text[start]
  if (first === '"') return endOfString(text, start)
  if (first === '{' || first === '[') return endOfNested(text, start)
  scalar.lastIndex = start
  if (!scalar.test(text)) throw new ApiError('bad-json', `invalid character '${first}' looking for beginning of value`)
  return scalar.lastIndex
}

function endOfNested(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const character = text[at]
    if (character === '"') at = endOfString(text, at) - 1
    else if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') {
      depth--
      if (depth === 0) return at + 1
    }
  }
  throw new ApiError('bad-json', 'unexpected EOF')
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at]
    if (character === '\\') at++
    else if (character === '"') return at + 1
  }
  throw new ApiError('bad-json', 'unexpected EOF')
}
