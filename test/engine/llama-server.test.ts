/**
 * The driver for llama.cpp's own server, where a host has one: on the PATH, or named by OMX_LLAMA_SERVER. No package
 * brings it, so that elsewhere only what needs no program is tried.
 */
import { describe, expect, it } from 'vitest'
import type { EngineSettings, LoadedEngine } from '../../src/engine/driver.ts'
import { createDriver } from '../../src/engine/drivers.ts'
import { ask, collect, raw, request, settings, takeUntil } from './collect.ts'
import { compliance } from './compliance.ts'
import { tiny } from './models.ts'
import { llamaServer } from './programs.ts'

function start(
  overrides: Partial<EngineSettings> = {},
  model = tiny,
  program = llamaServer ?? '',
): Promise<LoadedEngine> {
  const driver = createDriver({ name: 'llama-server', command: program }, { llama: { gpu: false } })
  return driver.load(model, { ...settings, ...overrides }, new AbortController().signal)
}

describe('without the program', () => {
  it('a load fails and says which program there is not', async () => {
    await expect(start({}, tiny, '/nowhere/llama-server')).rejects.toMatchObject({
      name: 'EngineError',
      code: 'load-failed',
      message: expect.stringMatching(/^cannot load omx-tiny:latest: \/nowhere\/llama-server .* could not be started/),
    })
  })

  it('a program that is something else fails with its last words', async () => {
    await expect(start({}, tiny, '/bin/false')).rejects.toMatchObject({ code: 'load-failed' })
  })

  it('a file that is no model is refused before anything is started', async () => {
    const broken = { ...tiny, path: import.meta.filename }
    await expect(start({}, broken, '/nowhere/llama-server')).rejects.toMatchObject({ code: 'model-unusable' })
  })
})

describe.skipIf(llamaServer === undefined)(
  'with the program (none on the PATH: set OMX_LLAMA_SERVER to try it)',
  () => {
    compliance('llama-server', start, { resumesFormats: false })

    it('answers as the llama driver does', async () => {
      const engine = await start()
      const { text, done } = await collect(engine.infer(request(ask('What is the capital of Norway?'))))
      await engine.close()
      expect(text).toBe('The capital of Norway is Oslo.')
      expect(done.reason).toBe('stop')
    })

    it('ends every stream and says so when its process is killed', async () => {
      const engine = await start()
      const iterator = engine.infer(request(raw('Once upon a time'), { num_predict: 400 }))[Symbol.asyncIterator]()
      await takeUntil(iterator, (frame) => frame.kind === 'token')
      process.kill(engine.pid as number, 'SIGKILL')
      const rest = await takeUntil(iterator, (frame) => frame.kind === 'failed')
      expect(rest.at(-1)).toMatchObject({ code: 'engine-crashed', message: expect.stringContaining('SIGKILL') })
      expect(await engine.ended).toMatchObject({ name: 'EngineCrashed' })
    })
  },
)
