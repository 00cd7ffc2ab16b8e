import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AnswerReader } from '../../bench/support/http-client.ts'
import { timings, timingsTable } from '../../bench/support/rows.ts'
import { byRound, quantile, Table } from '../../bench/support/samples.ts'

const fixed = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const chunked = (chunks: readonly string[]) =>
  `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunks.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join('')}0\r\n\r\n`

/** The text in pieces that end at these places. */
function piecesOf(text: string, cuts: readonly number[]): Buffer[] {
  const ends = [...new Set([...cuts.map((cut) => cut % text.length), text.length])].sort((a, b) => a - b)
  return ends.map((end, index) => Buffer.from(text.slice(ends[index - 1] ?? 0, end))).filter(({ length }) => length > 0)
}

describe('the reader of answers', () => {
  it('finds status, lines and end wherever the network cuts them', () => {
    const bodies = fc.array(fc.string({ unit: fc.constantFrom('a', '\n', '\r', '0', '}'), minLength: 1 }), {
      minLength: 1,
    })
    fc.assert(
      fc.property(bodies, fc.boolean(), fc.array(fc.nat(500)), (chunks, isChunked, cuts) => {
        const body = chunks.join('')
        const reader = new AnswerReader()
        const answers = piecesOf(isChunked ? chunked(chunks) : fixed(body), cuts).map((piece) => reader.push(piece))
        const lines = body.split('\n').length - 1
        expect(answers.at(-1)).toEqual({ status: 200, lines, tail: body.slice(-400) })
        expect(answers.slice(0, -1).every((answer) => answer === undefined)).toBe(true)
      }),
    )
  })

  it('refuses an answer whose end nobody can know', () => {
    expect(() => new AnswerReader().push(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'))).toThrow('neither a length nor chunks')
  })
})

describe('samples', () => {
  it('have the usual quantiles, and a median between two', () => {
    expect(quantile([3, 1, 2], 0.5)).toBe(2)
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5)
    expect(quantile([5, 1, 4, 2, 3], 0.99)).toBe(5)
    expect(quantile([], 0.5)).toBeNaN()
  })

  it('are compared round by round, so that a slow round spoils no ratio', () => {
    expect(
      byRound(
        [
          [10, 100, 10],
          [20, 200, 20],
        ],
        (own, other) => own / other,
      ).toString(),
    ).toBe('0.5 (0.5–0.5)')
  })

  it('become a table in which what was not measured is a dash', () => {
    const table = new Table(['ms', 'CPU'])
    table.add('one', { ms: 1234.5, CPU: undefined })
    table.add('one', { ms: 2.345 })
    table.add('two', { ms: 3 })
    expect(table.markdown()).toBe('| | ms | CPU |\n|---|--:|--:|\n| one | 618 (2.35–1,235) | – |\n| two | 3 | – |\n')
  })
})

describe('timings', () => {
  it('run every row once a round, one after the other, and once before that does not count', async () => {
    const ran: string[] = []
    const row = (name: string) => ({ name, count: 10, run: () => void ran.push(name) })
    const timed = await timings([row('a'), row('b')], 2)
    expect(ran).toEqual(['a', 'b', 'a', 'b', 'a', 'b'])
    expect(timed.map(([name, values]) => [name, values.length])).toEqual([
      ['a', 2],
      ['b', 2],
    ])
  })

  it('are per one of what a row does, in microseconds', async () => {
    const run = () => new Promise<void>((resolve) => void setTimeout(resolve, 20))
    const [[, values] = ['', []]] = await timings([{ name: 'a', count: 1000, run }], 1)
    expect(values[0]).toBeGreaterThan(15)
  })

  it('become a table with a line for each row', () => {
    expect(timingsTable([['a', [1, 3, 2]]]).markdown()).toBe('| | µs each |\n|---|--:|\n| a | 2 (1–3) |\n')
  })
})
