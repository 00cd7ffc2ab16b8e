/** The values in a call, as text: JSON, code, and words that a schema gives a meaning. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coerce } from '../../../src/prompt/answer/coerce.ts'
import { JsonScanner, maxNesting, parseJson, parseObject } from '../../../src/prompt/answer/json.ts'
import { readGemma, readPython } from '../../../src/prompt/answer/literal.ts'
import { cut } from './kit.ts'

const nested = fc.oneof(fc.array(fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue()))
const places = fc.array(fc.nat(), { maxLength: 8 })

describe('JSON that arrives in pieces', () => {
  it('ends where it ends, whatever follows and wherever it is cut', () => {
    fc.assert(
      fc.property(nested, fc.constantFrom(0, 2), fc.string(), places, (value, indent, rest, ends) => {
        const text = JSON.stringify(value, undefined, indent)
        const scanner = new JsonScanner()
        let read = 0
        for (const piece of cut(text + rest, ends)) if (scanner.state === 'open') read += scanner.scan(piece)
        expect([scanner.state, read]).toEqual(['complete', text.length])
        expect(parseJson(text)).toEqual(JSON.parse(text))
      }),
    )
  })

  it('is read without a throw, and is never deeper than it may be', () => {
    const deep = '['.repeat(maxNesting + 1) + ']'.repeat(maxNesting + 1)
    expect(parseJson(deep)).toBeUndefined()
    expect(parseJson(deep.slice(1, -1))).toBeDefined()
    const text = fc.array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', ' ', '1', 'null', 'a', '\n'))
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          text.map((all) => all.join('')),
        ),
        (all) => {
          let expected: unknown
          try {
            expected = JSON.parse(all)
          } catch {
            // No JSON: undefined.
          }
          expect(parseJson(all)).toEqual(expected)
          parseObject(all)
        },
      ),
      { numRuns: 300 },
    )
  })
})

/** A value as a model writes it in code. */
function python(value: unknown): string {
  if (value === true) return 'True'
  if (value === false) return 'False'
  if (value === null) return 'None'
  if (Array.isArray(value)) return `[${value.map(python).join(', ')}]`
  if (typeof value === 'object')
    return `{${Object.entries(value as object)
      .map(([key, inner]) => `${quoted(key)}: ${python(inner)}`)
      .join(', ')}}`
  return typeof value === 'string' ? quoted(value) : String(value)
}

const quoted = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n').replaceAll('\t', '\\t').replaceAll('\r', '\\r')}'`

describe('a call that is written as code', () => {
  const key = fc.stringMatching(/^[a-z_]{1,8}$/)
  const number = fc.integer({ min: -1e9, max: 1e9 })
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.string(),
      number,
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.string({ minLength: 1 }), tie('value'), { maxKeys: 3, noNullPrototype: true }),
    ),
  }))
  const call = fc.record({ name: key, args: fc.dictionary(key, value, { maxKeys: 4, noNullPrototype: true }) })

  it('means what was written, with brackets or without', () => {
    fc.assert(
      fc.property(fc.array(call, { minLength: 1, maxLength: 3 }), fc.boolean(), (calls, bracketed) => {
        const all = calls
          .map(({ name, args }) => {
            const list = Object.entries(args).map(([each, inner]) => `${each}=${python(inner)}`)
            return `${name}(${list.join(', ')})`
          })
          .join(', ')
        expect(readPython(bracketed ? `[${all}]` : all)).toEqual(calls)
      }),
    )
  })

  it('is a list of calls or nothing, whatever the text', () => {
    const part = fc.constantFrom(
      'f',
      '(',
      ')',
      '=',
      ',',
      '[',
      ']',
      '{',
      '}',
      '"',
      "'",
      '\\',
      '1',
      ' ',
      ':',
      'call:',
      '<e>',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(part, { maxLength: 40 }).map((parts) => parts.join('')),
        ),
        (text) => {
          for (const found of [readPython(text), readGemma(text, '<e>')]) {
            expect(found === undefined || found.every(({ name }) => name !== '')).toBe(true)
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it('is read in time that grows with its length, not its square', () => {
    const startMs = performance.now()
    for (const hostile of [
      `f(${'a=['.repeat(60_000)}`,
      `f(${'"'.repeat(200_000)}`,
      `f(a="${'\\'.repeat(200_000)}`,
      `${'f(),'.repeat(50_000)}!`,
      `f(${'a=1,'.repeat(50_000)}`,
      `[${' '.repeat(200_000)}`,
    ]) {
      expect(readPython(hostile)).toBeUndefined()
      expect(readGemma(`call:${hostile}`, '"""')).toBeUndefined()
    }
    expect(performance.now() - startMs).toBeLessThan(2_000)
  })
})

it('an argument is its text, or a value of one of the types that its schema names', () => {
  const type = fc.constantFrom('boolean', 'integer', 'number', 'array', 'object', 'string', 'null', 7)
  const schema = fc.oneof(
    fc.anything(),
    fc.record({ type: fc.oneof(type, fc.array(type)) }),
    fc.record({ anyOf: fc.array(fc.record({ type })) }),
  )
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.json(), fc.constantFrom('TRUE', '007', '1e5', 'null')),
      schema,
      (text, given) => {
        const found = coerce(text, given)
        expect(found !== undefined).toBe(true)
        if (typeof found === 'string') expect(found).toBe(text)
      },
    ),
  )
})
