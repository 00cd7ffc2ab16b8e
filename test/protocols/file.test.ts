import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeFileHead,
  decodeFileRequest,
  encodeFileHead,
  encodeFileRequest,
  type FileHead,
  fileHeadBytes,
} from '../../protocols/file.ts'
import { ProtocolError } from '../../protocols/protocol-error.ts'

const size = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const request = fc.record({
  kind: fc.constantFrom('manifest' as const, 'blob' as const),
  digest: fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`),
  start: size,
  end: size,
})
const head: fc.Arbitrary<FileHead> = fc.record({
  status: fc.constantFrom('found', 'absent', 'busy', 'failed'),
  sizeBytes: size,
})

/** What it decodes to, or undefined where it refuses as it says that it does. */
function decoded<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T | undefined {
  try {
    return decode(bytes)
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError)
    return undefined
  }
}

describe('a request for a file and the head of its answer', () => {
  it('come back as they were sent', () => {
    fc.assert(
      fc.property(request, head, (wanted, answer) => {
        expect(decodeFileRequest(encodeFileRequest(wanted))).toEqual(wanted)
        expect(decodeFileHead(encodeFileHead(answer))).toEqual(answer)
      }),
    )
  })

  it('are refused with a ProtocolError where they are anything else, also where they are cut off', () => {
    fc.assert(
      fc.property(request, fc.nat(), fc.uint8Array({ maxLength: 2 * fileHeadBytes }), (wanted, cut, bytes) => {
        const whole = encodeFileRequest(wanted)
        expect(decoded(decodeFileRequest, whole.subarray(0, cut % whole.length))).toBeUndefined()
        decoded(decodeFileRequest, bytes)
        const found = decoded(decodeFileHead, bytes)
        expect(found === undefined || bytes.length === fileHeadBytes).toBe(true)
        if (found !== undefined) expect(encodeFileHead(found)).toEqual(bytes)
      }),
    )
  })
})
