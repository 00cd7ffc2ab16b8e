import fc from 'fast-check'
import { Type } from 'typebox'
import { describe, expect, it } from 'vitest'
import { fieldReader } from '../../src/http/fields.ts'
import { firstJsonValue } from '../../src/http/json-text.ts'

const Sample = Type.Object({
  model: Type.Optional(Type.String()),
  top_logprobs: Type.Optional(Type.Integer()),
  options: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  messages: Type.Optional(
    Type.Array(Type.Object({ role: Type.Optional(Type.String()), extra: Type.Optional(Type.Unknown()) })),
  ),
})
const read = fieldReader(Sample)

/** Each key in letters of any case, decided by the bits of `seed`. */
function shuffleCase(key: string, seed: number): string {
  return [...key].map((letter, at) => ((seed >> (at % 31)) & 1 ? letter.toUpperCase() : letter)).join('')
}

const userData = fc.dictionary(
  fc.string(),
  fc.jsonValue({ maxDepth: 2 }).filter((value) => value !== null),
)
const sample = fc.record(
  {
    model: fc.string(),
    top_logprobs: fc.integer(),
    options: userData,
    messages: fc.array(fc.record({ role: fc.string(), extra: userData }, { requiredKeys: [] })),
  },
  { requiredKeys: [] },
)

describe('the reader of fields', () => {
  it('reads any case of known keys, keeps user data as it is and drops what it does not know', () => {
    fc.assert(
      fc.property(sample, fc.integer(), fc.jsonValue(), (value, seed, noise) => {
        const messages = value.messages?.map((message) => recase(message, seed))
        const sent = { ...recase({ ...value, ...(messages ? { messages } : {}) }, seed), unknown_key: noise }
        const text = JSON.stringify(sent)
        expect(read(firstJsonValue(`${text}}]"`))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it('takes the last of keys that differ only in case', () => {
    expect(read({ model: 'a', MODEL: 'b', Model: null })).toEqual({ model: 'b' })
  })

  it('does not let a key reach a prototype', () => {
    const value = read(JSON.parse('{"__proto__":{"model":"x"},"constructor":1,"options":{"__proto__":{"a":1}}}'))
    expect(value.model).toBeUndefined()
    expect(({} as { a?: number }).a).toBeUndefined()
  })

  it.each([
    [{ model: 1 }, 'json: cannot read number 1 as field model: it must be string'],
    [
      { messages: [{ role: 'user' }, { ROLE: [] }] },
      'json: cannot read array as field messages.1.role: it must be string',
    ],
    [{ options: [] }, 'json: cannot read array as field options: it must be object'],
    [[], 'json: cannot read array as the request: it must be object'],
  ])('names the field and what was expected for %j', (body, words) => {
    expect(() => read(body)).toThrow(words)
  })

  it('always returns a value or an ApiError, whatever JSON it is given', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        try {
          expect(read(body)).toBeTypeOf('object')
        } catch (error) {
          expect((error as Error).name).toBe('ApiError')
        }
      }),
    )
  })
})

describe('the first JSON value', () => {
  it('is what JSON.parse reads, whatever text follows', () => {
    fc.assert(
      fc.property(fc.json(), fc.string(), (text, rest) => {
        // A digit after a number would belong to it.
        expect(firstJsonValue(`${text} ${rest}`)).toEqual(JSON.parse(text))
      }),
    )
  })

  it('is a value or an ApiError for any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          firstJsonValue(text)
        } catch (error) {
          expect((error as Error).name).toBe('ApiError')
        }
      }),
    )
  })
})

function recase(value: object, seed: number): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([key, content]) => [shuffleCase(key, seed), content]))
}
