import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { schemaGrammar } from '../../../src/engine/grammar/json-schema.ts'
import { patternExpression } from '../../../src/engine/grammar/pattern.ts'
import { accepts } from './gbnf.ts'

const grammarOf = (pattern: string): string => schemaGrammar({ type: 'string', pattern })
const allows = (pattern: string, text: string): boolean => accepts(grammarOf(pattern), JSON.stringify(text))

/** Patterns that people write, over few letters, so that random texts often fit. */
const patterns = [
  '^[a-c]{3}$',
  '^a+$',
  '^(?:ab|ba)*$',
  'ab',
  '^a',
  'c$',
  '^ab$|^c+$',
  'a|b',
  '^[^a]*$',
  '^\\w{1,3}?$',
  '^\\d+$|^\\D$',
  '^(?<letter>a|b)c?$',
  '^a{2,}$',
  '^a{0}b$',
  '^[a\\-1]+$',
  '^["\\\\a]*$',
  '^a.c$',
  '^$',
]

describe('a pattern', () => {
  it.each(patterns)('%s allows what it matches, and nothing else', (pattern) => {
    const expression = new RegExp(pattern, 'u')
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', '-', '"', '\\'), maxLength: 5 })
    fc.assert(
      fc.property(fc.oneof(letters, fc.stringMatching(expression, { size: 'xsmall' })), (text) => {
        // A grammar writes only what JSON has as it is, and the escapes that are common.
        fc.pre(text.length < 40 && /^[\x20-\x7e]*$/.test(text))
        expect(allows(pattern, text), text).toBe(expression.test(text))
      }),
      { numRuns: 200 },
    )
  })

  it('that says nothing allows everything', () => {
    expect(allows('', 'any "text"')).toBe(true)
  })

  it.each([
    ['^\\d{4}-\\d{2}$', '2024-05'],
    ['^\\+?[1-9]\\d{1,14}$', '+4712345678'],
    ['^[A-Z]{2,3}\\/[a-z_.]+$', 'NO/os_lo.x'],
    ['^\\u00e6\\x41$', 'æA'],
    ['^\\s\\S$', ' x'],
    ['^line\\nend$', 'line\nend'],
    ['^[äöü€]+$', 'ö€'],
  ])('%s allows %s', (pattern, text) => {
    expect(allows(pattern, text)).toBe(true)
    expect(allows(pattern, `${text}"`)).toBe(false)
  })

  it.each([
    '(?=a)a',
    '(?!a)b',
    '(?<=a)b',
    '(a)\\1',
    'a\\b',
    '(',
    ')',
    '[',
    'a**',
    '*',
    'a{3,2}',
    '\\',
    'a^b',
    '\\p{L}',
    '(?P<x>a)',
  ])('%s is not followed at all: it looks around, refers back or is none', (pattern) => {
    expect(patternExpression(pattern)).toBeUndefined()
    expect(allows(pattern, 'any text')).toBe(true)
  })

  it('of any kind never throws, and ends', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab(){}[]|*+?^$\\.-d1,:<!='), maxLength: 40 }), (pattern) => {
        patternExpression(pattern)
      }),
      { numRuns: 3000 },
    )
    expect(patternExpression('('.repeat(2001))).toBeUndefined()
    expect(patternExpression(`${'('.repeat(100)}a${')'.repeat(100)}`)).toBeUndefined()
  })
})
