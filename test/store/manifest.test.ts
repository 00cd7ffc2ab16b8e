import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { layerOf, layersOf, manifestBytes, sha256Hex, usableManifest } from '../../src/store/manifest.ts'
import { StoreError } from '../../src/store/store-error.ts'

const layer = fc
  .tuple(
    fc.constantFrom('projector' as const, 'template' as const, 'system' as const, 'params' as const),
    fc.stringMatching(/^[0-9a-f]{64}$/),
    fc.nat(),
  )
  .map(([kind, hex, size]) => layerOf(kind, `sha256:${hex}`, size))

describe('a manifest', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.array(layer, { maxLength: 4 }), fc.uint8Array(), (others, config) => {
        const model = layerOf('model', `sha256:${sha256Hex(config)}`, config.length)
        const found = usableManifest('it', manifestBytes(Buffer.from(config), [model, ...others]))
        expect(found.layers).toEqual([model, ...others])
        expect(found.config).toMatchObject({ digest: model.digest, size: config.length })
      }),
    )
  })

  it('is refused with a StoreError where it is anything else, and never taken without a model', () => {
    const json = fc.oneof(
      fc.jsonValue(),
      fc.record({
        schemaVersion: fc.constantFrom(2, 1),
        config: fc.oneof(layer, fc.jsonValue()),
        layers: fc.array(layer),
      }),
    )
    const bytes = fc.oneof(
      fc.uint8Array(),
      json.map((value) => new TextEncoder().encode(JSON.stringify(value))),
    )
    fc.assert(
      fc.property(bytes, (given) => {
        try {
          expect(layersOf(usableManifest('it', given), 'model').length).toBeGreaterThan(0)
        } catch (error) {
          expect(error).toBeInstanceOf(StoreError)
        }
      }),
    )
  })
})
