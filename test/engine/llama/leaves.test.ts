import { describe, expect, it } from 'vitest'
import { estimateMemory, type ModelShape, memoryRefusal } from '../../../src/engine/llama/memory.ts'
import { parseChildMessage } from '../../../src/engine/llama/messages.ts'

const gibibyte = 2 ** 30

/** An 8-billion-parameter llama at four bits. */
const eight: ModelShape = {
  fileBytes: 4.7 * gibibyte,
  layers: 32,
  keyValueHeads: 8,
  keyWidth: 128,
  valueWidth: 128,
  width: 4096,
  vocabulary: 128_256,
}

describe('the memory estimate', () => {
  it('counts the cache of every slot at two bytes a value', () => {
    const { cacheBytes, totalBytes } = estimateMemory(eight, 8192, 4)
    expect(cacheBytes).toBe(4 * gibibyte)
    expect(totalBytes).toBeGreaterThan(8.7 * gibibyte)
    expect(totalBytes).toBeLessThan(9.5 * gibibyte)
  })

  it("refuses in Ollama's words with the numbers and what to do", () => {
    const refusal = memoryRefusal(estimateMemory(eight, 8192, 4), 6 * gibibyte)
    expect(refusal).toMatch(/^model requires more system memory \(9\.\d GiB\) than is available \(6\.0 GiB\)/)
    expect(refusal).toMatch(/4\.7 GiB for the weights, 4\.0 GiB for the context.*fewer slots/)
    expect(memoryRefusal(estimateMemory(eight, 8192, 4), 16 * gibibyte)).toBeUndefined()
  })
})

describe('a message of the child', () => {
  it('is taken when it has the agreed form', () => {
    const tick = {
      kind: 'tick',
      streams: [
        { stream: 1, frames: [{ kind: 'token', index: 0, tokens: [5], text: 'a' }] },
        { stream: 2, frames: [{ kind: 'embedding', index: 0, vector: new Float32Array([1]) }] },
      ],
      released: [3],
    }
    expect(parseChildMessage(tick)).toBe(tick)
  })

  it.each([
    [undefined],
    [{ kind: 'tick' }],
    [{ kind: 'tick', streams: [{ stream: 1, frames: [{ kind: 'accepted' }] }], released: [] }],
    [{ kind: 'tick', streams: [{ stream: 1, frames: [{ kind: 'embedding', index: 0, vector: [1] }] }], released: [] }],
    [{ kind: 'loaded', contextTokens: '5', vramBytes: 0 }],
  ])('is nothing when it is %j', (value) => {
    expect(parseChildMessage(value)).toBeUndefined()
  })
})
