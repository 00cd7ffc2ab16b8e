/** Quantizing with llama.cpp's own program, where a host has one: on the PATH, or beside what OMX_LLAMA_SERVER names. */
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { quantizer, quantizerBeside } from '../../src/engine/llama-server/quantizer.ts'
import { openCatalog } from '../../src/store/catalog.ts'
import { sha256Hex } from '../../src/store/manifest.ts'
import { onPath } from '../support/on-path.ts'
import { filesBelow, temporaryFolder, tinyPath } from './fixtures.ts'

const command = onPath(quantizerBeside(process.env.OMX_LLAMA_SERVER ?? 'llama-server'))
const never = new AbortController().signal

async function place(program: string) {
  const folder = await temporaryFolder()
  const catalog = await openCatalog(folder, { quantize: quantizer(program, 1, never) })
  const create = async (file: Uint8Array, quantize: string) => {
    const digest = `sha256:${sha256Hex(file)}`
    await catalog.writeBlob(
      digest,
      (async function* () {
        yield file
      })(),
      file.length,
    )
    const seen: string[] = []
    const texts = { adapters: {}, licenses: [], parameters: {}, messages: [] }
    await catalog.create({ name: 'made', files: { 'a.gguf': digest }, quantize, ...texts }, (status) =>
      seen.push(status),
    )
    return seen
  }
  return { folder, catalog, create }
}

describe.skipIf(command === undefined)('with the program (none on the PATH: set OMX_LLAMA_SERVER to try it)', () => {
  const program = command as string

  /** The tiny model is quantized already; this is what it was made of, nearly. */
  async function wide(): Promise<Buffer> {
    const path = join(await temporaryFolder(), 'wide.gguf')
    execFileSync(program, ['--allow-requantize', tinyPath, path, 'F16', '1'], { stdio: 'ignore' })
    return readFile(path)
  }

  it('a model is made with weights of another type, and nothing of the way there stays', async () => {
    const { folder, catalog, create } = await place(program)
    const file = await wide()
    const seen = await create(file, 'q8_0')
    expect(seen.slice(0, 3)).toEqual(['parsing GGUF', 'quantizing F16 model to Q8_0', 'verifying conversion'])
    const [model] = await catalog.list()
    expect(model?.details.quantization_level).toBe('Q8_0')
    expect(model?.sizeBytes).toBeLessThan(file.length * 0.7)
    const blobs = (await filesBelow(folder)).filter((name) => name.startsWith('blobs/'))
    for (const name of blobs) expect(`blobs/sha256-${sha256Hex(await readFile(join(folder, name)))}`).toBe(name)
    // The one that was sent, the one that was made, and the config.
    expect(blobs).toHaveLength(3)
  })

  it('a file that cannot be quantized is told in the words of the program, and no model is made', async () => {
    const { folder, catalog, create } = await place(program)
    const file = await wide()
    const cut = file.subarray(0, Math.floor(file.length / 2))
    await expect(create(cut, 'Q8_0')).rejects.toThrow()
    expect(await catalog.list()).toEqual([])
    expect((await filesBelow(folder)).filter((name) => name.includes('staged'))).toEqual([])
  })
})

it('where there is no such program, the model is refused with what to do', async () => {
  const { create, catalog, folder } = await place('/nowhere/llama-quantize')
  const tiny = await readFile(tinyPath)
  await expect(create(tiny, 'Q9')).rejects.toThrow('unsupported quantization type Q9')
  await expect(create(tiny, 'Q4_K_M')).rejects.toThrow('quantization is only supported for F16, BF16 and F32 models')
  expect(await catalog.list()).toEqual([])
  await expect(quantizer('/nowhere/llama-quantize', 1, never)('a', 'b', 'F16')).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining('install llama.cpp on this host'),
  })
  expect((await filesBelow(folder)).filter((name) => name.includes('staged'))).toEqual([])
})
