import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { callFormats } from '../../../src/prompt/answer/formats.ts'
import { cases } from './cases.ts'
import { cut, parse } from './kit.ts'

const empty = { text: '', thinking: '', calls: [] }

describe('what models write', () => {
  for (const { title, how, raw, means } of cases) {
    it(`means the same in one piece and in any number of them: ${title}`, () => {
      expect(parse([raw], how)).toEqual({ ...empty, ...means })
      expect(parse([...raw], how)).toEqual({ ...empty, ...means })
      fc.assert(
        fc.property(fc.array(fc.nat(), { maxLength: 12 }), (places) => {
          expect(parse(cut(raw, places), how)).toEqual({ ...empty, ...means })
        }),
        { numRuns: 60 },
      )
    })
  }

  it('has a case for every format', () => {
    const covered = new Set(cases.map(({ how }) => how.calls))
    expect(Object.keys(callFormats).filter((name) => !covered.has(name as keyof typeof callFormats))).toEqual([])
  })
})
