import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ApiAddress,
  formatApiAddress,
  isDialAddress,
  p2pHost,
  parseApiAddress,
  parseOllamaHost,
} from '../../src/config/address.ts'
import * as kinds from '../../src/config/kind.ts'

const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,5})?$/)
const host = fc.oneof(fc.ipV4(), fc.ipV6(), name)
const port = fc.nat({ max: 65_535 })
const address: fc.Arbitrary<ApiAddress> = fc.record({ host, port })
/** Near an address, so that a good part of them is one. */
const near = fc.oneof(
  fc.string(),
  fc
    .array(
      fc.oneof(
        host,
        fc.constantFrom(':', '[', ']', '/', '//', 'http://', 'tcp', 'ip4', 'ip6', 'p2p', '80', '%', '@', ' '),
      ),
      {
        maxLength: 8,
      },
    )
    .map((parts) => parts.join('')),
)

const isSound = (found: ApiAddress | undefined): boolean =>
  found === undefined ||
  ((isIP(found.host) !== 0 || /^[a-z0-9.-]+$/i.test(found.host)) &&
    Number.isInteger(found.port) &&
    found.port >= 0 &&
    found.port <= 65_535)

describe('an address to listen at', () => {
  it('is read as it is written, for itself and as Ollama reads its own', () => {
    fc.assert(
      fc.property(address, fc.constantFrom('', 'http://', 'https://', 'HTTP://'), (given, scheme) => {
        const text = formatApiAddress(given)
        expect(parseApiAddress(text)).toEqual(given)
        expect(parseOllamaHost(`${scheme}${text}`)).toEqual(given)
        expect(parseOllamaHost(`${scheme}${text}/path`)).toEqual(given)
      }),
    )
  })

  it('is a host and a port that exist, or nothing, whatever the text', () => {
    fc.assert(
      fc.property(near, (text) => {
        for (const found of [parseApiAddress(text), parseOllamaHost(text)]) {
          expect(isSound(found)).toBe(true)
          if (found !== undefined) expect(parseApiAddress(formatApiAddress(found))).toEqual(found)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('of the peers is one that they can dial as well, where its port is known', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), port, near, (ip, at, text) => {
        const multiaddr = `/ip${isIP(ip)}/${ip}/tcp/${at}`
        expect(p2pHost(multiaddr)).toBe(ip)
        expect(isDialAddress(multiaddr)).toBe(at > 0)
        if (p2pHost(text) !== undefined && !text.endsWith('/tcp/0')) expect(isDialAddress(text)).toBe(true)
      }),
    )
  })
})

describe('a setting of any kind', () => {
  const all: readonly kinds.Kind[] = [
    kinds.choice('a', 'b'),
    kinds.engine(),
    kinds.wholeNumber(0, 10),
    kinds.onOff(),
    kinds.text('^a+$', 'a'),
    kinds.secret(),
    kinds.path(),
    kinds.duration(1_000, 'a duration'),
    kinds.keepAlive(),
    kinds.timeout(),
    kinds.apiAddress(),
    kinds.p2pAddress(),
    kinds.dialAddresses(2),
    kinds.origins(2),
  ]

  it('reads anything without a throw: what it cannot use is for its schema to refuse', () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), near, fc.stringMatching(/^ ?-?[0-9.]{1,5}(ms|h)? ?$/)), (raw) => {
        for (const kind of all) kind.read(raw, '/home')
      }),
      { numRuns: 300 },
    )
  })

  it('tells an engine from where it is at the first =', () => {
    fc.assert(
      fc.property(fc.constantFrom('ollama', 'openai'), fc.string(), (engine, url) => {
        const { url: at } = kinds.engine().read(` ${engine}=${url}x`) as { readonly url: string }
        expect(at).toBe(`${url}x`)
      }),
    )
  })
})
