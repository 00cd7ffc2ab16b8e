import fc from 'fast-check'
import { expect, it } from 'vitest'
import { drawLine } from '../../src/cli/progress-line.ts'
import { redraw } from '../../src/cli/redraw.ts'
import { Screen } from './screen.ts'

const line = fc.record(
  {
    label: fc.constantFrom('pulling 6a0746a1ec1a', 'pulling manifest', 'hashing 模型.gguf', ''),
    isOver: fc.boolean(),
    count: fc.record({ completed: fc.nat(), total: fc.nat() }),
  },
  { requiredKeys: ['label', 'isOver'] },
)
const frames = fc.array(
  fc.record({
    columns: fc.integer({ min: 10, max: 200 }),
    lines: fc.array(line, { minLength: 1, maxLength: 6 }),
  }),
  { minLength: 1, maxLength: 12 },
)

it('what stands on the terminal is what was drawn last, however often its width changed', () => {
  fc.assert(
    fc.property(frames, (drawings) => {
      const screen = new Screen(80)
      let before: readonly string[] = []
      for (const { columns, lines } of drawings) {
        screen.resize(columns)
        const after = lines.map((shown) => drawLine(shown, columns - 1, 0))
        screen.write(redraw(before, after, columns))
        expect(screen.text).toEqual(after.map((text) => text.trimEnd()))
        expect(screen.hasWrapped).toBe(false)
        before = after
      }
    }),
  )
})

it('lines that are left behind stay as they are while those below are drawn again', () => {
  const screen = new Screen(40)
  screen.write(redraw([], ['one', 'two', 'three'], 40))
  screen.write(redraw(['two', 'three'], ['TWO', 'THREE', 'FOUR'], 40))
  screen.write(redraw(['TWO', 'THREE', 'FOUR'], ['done'], 40))
  expect(screen.text).toEqual(['one', 'done'])
})
