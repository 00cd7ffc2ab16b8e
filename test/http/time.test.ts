import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expiryTime, localTime, utcTime } from '../../src/http/time.ts'

describe('times on the wire', () => {
  it.each([
    [Date.UTC(2026, 7, 21, 9, 5, 3, 120), '2026-08-21T09:05:03.12Z'],
    [Date.UTC(2026, 7, 21, 9, 5, 3, 7), '2026-08-21T09:05:03.007Z'],
    [Date.UTC(2026, 7, 21, 9, 5, 30, 0), '2026-08-21T09:05:30Z'],
  ])('writes %d as %s', (atMs, text) => {
    expect(utcTime(atMs)).toBe(text)
  })

  it.each([
    ['Asia/Kolkata', '2026-08-21T14:35:03.12+05:30'],
    ['America/St_Johns', '2026-08-21T06:35:03.12-02:30'],
    ['UTC', '2026-08-21T09:05:03.12Z'],
  ])('writes local time in %s as %s', (zone, text) => {
    const before = process.env.TZ
    process.env.TZ = zone
    try {
      expect(localTime(Date.UTC(2026, 7, 21, 9, 5, 3, 120))).toBe(text)
    } finally {
      if (before === undefined) delete process.env.TZ
      else process.env.TZ = before
    }
  })

  it('names the same moment whichever offset it is written with', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), (atMs) => {
        expect(Date.parse(utcTime(atMs))).toBe(atMs)
        expect(Date.parse(localTime(atMs))).toBe(atMs)
      }),
    )
  })

  it('writes a time with four digits of year, whatever a peer reported', () => {
    for (const atMs of [Number.NaN, Number.POSITIVE_INFINITY, 1e300, -1e300]) {
      expect(localTime(atMs)).toMatch(/^\d{4}-/)
      expect(expiryTime(atMs, 0)).toMatch(/^\d{4}-/)
    }
  })
})
