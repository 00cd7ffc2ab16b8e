/** LoRA adapters, applied by the real engines: llama.cpp's bindings, and its server where a host has one. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ModelFile } from '../../actors/model-catalog.ts'
import { createDriver, type EngineChoice } from '../../src/engine/drivers.ts'
import { ggufBytes } from '../store/fixtures.ts'
import { loraBytes, loraTensors, loraValues } from '../support/lora.ts'
import { ask, collect, request, settings } from './collect.ts'
import { tiny } from './models.ts'
import { llamaServer } from './programs.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'omx-adapter-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function adapted(...adapters: readonly (readonly [file: string, bytes: Buffer])[]): Promise<ModelFile> {
  const paths = adapters.map(async ([file, bytes]) => {
    const at = path.join(folder, file)
    await writeFile(at, bytes)
    return at
  })
  return { ...tiny, name: 'adapted:latest', adapters: await Promise.all(paths) }
}

const load = (choice: EngineChoice, model: ModelFile) =>
  createDriver(choice, { llama: { gpu: false } }).load(model, { ...settings, slots: 1 }, new AbortController().signal)

const question = () => request(ask('What is the capital of Norway?'), { num_predict: 6 })

async function answer(choice: EngineChoice, model: ModelFile): Promise<string> {
  const engine = await load(choice, model)
  const { text } = await collect(engine.infer(question()))
  await engine.close()
  return text
}

/** What an Ollama 0.17.4 says with the same files, `repeat_penalty` being 1. */
const answers = {
  plain: 'The capital of Norw',
  one: 'ex Germanex shex German',
  other: ' is N isopopop',
  both: ' is Germanex isopop',
}

function applies(choice: EngineChoice): void {
  const one = ['one.gguf', loraBytes(1)] as const
  // A comma separates what llama-server is given.
  const other = ['the "other", again.gguf', loraBytes(2)] as const

  it('changes what the model says as it does with Ollama, and several do so together', async () => {
    expect({
      plain: await answer(choice, tiny),
      one: await answer(choice, await adapted(one)),
      other: await answer(choice, await adapted(other)),
      both: await answer(choice, await adapted(one, other)),
    }).toEqual(answers)
  })
}

const llama = { name: 'llama' } as const

describe('an adapter with the llama driver', () => {
  applies(llama)

  it('counts as memory', async () => {
    const plain = await load(llama, tiny)
    const engine = await load(llama, await adapted(['a.gguf', loraBytes()]))
    expect(engine.sizeBytes - plain.sizeBytes).toBe(loraBytes().length)
    await Promise.all([plain.close(), engine.close()])
  })

  it('refuses embeddings, which would be without it, and goes on', async () => {
    const engine = await load(llama, await adapted(['a.gguf', loraBytes()]))
    const work = { kind: 'embed', input: ['a'], truncate: true, normalize: true } as const
    const { failed } = await collect(engine.infer(request(work)))
    expect(failed).toMatchObject({ code: 'invalid-request', message: expect.stringContaining('--engine llama-server') })
    expect((await collect(engine.infer(question()))).done.kind).toBe('done')
    await engine.close()
  })
})

describe.skipIf(llamaServer === undefined)(
  'an adapter with llama-server (none on the PATH: set OMX_LLAMA_SERVER to try it)',
  () => {
    const choice = { name: 'llama-server', command: llamaServer ?? '' } as const
    applies(choice)

    it('changes embeddings', async () => {
      const vectors = []
      for (const model of [tiny, await adapted(['a.gguf', ffnLora()])]) {
        const engine = await load(choice, model)
        const work = { kind: 'embed', input: ['a'], truncate: true, normalize: true } as const
        const { frames } = await collect(engine.infer(request(work)))
        vectors.push(frames.find((frame) => frame.kind === 'embedding')?.vector)
        await engine.close()
      }
      expect(vectors[0]).toHaveLength(128)
      expect(vectors[1]).toHaveLength(128)
      expect(vectors[0]).not.toEqual(vectors[1])
    })
  },
)

/** Of a weight that embeddings go through too. */
function ffnLora(): Buffer {
  const [down, up] = loraTensors()
  const name = 'blk.5.attn_q.weight'
  const narrow = { ...up, name: `${name}.lora_b`, shape: [1, 128], data: up.data.slice(0, 128) }
  return ggufBytes(loraValues, [{ ...down, name: `${name}.lora_a` }, narrow])
}

describe('an adapter that cannot be applied', () => {
  const [down, up] = loraTensors()
  const other = (values: object) => ggufBytes({ ...loraValues, ...values }, [down, up])
  const elsewhere = [
    { ...down, name: 'blk.9.ffn_up.weight.lora_a' },
    { ...up, name: 'blk.9.ffn_up.weight.lora_b' },
  ]
  const wide = [{ ...down, shape: [64, 2] }, up]

  it.each([
    ['is cut short', loraBytes().subarray(0, -64), 'it was cut short'],
    ['is no GGUF', Buffer.from('{"peft_type": "LORA"}'), 'the file is not a GGUF file'],
    ['is a model', ggufBytes({ 'general.architecture': 'llama' }), 'the file is a model, not an adapter'],
    ['is of another kind', other({ 'adapter.type': 'control' }), 'it is an adapter of type control'],
    [
      'is for another architecture',
      other({ 'general.architecture': 'gemma3' }),
      'it was made for the architecture gemma3, and the model is llama',
    ],
    [
      'is for a larger model',
      ggufBytes(loraValues, elsewhere),
      'it changes blk.9.ffn_up.weight, which the model does not have',
    ],
    ['is for a narrower model', ggufBytes(loraValues, wide), "do not fit the model's 128 x 1024"],
    ['lacks a half', ggufBytes(loraValues, [down]), 'output.weight is no pair of lora_a and lora_b'],
  ])('is model-unusable where it %s, with its file and what to do', async (_how, bytes, cause) => {
    const model = await adapted(['wrong.gguf', bytes])
    for (const choice of [llama, { name: 'llama-server', command: '/nowhere/llama-server' } as const]) {
      const error = await load(choice, model).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ name: 'EngineError', code: 'model-unusable' })
      const { message } = error as Error
      expect(message).toMatch(/^cannot load adapted:latest with its adapter .*wrong\.gguf: /)
      expect(message).toContain(cause)
      expect(message).toMatch(/Create the model again with a LoRA adapter that was made for it, or without one$/)
    }
  })

  it('is model-unusable where its file is gone', async () => {
    const model = { ...tiny, adapters: [path.join(folder, 'none.gguf')] }
    await expect(load(llama, model)).rejects.toMatchObject({ code: 'model-unusable' })
  })
})
