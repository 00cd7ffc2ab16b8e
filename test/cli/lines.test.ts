import fc from 'fast-check'
import { Type } from 'typebox'
import { expect, it } from 'vitest'
import { parseLines } from '../../src/cli/client.ts'
import { CommandError } from '../../src/cli/command-error.ts'

const line = Type.Object({ status: Type.String() })

/** What was read before it ended, and the error that ended it. */
async function read(chunks: readonly Uint8Array[]) {
  const values: unknown[] = []
  try {
    for await (const value of parseLines(chunks, line)) values.push(value)
  } catch (error) {
    expect(error).toBeInstanceOf(CommandError)
    return { values, error: (error as Error).message }
  }
  return { values, error: undefined }
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((one, other) => one - other)
  return [0, ...ends].map((from, index) => bytes.subarray(from, ends[index]))
}

const good = fc.string({ unit: 'grapheme', maxLength: 20 }).map((status) => JSON.stringify({ status }))
const places = fc.array(fc.nat(), { maxLength: 12 })

it('lines of a node are the same wherever their bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(good),
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
      places,
      async (all, end, last, ends) => {
        const text = all.join(end) + (last ? end : '')
        const outcome = await read(cut(new TextEncoder().encode(text), ends))
        expect(outcome).toEqual({ values: all.map((each) => JSON.parse(each)), error: undefined })
      },
    ),
  )
})

it('bytes that are no lines of a node end with the same words wherever they are cut', async () => {
  const noise = fc.oneof(
    good,
    fc.constantFrom('{"error":"no"}', '{"status":1}', '[]', '', '{', 'x'.repeat(70_000)),
    fc.string({ maxLength: 20 }),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(noise, { maxLength: 5 }),
      fc.uint8Array({ maxLength: 3 }),
      places,
      async (all, tail, ends) => {
        const bytes = Buffer.concat([Buffer.from(all.join('\n')), tail])
        expect(await read(cut(bytes, ends))).toEqual(await read([bytes]))
      },
    ),
    { numRuns: 60 },
  )
})
