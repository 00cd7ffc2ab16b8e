/** What is wrong with the settings: every problem at once, each with its key, origin, value and what was expected. */

export interface ConfigProblem {
  /** The setting's name, or the unknown one as it was written. */
  readonly key: string
  /** Where the value stands: `--api`, `OMX_API`, `OLLAMA_HOST`, or the file's path. */
  readonly source: string
  readonly value: unknown
  /** A clause that begins with "expected" or says what to do. */
  readonly expected: string
}

/** Longest part of a value that a message repeats, in characters. */
const maxShownLength = 120

/** Thrown by `loadConfig`; `problems` has all of them and the message one line for each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ key, source, value, expected }) => {
      const origin = source === key ? '' : ` (from ${source})`
      const given = value === undefined ? '' : ` ${shown(value)} cannot be used:`
      return `${key}${origin}:${given} ${expected}`
    })
    super(lines.join('\n'))
    this.problems = problems
  }
}

/** The candidate that is nearest to `name`, when one is near enough to be what was meant. */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** A URL may carry a password before its host. */
const userOfUrl = /\/\/[^/?#"]*@/g

function shown(value: unknown): string {
  const text = (JSON.stringify(value) ?? String(value)).replace(userOfUrl, '//…@')
  return text.length <= maxShownLength ? text : `${text.slice(0, maxShownLength)}…`
}

/** Insertions, deletions and replacements that turn one text into the other. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column)
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= right.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[right.length] ?? 0
}
