import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gguf } from '@huggingface/gguf'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GgufMemory, parameterSize, readGgufDetails, readGgufFacts } from '../../src/store/gguf.ts'
import { StoreError } from '../../src/store/store-error.ts'
import { ggufBytes, temporaryFolder, tinyPath } from './fixtures.ts'

async function fileOf(bytes: Buffer): Promise<string> {
  const path = join(await temporaryFolder(), 'model.gguf')
  await writeFile(path, bytes)
  return path
}

describe('GGUF files', () => {
  it('tell what Ollama shows of a model', async () => {
    const facts = await readGgufFacts(tinyPath)
    expect(facts).toMatchObject({
      architecture: 'llama',
      parameterSize: '1.54M',
      quantization: 'Q8_0',
      contextLength: 1024,
      embeddingLength: 128,
      capabilities: ['completion'],
    })
    expect(facts.chatTemplate).toContain('<|im_start|>')
    const { modelInfo, tensors } = await readGgufDetails(tinyPath, false)
    expect(modelInfo).toMatchObject({ 'general.parameter_count': 1_541_760, 'tokenizer.ggml.tokens': null })
    expect(modelInfo['llama.attention.layer_norm_rms_epsilon']).toBe(0.00001)
    expect(modelInfo).not.toHaveProperty('general.name')
    expect(modelInfo).not.toHaveProperty(['tokenizer.chat_template'])
    expect(tensors).toHaveLength(57)
  })

  it('are read with the same values and tensors as another reader sees', async () => {
    const theirs = await gguf(tinyPath, { allowLocalFile: true, computeParametersCount: true })
    const ours = await readGgufDetails(tinyPath, true)
    const metadata: Record<string, unknown> = { ...theirs.metadata }
    for (const [key, value] of Object.entries(ours.modelInfo)) {
      if (key === 'general.parameter_count') expect(value).toBe(theirs.parameterCount)
      else if (typeof value === 'number') expect(Math.fround(value)).toBe(Math.fround(Number(metadata[key])))
      else if (key === 'tokenizer.ggml.scores') expect(value).toHaveLength(1024)
      else expect(value).toEqual(metadata[key])
    }
    expect(ours.tensors).toHaveLength(theirs.tensorInfos.length)
    expect(ours.tensors[0]).toEqual({ name: 'output.weight', type: 'Q8_0', shape: [128, 1024] })
  })

  it('cut short anywhere are refused as damaged, in the header and in the weights', async () => {
    const whole = await readFile(tinyPath)
    const path = await fileOf(whole)
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.integer({ min: 4, max: 27_000 }), fc.nat(whole.length - 1)), async (length) => {
        fc.pre(length >= 4)
        await writeFile(path, whole.subarray(0, length))
        await expect(readGgufFacts(path)).rejects.toMatchObject({ name: 'StoreError', code: 'corrupt' })
      }),
      { numRuns: 60 },
    )
  })

  it('with any byte changed are read or refused with a StoreError, never otherwise', async () => {
    const header = (await readFile(tinyPath)).subarray(0, 30_000)
    const path = await fileOf(header)
    const changes = fc.array(fc.tuple(fc.nat(2_500), fc.nat(255)), { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(changes, async (changed) => {
        const bytes = Buffer.from(header)
        for (const [at, value] of changed) bytes[at] = value
        await writeFile(path, bytes)
        const error = await readGgufDetails(path, true).then(
          () => undefined,
          (thrown) => thrown,
        )
        if (error !== undefined) expect(error).toBeInstanceOf(StoreError)
      }),
      { numRuns: 200 },
    )
  })

  it.each([
    ['an empty file', Buffer.alloc(0), 'not-gguf'],
    ['three bytes', Buffer.from('GGU'), 'not-gguf'],
    ['something else', Buffer.from('PK\x03\x04 and so on'), 'not-gguf'],
    [
      'an unknown version',
      Buffer.concat([Buffer.from('GGUF'), Buffer.from([99, 0, 0, 0]), Buffer.alloc(32)]),
      'unsupported',
    ],
    ['a file without an architecture', ggufBytes({ 'general.name': 'x' }), 'unsupported'],
    ['an adapter', ggufBytes({ 'general.architecture': 'llama', 'general.type': 'adapter' }), 'unsupported'],
    ['a projector', ggufBytes({ 'general.architecture': 'clip' }), 'unsupported'],
    ['one part of several', ggufBytes({ 'general.architecture': 'llama', 'split.count': 3 }), 'unsupported'],
  ])('that are %s are refused by name', async (_what, bytes, code) => {
    const path = await fileOf(bytes)
    const error = await readGgufFacts(path).catch((thrown) => thrown)
    expect(error).toMatchObject({ name: 'StoreError', code })
    expect(error.message).toContain(path)
  })

  it('that are missing are named', async () => {
    await expect(readGgufFacts('/nowhere/model.gguf')).rejects.toThrow('/nowhere/model.gguf')
  })

  it('with a pooling type are for embedding, with vision blocks for images too', async () => {
    const embedder = await fileOf(ggufBytes({ 'general.architecture': 'bert', 'bert.pooling_type': 1 }))
    expect((await readGgufFacts(embedder)).capabilities).toEqual(['embedding'])
    const seeing = await fileOf(ggufBytes({ 'general.architecture': 'gemma3', 'gemma3.vision.block_count': 27 }))
    expect((await readGgufFacts(seeing)).capabilities).toEqual(['completion', 'vision'])
  })

  it.each([
    [0, 'F32'],
    [7, 'Q8_0'],
    [15, 'Q4_K_M'],
    [15 + 1024, 'Q4_K_M'],
    [32, 'BF16'],
    [38, 'MXFP4'],
    [999, 'unknown'],
  ])('of file type %i are %s', async (type, name) => {
    const path = await fileOf(ggufBytes({ 'general.architecture': 'llama', 'general.file_type': type }))
    expect((await readGgufFacts(path)).quantization).toBe(name)
  })

  it('whose vocabulary is larger than the window are stepped through, and read whole when asked', async () => {
    const tokens = Array.from({ length: 100_000 }, (_, index) => `token number ${index}`)
    const path = await fileOf(
      ggufBytes({ 'general.architecture': 'llama', 'tokenizer.ggml.tokens': tokens, last: 'x' }),
    )
    const short = await readGgufDetails(path, false)
    expect(short.modelInfo).toMatchObject({ 'tokenizer.ggml.tokens': null, last: 'x' })
    const { modelInfo } = await readGgufDetails(path, true)
    expect(String(modelInfo['tokenizer.ggml.tokens']) === String(tokens)).toBe(true)
    expect(modelInfo.last).toBe('x')
  })

  it('with one text larger than the window keep all of it', async () => {
    const template = 'x'.repeat(3_000_000)
    const path = await fileOf(ggufBytes({ 'general.architecture': 'a', 'tokenizer.chat_template': template, last: 1 }))
    const facts = await readGgufFacts(path)
    expect(facts.chatTemplate).toBe(template)
    expect((await readGgufDetails(path, false)).modelInfo.last).toBe(1)
  })

  it('are remembered, and read again when a damaged one was repaired', async () => {
    const memory = new GgufMemory()
    const path = await fileOf(Buffer.from('GGUF but damaged'))
    await expect(memory.facts(path)).rejects.toMatchObject({ name: 'StoreError' })
    await writeFile(path, await readFile(tinyPath))
    const facts = await memory.facts(path)
    expect(facts.architecture).toBe('llama')
    expect(await memory.facts(path)).toBe(facts)
  })
})

describe('parameter sizes', () => {
  it.each([
    [8_030_261_248, '8.0B'],
    [7_000_000_000, '7B'],
    [1_541_760, '1.54M'],
    [22_565_376, '22.57M'],
    [12_345, '12K'],
    [999, '999'],
  ])('of %i read %s', (count, text) => {
    expect(parameterSize(count)).toBe(text)
  })
})
