/** Whole numbers between two bounds as a grammar: digit by digit, because a grammar cannot compare. */

/**
 * An expression for every integer from `min` to `max`; an absent bound is none. Numbers of more digits than a double can
 * tell apart are left out.
 */
export function integersBetween(min: number | undefined, max: number | undefined): string {
  const low = min === undefined ? undefined : Math.ceil(min)
  const high = max === undefined ? undefined : Math.floor(max)
  const branches: string[] = []
  if (low === undefined || low < 0) {
    const least = high !== undefined && high < 0 ? -high : 1
    branches.push(`"-" (${naturals(least, low === undefined ? undefined : -low)})`)
  }
  if (high === undefined || high >= 0) branches.push(naturals(Math.max(0, low ?? 0), high))
  return branches.join(' | ')
}

/** Longest number that is written out: beyond it a double loses whole numbers. */
const maxDigits = 16

/** From `min` on, without a sign; `max` absent: without an end. */
function naturals(min: number, max: number | undefined): string {
  if (max !== undefined) return sameLengths(min, max).join(' | ')
  const digits = String(min).length
  const branches = sameLengths(min, 10 ** digits - 1)
  return [...branches, `[1-9] [0-9]{${digits},${Math.max(digits, maxDigits - 1)}}`].join(' | ')
}

/** Split where the number of digits changes. */
function sameLengths(min: number, max: number): string[] {
  const branches: string[] = []
  for (let from = min; from <= max; ) {
    const until = Math.min(max, 10 ** String(from).length - 1)
    branches.push(digitsBetween(String(from), String(until)))
    from = until + 1
  }
  return branches
}

/** Two numbers of equal length: a common beginning, then a choice of the next digit and what it allows after it. */
function digitsBetween(low: string, high: string): string {
  if (low === high) return `"${low}"`
  let common = 0
  while (low[common] === high[common]) common++
  const prefix = common === 0 ? '' : `"${low.slice(0, common)}" `
  return `${prefix}(${branchesAt(low.slice(common), high.slice(common)).join(' | ')})`
}

function branchesAt(low: string, high: string): string[] {
  const rest = low.length - 1
  const [first, last] = [Number(low[0]), Number(high[0])]
  if (rest === 0) return [range(first, last)]
  const [lowRest, highRest] = [low.slice(1), high.slice(1)]
  const isLowWhole = /^0*$/.test(lowRest)
  const isHighWhole = /^9*$/.test(highRest)
  const from = isLowWhole ? first : first + 1
  const until = isHighWhole ? last : last - 1
  return [
    ...(isLowWhole ? [] : [`"${first}" ${digitsBetween(lowRest, '9'.repeat(rest))}`]),
    ...(from <= until ? [`${range(from, until)} [0-9]{${rest}}`] : []),
    ...(isHighWhole ? [] : [`"${last}" ${digitsBetween('0'.repeat(rest), highRest)}`]),
  ]
}

const range = (from: number, until: number): string => (from === until ? `"${from}"` : `[${from}-${until}]`)
