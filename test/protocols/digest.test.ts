import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseDigest } from '../../protocols/digest.ts'

it('a digest is read in any case and with either mark, and nothing else is one', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[0-9a-fA-F]{64}$/),
      fc.constantFrom('sha256:', 'sha256-', 'SHA256:'),
      fc.string(),
      (hex, mark, text) => {
        const digest = parseDigest(mark + hex)
        expect(digest).toBe(`sha256:${hex.toLowerCase()}`)
        expect(parseDigest(digest ?? '')).toBe(digest)
        expect(parseDigest(text)).toBeUndefined()
        expect(parseDigest(`${mark}${hex}\n`)).toBeUndefined()
      },
    ),
  )
})
