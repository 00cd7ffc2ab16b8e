import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { columnsOf, cutTo } from '../../src/cli/columns.ts'
import { drawLine } from '../../src/cli/progress-line.ts'

const layer = {
  label: 'pulling 6a0746a1ec1a',
  count: { completed: 2_200_000_000, total: 3_800_000_000, perSecond: 22_222_223 },
  isOver: false,
}

const texts = fc.string({ unit: 'grapheme', maxLength: 60 }).filter((text) => !/\p{Cc}/u.test(text))
const bytes = fc.oneof(fc.nat(), fc.maxSafeNat())
const count = fc.record({ completed: bytes, total: bytes, perSecond: bytes }, { requiredKeys: ['completed', 'total'] })
const labels = fc.oneof(fc.constant(layer.label), texts)
const lines = fc.record({ label: labels, isOver: fc.boolean(), count }, { requiredKeys: ['label', 'isOver'] })
const widths = fc.integer({ min: 10, max: 200 })

describe('a bar', () => {
  it.each([
    [100, 'pulling 6a0746a1ec1a  57% ▕█████████████████████                ▏ 2.2 GB/3.8 GB  22 MB/s  1m12s'],
    [80, 'pulling 6a0746a1ec1a  57% ▕██████████       ▏ 2.2 GB/3.8 GB  22 MB/s  1m12s'],
    [70, 'pulling 6a0746a1ec1a  57% ▕█████████      ▏ 2.2 GB/3.8 GB  22 MB/s'],
    [60, 'pulling 6a0746a1ec1a  57% ▕█████████       ▏ 2.2 GB/3.8 GB'],
    [40, 'pulling 6a0746a1ec1a  57% ▕███████     ▏'],
    [30, 'pulling 6a0746a1ec1a  57%'],
    [20, 'pulling 6a0746…  57%'],
    [10, 'pull…  57%'],
  ])('in %i columns shows what has room, the most important first', (columns, drawn) => {
    expect(drawLine(layer, columns, 0)).toBe(drawn)
  })

  it('of what is complete is full and shows its size alone', () => {
    const drawn = drawLine({ ...layer, count: { completed: 99, total: 99, perSecond: 1 } }, 80, 0)
    expect(drawn).toMatch(/^pulling 6a0746a1ec1a 100% ▕█+▏ 99 B$/)
  })

  it('of nothing is full, and of what is nearly complete is not at 100 %', () => {
    expect(drawLine({ ...layer, count: { completed: 0, total: 0 } }, 80, 0)).toContain('100%')
    expect(drawLine({ ...layer, count: { completed: 9_999, total: 10_000 } }, 80, 0)).toContain(' 99%')
  })

  it.each([
    [9, '9s'],
    [60, '1m00s'],
    [7_500, '2h05m'],
    [359_999, '99h59m'],
    [360_000, '99h+'],
  ])('says that %i s are left as %s', (seconds, text) => {
    const drawn = drawLine({ ...layer, count: { completed: 0, total: seconds * 10, perSecond: 10 } }, 100, 0)
    expect(drawn.endsWith(`  ${text}`)).toBe(true)
  })

  it('that stands still says no time', () => {
    expect(drawLine({ ...layer, count: { ...layer.count, perSecond: 0 } }, 100, 0)).toMatch(/ 0 B\/s$/)
  })
})

describe('a step', () => {
  it('turns while it is taken and stands alone when it is over', () => {
    const step = { label: 'verifying sha256 digest', isOver: false }
    expect([drawLine(step, 80, 0), drawLine(step, 80, 1)]).toEqual([
      'verifying sha256 digest ⠋',
      'verifying sha256 digest ⠙',
    ])
    expect(drawLine({ ...step, isOver: true }, 80, 2)).toBe('verifying sha256 digest')
    expect(drawLine(step, 12, 0)).toBe('verifying… ⠋')
  })
})

describe('in any width', () => {
  it('a line has room in its columns', () => {
    fc.assert(
      fc.property(lines, widths, fc.nat(), (line, columns, turn) => {
        expect(columnsOf(drawLine(line, columns, turn))).toBeLessThanOrEqual(columns)
      }),
    )
  })

  it('a bar always says how much is there', () => {
    fc.assert(
      fc.property(labels, count, widths, (label, counted, columns) => {
        expect(drawLine({ label, count: counted, isOver: false }, columns, 0)).toMatch(/ \d+%/)
      }),
    )
  })

  it('the bars of one width end in the same column, however far they are', () => {
    fc.assert(
      fc.property(bytes, bytes, bytes, widths, (completed, total, perSecond, columns) => {
        const drawn = drawLine({ ...layer, count: { completed, total, perSecond } }, columns, 0)
        expect(drawn.indexOf('▏')).toBe(drawLine(layer, columns, 0).indexOf('▏'))
      }),
    )
  })

  it('a text is cut only where it has no room, and then to its beginning', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 80 }), (text, columns) => {
        const cut = cutTo(text, columns)
        expect(columnsOf(cut)).toBeLessThanOrEqual(columns)
        if (columnsOf(text) <= columns) expect(cut).toBe(text)
        else expect(cut.endsWith('…') && text.startsWith(cut.slice(0, -1))).toBe(true)
      }),
    )
  })
})

it('characters that terminals draw wide count twice', () => {
  expect([columnsOf('modèle'), columnsOf('模型'), columnsOf('📦')]).toEqual([6, 4, 2])
})
