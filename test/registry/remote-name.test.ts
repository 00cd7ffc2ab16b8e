import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RegistryError } from '../../src/registry/errors.ts'
import { isPrivateAddress } from '../../src/registry/private-address.ts'
import { parseRemoteName } from '../../src/registry/remote-name.ts'

const part = fc.stringMatching(/^[a-z0-9_][a-z0-9_-]{0,9}$/)

describe('a name of a model at a registry', () => {
  it('says where it is and what to ask for', () => {
    const host = fc.tuple(
      fc.stringMatching(/^[a-z][a-z0-9]{0,8}\.example$/),
      fc.option(fc.integer({ min: 1, max: 65_535 })),
    )
    fc.assert(
      fc.property(host, part, part, part, fc.boolean(), ([name, port], namespace, model, tag, insecure) => {
        const at = port === null ? name : `${name}:${port}`
        const scheme = insecure ? 'http' : 'https'
        const found = parseRemoteName(`${scheme}://${at}/${namespace}/${model}:${tag}`, insecure)
        const { origin, repository } = found
        expect({ origin, repository, tag: found.tag }).toEqual({
          origin: new URL(`${scheme}://${at}`).origin,
          repository: `${namespace}/${model}`,
          tag,
        })
      }),
    )
  })

  it('is refused with a RegistryError, or goes to a host and no path, user or query of a client’s', () => {
    const piece = fc.constantFrom('a', 'b.c', '/', '//', ':', '::', '@', '?', '#', '%2f', 'http', '://', '..', '1', ' ')
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, part), { maxLength: 8 }), fc.boolean(), (pieces, insecure) => {
        let origin: string
        try {
          origin = parseRemoteName(pieces.join(''), insecure).origin
        } catch (error) {
          expect(error).toBeInstanceOf(RegistryError)
          return
        }
        const { username, pathname, search, protocol } = new URL(origin)
        expect([username, pathname, search, protocol]).toEqual(['', '/', '', insecure ? 'http:' : 'https:'])
      }),
      { numRuns: 300 },
    )
  })
})

it('text that is no address is not public, and an address stays what it is with a zone', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()), fc.string(), (text, zone) => {
      expect(isPrivateAddress(`${text}%${zone}`)).toBe(isPrivateAddress(text))
    }),
  )
})
