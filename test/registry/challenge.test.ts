import { createHash, createPublicKey, verify } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { authorizationOf, parseChallenge, sshKeyLine, tokenUrl } from '../../src/registry/challenge.ts'
import { newSigner } from './place.ts'

describe('the signature of a sign-in', () => {
  it('is of the method, the whole URL and the hash of an empty body, and nothing else', async () => {
    const signer = newSigner()
    const url = new URL('https://models.example/v2/token?service=s&scope=a%20b&ts=1&nonce=n')
    const [key = '', signature = ''] = (await authorizationOf(url, signer)).split(':')
    expect(`ssh-ed25519 ${key}`).toBe(signer.line)
    const x = Buffer.from(signer.publicKey).toString('base64url')
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    const emptyBody = Buffer.from(createHash('sha256').update('').digest('hex')).toString('base64')
    const isSigned = (text: string) => verify(null, Buffer.from(text), publicKey, Buffer.from(signature, 'base64'))
    expect(isSigned(`GET,${url.href},${emptyBody}`)).toBe(true)
    for (const other of [`GET,${url.href}`, `POST,${url.href},${emptyBody}`, `GET,${url.pathname},${emptyBody}`]) {
      expect(isSigned(other)).toBe(false)
    }
  })

  it('comes with the key in the form of OpenSSH, as ssh-keygen writes it', () => {
    const publicKey = Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex')
    const line = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea'
    expect(sshKeyLine({ publicKey, sign: () => publicKey })).toBe(line)
  })
})

describe('a challenge', () => {
  /** What a quoted text of a header may hold. */
  const quoted = fc.stringMatching(/^[\x21\x23-\x5b\x5d-\x7e]{1,40}$/)

  it('is read whatever it says, in whatever order and case', () => {
    fc.assert(
      fc.property(
        quoted,
        quoted,
        fc.array(quoted, { maxLength: 4 }),
        fc.boolean(),
        (realm, service, scopes, swapped) => {
          const fields = [`realm="${realm}"`, `Service="${service}"`, `scope="${scopes.join(' ')}"`]
          const header = `bearer ${(swapped ? fields.toReversed() : fields).join(',')}`
          expect(parseChallenge(header)).toEqual({ realm, service, scopes })
        },
      ),
    )
  })

  it('that is none is none, whatever it is', () => {
    for (const header of [
      undefined,
      '',
      'Basic realm="x"',
      'Bearer',
      'Bearer scope="x"',
      `Bearer realm="${'x'.repeat(5000)}"`,
    ]) {
      expect(parseChallenge(header)).toBeUndefined()
    }
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        const challenge = parseChallenge(text)
        expect(challenge === undefined || /^bearer\s/i.test(text)).toBe(true)
      }),
    )
  })

  it('is followed to the host that made it alone', () => {
    const origin = new URL('https://models.example')
    const at = (realm: string) =>
      tokenUrl({ realm, service: 's', scopes: ['a', 'b c'] }, origin, 1_700_000_000_999, 'n')
    expect(at('https://models.example/v2/token').href).toBe(
      'https://models.example/v2/token?service=s&scope=a&scope=b+c&ts=1700000000&nonce=n',
    )
    for (const realm of [
      'http://models.example/token',
      'https://models.example:8443/token',
      'https://models.example.evil.example/token',
      'https://models.example@evil.example/token',
      'https://evil.example/models.example',
      '//models.example/token',
      '/token',
      '',
    ]) {
      expect(() => at(realm)).toThrow('nothing was signed')
    }
  })
})
