import { describe, expect, it } from 'vitest'
import { absent, differences, every, exactly, keysInOrder, length, oneOf, positive, some, utcTime } from './match.ts'

describe('a matcher', () => {
  it('takes what fits, and fields that nobody asked about', () => {
    const value = { model: 'm', at: '2026-08-21T09:05:03.12Z', counts: [1, 2], extra: true }
    const matcher = { model: /^m$/, at: utcTime, counts: every(positive), none: absent }
    expect(differences(matcher, value)).toEqual([])
    expect(differences({ counts: [1, 2] }, value)).toEqual([])
    expect(differences({ model: oneOf('a', 'm'), counts: some(2) }, value)).toEqual([])
  })

  it('names the place, what it wanted and what was there', () => {
    expect(differences({ a: { b: 1 } }, { a: { b: 2 } }, 'json')).toEqual(['json.a.b: wants 1, got 2'])
    expect(differences({ a: [1, 'x'] }, { a: [1, 'y'] })).toEqual(['a[1]: wants "x", got "y"'])
    expect(differences({ a: positive }, {})).toEqual(['a: wants a positive whole number, got undefined'])
    expect(differences({ a: 1 }, undefined)).toEqual(['wants an object, got undefined'])
  })

  it.each([
    ['a wrong order', keysInOrder('a', 'b'), { b: 1, a: 2 }],
    ['a key that is not named', keysInOrder('a', 'b'), { a: 1, c: 2 }],
    ['a key too many', exactly({ a: 1 }), { a: 1, b: 2 }],
    ['a list that is too long', length(1), [1, 2]],
    ['a shorter list', [1, 2], [1]],
    ['no element that fits', some({ a: 1 }), [{ a: 2 }]],
    ['a fraction that ends in 0', utcTime, '2026-08-21T09:05:03.120Z'],
    ['a time without a zone', utcTime, '2026-08-21T09:05:03'],
  ])('refuses %s', (_, matcher, value) => {
    expect(differences(matcher, value)).toHaveLength(1)
  })

  it('keeps a difference short', () => {
    expect(differences('x', 'y'.repeat(10_000))[0]?.length).toBeLessThan(400)
  })
})
