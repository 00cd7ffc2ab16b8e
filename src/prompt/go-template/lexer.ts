/** A template's text as tokens, by the rules of Go's text/template. */
import { TemplateError } from './template-error.ts'

export type TokenKind =
  | 'text'
  | 'open'
  | 'close'
  | 'space'
  | 'assign'
  | 'declare'
  | 'pipe'
  | 'comma'
  | 'leftParen'
  | 'rightParen'
  | 'field'
  | 'variable'
  | 'dot'
  | 'identifier'
  | 'keyword'
  | 'bool'
  | 'nil'
  | 'number'
  | 'char'
  | 'string'
  | 'rawString'
  | 'end'

export interface Token {
  readonly kind: TokenKind
  readonly text: string
  readonly at: number
}

const keywords = new Set(['block', 'break', 'continue', 'define', 'else', 'end', 'if', 'range', 'template', 'with'])

const single: Readonly<Record<string, TokenKind>> = { '=': 'assign', '|': 'pipe', ',': 'comma' }

/** What an action is made of; tried in this order. A point before a digit begins a number. */
const patterns: readonly (readonly [TokenKind, RegExp])[] = [
  ['declare', /:=/y],
  ['string', /"(?:[^"\\\n]|\\[^\n])*"/y],
  ['rawString', /`[^`]*`/y],
  ['char', /'(?:[^'\\\n]|\\[^\n])*'/y],
  [
    'number',
    /[+-]?(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?[\d_]+)?)/y,
  ],
  ['variable', /\$[\p{L}\p{Nd}_]*/uy],
  ['field', /\.[\p{L}\p{Nd}_]+/uy],
  ['dot', /\./y],
  ['identifier', /[\p{L}\p{Nd}_]+/uy],
]

const spaces = /[ \t\r\n]+/y
const trimmingClose = /[ \t\r\n]-\}\}/y
const trailingSpaces = /[ \t\r\n]+$/
const word = /[\p{L}\p{Nd}_]/uy
const terminator = /[ \t\r\n.,|:)(]|\}\}|$/y

/** Thrown errors name the place. @throws TemplateError */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  for (;;) {
    const open = source.indexOf('{{', at)
    const text = source.slice(at, open < 0 ? undefined : open)
    const trims = open >= 0 && /^-[ \t\r\n]/.test(source.slice(open + 2, open + 4))
    const kept = trims ? text.replace(trailingSpaces, '') : text
    if (kept !== '') tokens.push({ kind: 'text', text: kept, at })
    if (open < 0) break
    const inside = open + (trims ? 4 : 2)
    // The space of a trim marker belongs to it.
    at = source.startsWith('/*', inside) ? commentEnd(source, inside) : action(source, open, inside, tokens)
  }
  tokens.push({ kind: 'end', text: '', at: source.length })
  return tokens
}

/** Where the text after a comment begins. */
function commentEnd(source: string, start: number): number {
  const end = source.indexOf('*/', start + 2)
  if (end < 0) throw new TemplateError(source, start, 'unclosed comment')
  const after = close(source, end + 2)
  if (after === undefined) throw new TemplateError(source, start, 'comment ends before closing delimiter')
  return after
}

/** Reads one action. @returns where the text after it begins */
function action(source: string, open: number, start: number, tokens: Token[]): number {
  tokens.push({ kind: 'open', text: '{{', at: open })
  let at = start
  let depth = 0
  for (;;) {
    const after = close(source, at)
    if (after !== undefined) {
      if (depth > 0) throw new TemplateError(source, at, 'unclosed left paren')
      tokens.push({ kind: 'close', text: '}}', at })
      return after
    }
    const token = tokenAt(source, at, open)
    if (token.kind === 'leftParen') depth += 1
    if (token.kind === 'rightParen') depth -= 1
    if (depth < 0) throw new TemplateError(source, at, 'unexpected right paren')
    tokens.push(token)
    at += token.text.length
  }
}

/** Where the text after the closing delimiter at this place begins; undefined where there is none. */
function close(source: string, at: number): number | undefined {
  if (source.startsWith('}}', at)) return at + 2
  if (match(trimmingClose, source, at) === undefined) return undefined
  const end = at + 4
  return end + (match(spaces, source, end)?.length ?? 0)
}

function tokenAt(source: string, at: number, open: number): Token {
  const first = source[at]
  if (first === undefined) throw new TemplateError(source, open, 'unclosed action')
  const space = match(spaces, source, at)
  if (space !== undefined) {
    // The last space before `-}}` belongs to that marker.
    const own = source.startsWith('-}}', at + space.length) ? space.slice(0, -1) : space
    return { kind: 'space', text: own, at }
  }
  if (first === '(') return { kind: 'leftParen', text: first, at }
  if (first === ')') return { kind: 'rightParen', text: first, at }
  const kind = single[first]
  if (kind !== undefined) return { kind, text: first, at }
  for (const [kind, pattern] of patterns) {
    const text = match(pattern, source, at)
    if (text !== undefined) return checked(source, { kind, text, at })
  }
  throw new TemplateError(source, at, complaint(first))
}

function checked(source: string, token: Token): Token {
  const end = token.at + token.text.length
  if (token.kind === 'number') {
    if (match(word, source, end) !== undefined)
      throw new TemplateError(source, token.at, `bad number syntax: "${token.text}"`)
    return token
  }
  if (!['identifier', 'field', 'variable', 'dot'].includes(token.kind)) return token
  if (match(terminator, source, end) === undefined) {
    throw new TemplateError(source, end, `bad character ${JSON.stringify(source[end])}`)
  }
  if (token.kind !== 'identifier') return token
  if (keywords.has(token.text)) return { ...token, kind: 'keyword' }
  if (token.text === 'nil') return { ...token, kind: 'nil' }
  return token.text === 'true' || token.text === 'false' ? { ...token, kind: 'bool' } : token
}

function complaint(first: string): string {
  if (first === '"') return 'unterminated quoted string'
  if (first === '`') return 'unterminated raw quoted string'
  if (first === "'") return 'unterminated character constant'
  if (first === ':') return 'expected :='
  return `unexpected ${JSON.stringify(first)} in action`
}

function match(pattern: RegExp, source: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(source)?.[0]
}
