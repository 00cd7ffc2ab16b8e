import { describe, expect, it } from 'vitest'
import { realWorld } from '../../src/runtime/world.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('the bytes of the real world', () => {
  it('are as many as asked for and never the same, over many draws and large ones', () => {
    const lengths = [...Array.from({ length: 2000 }, () => 12), 4095, 4096, 4097, 10_000]
    const drawn = lengths.map((length) => realWorld.bytes(length))
    expect(drawn.map(({ length }) => length)).toEqual(lengths)
    expect(new Set(drawn.map((bytes) => hex(bytes.subarray(0, 12)))).size).toBe(lengths.length)
  })

  it('belong to whoever asked: what is written to them shows nowhere else', () => {
    const [first, second] = [realWorld.bytes(16), realWorld.bytes(16)]
    const before = hex(second)
    first.fill(0)
    new Uint8Array(first.buffer).fill(0)
    expect(hex(second)).toBe(before)
    expect(hex(realWorld.bytes(16))).not.toBe('0'.repeat(32))
  })
})
