import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { strftime } from '../../src/prompt/strftime.ts'

const date = new Date(2026, 2, 7, 15, 4, 5)

describe('a date', () => {
  it.each([
    ['%Y-%m-%d %H:%M:%S', '2026-03-07 15:04:05'],
    ['%F %T', '2026-03-07 15:04:05'],
    ['%d %b %Y, %-d %B, %A %a %-I%p', '07 Mar 2026, 7 March, Saturday Sat 3PM'],
    ['100%% %%F', '100% %F'],
    ['%Q %', '%Q %'],
  ])('in the form %j is %j', (format, expected) => {
    expect(strftime(format, date)).toBe(expected)
  })

  it('keeps every character that is not part of a form, and one form means nothing to the next', () => {
    const literal = fc.string().map((text) => text.replaceAll('%', ''))
    const form = fc.constantFrom('%Y', '%-m', '%%', '%F', '%T', '%p', '%e')
    fc.assert(
      fc.property(fc.array(fc.tuple(literal, form)), literal, (parts, end) => {
        const expected = parts.map(([text, each]) => text + strftime(each, date)).join('') + end
        expect(strftime(parts.flat().join('') + end, date)).toBe(expected)
      }),
    )
  })
})
