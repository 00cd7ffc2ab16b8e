import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ApiError } from '../../src/http/errors.ts'
import { imageBytes } from '../../src/http/images.ts'
import { argumentsOf, imageOf } from '../../src/http/openai/content.ts'

/** What comes out, or undefined where it refuses as it says that it does. */
function read<T>(reader: (text: string) => T, text: string): T | undefined {
  try {
    return reader(text)
  } catch (error) {
    expect(error).toBeInstanceOf(ApiError)
    return undefined
  }
}

describe('base64 of an image', () => {
  it('is the bytes that were encoded, with or without line breaks and what web clients put before it', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom('', 'data:image/png;base64,', 'data:;base64,'), (bytes, before) => {
        const text = Buffer.from(bytes).toString('base64')
        const broken = text.replace(/.{8}/g, '$&\r\n')
        expect([...imageBytes(before + broken)]).toEqual([...bytes])
        if (before !== '') expect([...imageOf(before + text)]).toEqual([...bytes])
      }),
    )
  })

  it('is whole and in the standard alphabet, or refused', () => {
    const near = fc.string({ unit: fc.constantFrom(...'ABCxyz09+/=-_ \n,:;é'), maxLength: 16 })
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), (text) => {
        const bytes = read(imageBytes, text)
        if (bytes === undefined) return
        const bare = text.replace(/^data:[^;,]*;base64,/, '').replaceAll(/[\r\n]/g, '')
        expect(bare).toMatch(/^[A-Za-z0-9+/]*={0,2}$/)
        expect(bytes.length).toBe((bare.length / 4) * 3 - (/=*$/.exec(bare)?.[0].length ?? 0))
      }),
      { numRuns: 300 },
    )
  })
})

it('a call’s arguments are an object of JSON or nothing, or refused', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string(), fc.constantFrom(' ', '{}', '[]')), (text) => {
      const found = read(argumentsOf, text)
      if (found !== undefined) expect(found).toEqual(JSON.parse(text.trim() === '' ? '{}' : text))
    }),
  )
})
