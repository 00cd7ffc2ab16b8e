import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { integersBetween } from '../../../src/engine/grammar/integers.ts'
import { jsonObjectGrammar, schemaGrammar } from '../../../src/engine/grammar/json-schema.ts'
import { accepts } from './gbnf.ts'

const allows = (schema: Record<string, unknown>, value: unknown): boolean =>
  accepts(schemaGrammar(schema), JSON.stringify(value))

describe('the grammar of JSON', () => {
  it('takes every JSON object, and nothing that is none', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 }),
        (value) => {
          expect(accepts(jsonObjectGrammar, JSON.stringify(value))).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
    for (const text of ['[]', '"a"', '1', '{', '{"a":}', '{"a" 1}', '{a: 1}', '{} {}', '{"a":1,}']) {
      expect(accepts(jsonObjectGrammar, text), text).toBe(false)
    }
  })
})

describe('integers between two bounds', () => {
  const grammarOf = (min: number | undefined, max: number | undefined) => `root ::= ${integersBetween(min, max)}\n`

  it('are exactly those', () => {
    const bound = fc.integer({ min: -1200, max: 1200 })
    fc.assert(
      fc.property(bound, bound, bound, (one, other, probe) => {
        const [min, max] = [Math.min(one, other), Math.max(one, other)]
        for (const number of [probe, min, max, min - 1, max + 1]) {
          expect(accepts(grammarOf(min, max), String(number)), `${number} in ${min}..${max}`).toBe(
            number >= min && number <= max,
          )
        }
      }),
    )
  })

  it('have no end where there is no bound', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e6, max: 1e6 }), fc.integer({ min: -1e6, max: 1e6 }), (bound, probe) => {
        expect(accepts(grammarOf(bound, undefined), String(probe))).toBe(probe >= bound)
        expect(accepts(grammarOf(undefined, bound), String(probe))).toBe(probe <= bound)
      }),
    )
  })
})

describe('the grammar of a schema', () => {
  const person = {
    type: 'object',
    properties: { name: { type: 'string' }, age: { type: 'integer' }, nick: { type: 'string' } },
    required: ['age'],
  }

  it.each([
    [{ age: 1 }, true],
    [{ name: 'x', age: 1 }, true],
    [{ age: 1, nick: 'y' }, true],
    [{ name: 'x', age: 1, nick: 'y' }, true],
    [{ name: 'x' }, false],
    [{}, false],
    [{ age: 1, name: 'x' }, false],
    [{ age: 'old' }, false],
    [{ age: 1, other: 2 }, false],
  ])('wants required properties, in order, and no others: %j is %s', (value, expected) => {
    expect(allows(person, value)).toBe(expected)
  })

  it('lets any set of optional properties be there or not, with the commas right', () => {
    const names = ['a', 'b', 'c', 'd']
    const properties = Object.fromEntries(names.map((name) => [name, { type: 'null' }]))
    fc.assert(
      fc.property(fc.subarray(names), fc.subarray(names), (present, required) => {
        const value = Object.fromEntries(present.map((name) => [name, null]))
        expect(allows({ type: 'object', properties, required }, value)).toBe(
          required.every((name) => present.includes(name)),
        )
      }),
    )
  })

  it('takes further properties where the schema says of what kind they are', () => {
    const open = { ...person, additionalProperties: { type: 'boolean' } }
    expect(allows(open, { age: 1, x: true, y: false })).toBe(true)
    expect(allows(open, { age: 1, x: 1 })).toBe(false)
    expect(allows({ type: 'object', additionalProperties: { type: 'integer' } }, { a: 1, b: 2 })).toBe(true)
    expect(allows({ type: 'object', additionalProperties: { type: 'integer' } }, {})).toBe(true)
  })

  it.each([
    [{ type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 3 }, [1, 2], true],
    [{ type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 3 }, [], false],
    [{ type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 3 }, [1, 2, 3, 4], false],
    [{ type: 'array', items: { type: 'integer' } }, [], true],
    [{ type: 'array', maxItems: 0 }, [], true],
    [{ prefixItems: [{ type: 'string' }, { type: 'integer' }], items: false }, ['a', 1], true],
    [{ prefixItems: [{ type: 'string' }, { type: 'integer' }], items: false }, ['a'], false],
    [{ enum: ['red', 'green', 3, null] }, 3, true],
    [{ enum: ['red', 'green', 3, null] }, 'blue', false],
    [{ const: { a: 'b"c' } }, { a: 'b"c' }, true],
    [{ type: ['string', 'null'] }, null, true],
    [{ anyOf: [{ type: 'integer' }, { type: 'boolean' }] }, true, true],
    [{ anyOf: [{ type: 'integer' }, { type: 'boolean' }] }, 'x', false],
    [{ type: 'string', minLength: 2, maxLength: 3 }, 'abcd', false],
    [{ type: 'string', minLength: 2, maxLength: 3 }, 'a"c', true],
    [{ type: 'string', format: 'date' }, '2026-11-25', true],
    [{ type: 'string', format: 'date' }, '2026-13-25', false],
    [{ type: 'string', format: 'uuid' }, '123e4567-e89b-12d3-a456-426614174000', true],
    [{ type: 'integer', minimum: 3, exclusiveMaximum: 7 }, 6, true],
    [{ type: 'integer', minimum: 3, exclusiveMaximum: 7 }, 7, false],
    [{ type: 'integer' }, 1.5, false],
    [{ type: 'number' }, -1.5e-7, true],
    [{}, { anything: [1, 'x', null] }, true],
    [{}, [1], false],
    [{ type: 'array', items: {} }, [1, 'x', null], true],
  ])('reads %j: %j is %s', (schema, value, expected) => {
    expect(allows(schema as Record<string, unknown>, value)).toBe(expected)
  })

  it('follows references, also of a schema to itself', () => {
    const tree = {
      $ref: '#/$defs/node',
      $defs: {
        node: {
          type: 'object',
          properties: { value: { type: 'integer' }, left: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
          required: ['value', 'left'],
        },
      },
    }
    expect(allows(tree, { value: 1, left: { value: 2, left: null } })).toBe(true)
    expect(allows(tree, { value: 1, left: { value: 'x', left: null } })).toBe(false)
  })

  it('wants the properties of all of several schemas', () => {
    const both = {
      allOf: [
        { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] },
        { properties: { b: { type: 'integer' } }, required: ['b'] },
      ],
    }
    expect(allows(both, { a: 1, b: 2 })).toBe(true)
    expect(allows(both, { a: 1 })).toBe(false)
  })

  it.each([
    [{ type: 'nonsense' }, /nonsense/],
    [{ $ref: '#/$defs/none' }, /leads nowhere/],
    [{ $ref: 'https://example.com/schema' }, /only references within/],
    [{ type: 'integer', minimum: 5, maximum: 4 }, /there are none/],
    [{ type: 'string', minLength: -1 }, /length/],
    [{ type: 'array', items: false }, /allows nothing/],
    [{ properties: { a: 7 } }, /no object/],
    [{ enum: [] }, /between nothing/],
    [{ allOf: [{ $ref: '#' }] }, /deep/],
  ])('is refused for %j, with what is wrong', (schema, message) => {
    expect(() => schemaGrammar(schema)).toThrow(message)
  })

  const schemas = fc.object({
    key: fc.constantFrom('type', 'properties', 'items', 'enum', 'anyOf', 'allOf', '$ref', 'required'),
    values: [
      fc.constantFrom('#', '#/properties', '#/%', 'object', 'array'),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
    ],
    withSparseArray: false,
  })

  it('never fails in another way, whatever it is given', () => {
    fc.assert(
      fc.property(schemas, (schema) => {
        try {
          expect(schemaGrammar(schema as Record<string, unknown>)).toContain('root ::= ')
        } catch (error) {
          expect((error as Error).name).toBe('SchemaError')
        }
      }),
    )
  })
})
