import fc from 'fast-check'
import { expect, it } from 'vitest'
import { rangeOf } from '../../../src/http/registry/range.ts'

it('a range never leaves the file, and has the bytes that it names', () => {
  const edge = fc.option(fc.nat(40), { nil: undefined })
  fc.assert(
    fc.property(edge, edge, fc.nat(30), (first, last, sizeBytes) => {
      const range = rangeOf(`bytes=${first ?? ''}-${last ?? ''}`, sizeBytes)
      if (typeof range === 'string') return
      expect(range.start).toBeLessThan(range.end)
      expect(range.end).toBeLessThanOrEqual(sizeBytes)
      if (first !== undefined) expect(range.start).toBe(first)
      if (first !== undefined && last !== undefined) expect(range.end).toBe(Math.min(sizeBytes, last + 1))
      if (first === undefined) expect(range).toEqual({ start: Math.max(0, sizeBytes - (last ?? 0)), end: sizeBytes })
    }),
  )
})

it('what is no single range is answered with everything, and one behind the end is refused', () => {
  for (const header of [undefined, '', 'bytes=', 'bytes=-', 'bytes=1-2,4-5', 'lines=1-2', 'bytes=5-2', 'bytes=a-b']) {
    expect(rangeOf(header, 100)).toBe('whole')
  }
  for (const header of ['bytes=100-', 'bytes=100-200', 'bytes=-0']) expect(rangeOf(header, 100)).toBe('unsatisfiable')
})
