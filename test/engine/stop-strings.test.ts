import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Piece, StopStrings } from '../../src/engine/stop-strings.ts'

/** What should be seen: everything up to the first stop string that is complete after some piece. */
function expected(pieces: readonly string[], stops: readonly string[]): { text: string; stopped: boolean } {
  let text = ''
  for (const piece of pieces) {
    text += piece
    const places = stops.filter((stop) => stop !== '').map((stop) => text.indexOf(stop))
    const found = places.filter((place) => place >= 0)
    if (found.length > 0) return { text: text.slice(0, Math.min(...found)), stopped: true }
  }
  return { text, stopped: false }
}

function run(texts: readonly string[], stops: readonly string[]) {
  const matcher = new StopStrings(stops)
  const released: Piece[] = []
  for (const [token, text] of texts.entries()) {
    const result = matcher.push({ tokens: [token], text })
    released.push(...result.released, ...(result.cut === undefined ? [] : [result.cut]))
    if (result.stopped) return { released, stopped: true }
  }
  return { released: [...released, ...matcher.flush()], stopped: false }
}

/** Few letters, so that stop strings and their beginnings really occur. */
const someText = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 4 })
const someTexts = fc.array(someText, { maxLength: 12 })

describe('stop strings', () => {
  it('show exactly what comes before the first one, however the text is cut into tokens', () => {
    let stops = 0
    fc.assert(
      fc.property(someTexts, fc.array(someText, { maxLength: 3 }), (texts, stopStrings) => {
        const { released, stopped } = run(texts, stopStrings)
        const wanted = expected(texts, stopStrings)
        expect(released.map((piece) => piece.text).join('')).toBe(wanted.text)
        expect(stopped).toBe(wanted.stopped)
        if (stopped) stops += 1
      }),
      { numRuns: 500 },
    )
    expect(stops).toBeGreaterThan(20)
  })

  it('release whole tokens in order, each once', () => {
    fc.assert(
      fc.property(someTexts, fc.array(someText, { maxLength: 3 }), (texts, stopStrings) => {
        const tokens = run(texts, stopStrings).released.flatMap((piece) => piece.tokens)
        expect(tokens).toEqual(tokens.map((_, at) => at))
      }),
    )
  })

  it('hold back nothing that cannot become a stop string', () => {
    const matcher = new StopStrings(['end'])
    expect(matcher.push({ tokens: [1], text: 'the ' }).released).toHaveLength(1)
    expect(matcher.push({ tokens: [2], text: 'e' }).released).toHaveLength(0)
    expect(matcher.push({ tokens: [3], text: 'nough' }).released).toHaveLength(2)
  })
})
