import { describe, expect, it } from 'vitest'
import { blobPath, layoutAt, manifestPath } from '../../src/store/layout.ts'

const layout = layoutAt('/models')
const digest = `sha256:${'0'.repeat(64)}`

describe('paths in the store', () => {
  it('are those that Ollama uses', () => {
    const name = { host: 'hf.co', namespace: 'user', model: 'm', tag: 'q8' }
    expect(manifestPath(layout, name)).toBe('/models/manifests/hf.co/user/m/q8')
    expect(blobPath(layout, digest)).toBe(`/models/blobs/sha256-${'0'.repeat(64)}`)
  })

  it.each(['host', 'namespace', 'model', 'tag'])('are refused for a name whose %s would leave the folder', (part) => {
    const name = { host: 'h', namespace: 'n', model: 'm', tag: 't', [part]: '..' }
    expect(() => manifestPath(layout, name)).toThrow(/is not a model name/)
  })

  it.each(['sha256:../../etc/passwd', '', `${digest}/x`, digest.toUpperCase(), digest.slice(7)])(
    'are refused for the digest %j',
    (text) => {
      expect(() => blobPath(layout, text)).toThrow(/is not a digest/)
    },
  )
})
