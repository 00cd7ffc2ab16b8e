import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DurationError, parseDuration, parseKeepAlive } from '../../protocols/duration.ts'

describe('parseDuration', () => {
  it.each([
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1_500],
    ['.5s', 500],
    ['1.s', 1_000],
    ['-1m', -60_000],
    ['+2ms', 2],
    ['0', 0],
    ['-0', 0],
    ['0s', 0],
    ['100µs', 0.1],
    ['100μs', 0.1],
    ['1m1m', 120_000],
  ])('reads %s as Go does', (text, durationMs) => {
    expect(parseDuration(text)).toBeCloseTo(durationMs, 9)
  })

  it.each([
    ['-1', 'time: missing unit in duration "-1"'],
    ['300', 'time: missing unit in duration "300"'],
    ['1m30', 'time: missing unit in duration "1m30"'],
    ['', 'time: invalid duration ""'],
    ['m', 'time: invalid duration "m"'],
    ['.', 'time: invalid duration "."'],
    ['.s', 'time: invalid duration ".s"'],
    ['-', 'time: invalid duration "-"'],
    ['five minutes', 'time: invalid duration "five minutes"'],
    ['1d', 'time: unknown unit "d" in duration "1d"'],
    ['1toString', 'time: unknown unit "toString" in duration "1toString"'],
    ['3000000h', 'time: invalid duration "3000000h"'],
  ])('refuses %j in the words of Go', (text, message) => {
    expect(() => parseDuration(text)).toThrow(new DurationError(message))
  })

  it('adds its parts, in any order', () => {
    const part = fc.tuple(fc.integer({ min: 0, max: 9_999 }), fc.constantFrom('ms', 's', 'm', 'h'))
    const factor = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
        const text = parts.map(([count, unit]) => `${count}${unit}`).join('')
        const sumMs = parts.reduce((sum, [count, unit]) => sum + count * factor[unit as keyof typeof factor], 0)
        expect(parseDuration(text)).toBe(sumMs)
        expect(parseDuration(`-${text}`)).toBe(sumMs === 0 ? 0 : -sumMs)
      }),
    )
  })

  it('answers any text with a finite number or a DurationError', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0123456789.-+hmsnuµ x'), maxLength: 40 }), (text) => {
        try {
          expect(Number.isFinite(parseDuration(text))).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(DurationError)
        }
      }),
    )
  })
})

describe('parseKeepAlive', () => {
  it('takes numbers as seconds, texts as durations and negative ones as for ever', () => {
    expect(parseKeepAlive(300)).toBe(300_000)
    expect(parseKeepAlive(0.5)).toBe(500)
    expect(parseKeepAlive('10m')).toBe(600_000)
    expect(parseKeepAlive(0)).toBe(0)
    expect(parseKeepAlive(-1)).toBe(Number.POSITIVE_INFINITY)
    expect(parseKeepAlive('-1m')).toBe(Number.POSITIVE_INFINITY)
  })

  it('refuses a number in quotes and other types as Ollama does', () => {
    expect(() => parseKeepAlive('-1')).toThrow('time: missing unit in duration "-1"')
    expect(() => parseKeepAlive(true)).toThrow("Unsupported type: 'bool'")
    expect(() => parseKeepAlive([])).toThrow("Unsupported type: '[]interface {}'")
    expect(() => parseKeepAlive({})).toThrow("Unsupported type: 'map[string]interface {}'")
  })
})
