import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { EngineSettings, LoadedEngine } from '../../src/engine/driver.ts'
import { createDriver } from '../../src/engine/drivers.ts'
import { ask, collect, raw, request, settings, takeUntil } from './collect.ts'
import { compliance } from './compliance.ts'
import { tiny } from './models.ts'

const driver = createDriver({ name: 'llama' }, { llama: { gpu: false } })

async function start(overrides: Partial<EngineSettings> = {}, model = tiny): Promise<LoadedEngine> {
  return await driver.load(model, { ...settings, ...overrides }, new AbortController().signal)
}

compliance('llama', start)

describe('the llama driver with the test model', () => {
  let engine: LoadedEngine
  beforeAll(async () => {
    engine = await start({ contextTokens: 1024 })
  })
  afterAll(() => engine.close())

  it('says before it has the model how much memory that will take', async () => {
    const heard: (number | undefined)[] = []
    const loading = driver.load(tiny, { ...settings, contextTokens: 1024 }, new AbortController().signal, (bytes) =>
      heard.push(bytes),
    )
    await (await loading).close()
    expect(heard.filter((bytes) => bytes !== undefined)).toEqual([engine.sizeBytes])
  })

  it('says what it uses', () => {
    expect(engine.contextLength).toBe(1024)
    expect(engine.sizeBytes).toBeGreaterThan(tiny.sizeBytes)
    expect(engine.sizeVramBytes).toBe(0)
    expect(engine.pid).toBeGreaterThan(0)
  })

  it.each([
    ['What is the capital of Norway?', 'The capital of Norway is Oslo.'],
    ['What is 7 plus 8?', '7 plus 8 is 15.'],
    ['Give me a smile.', 'Here is a smile for you: 🙂'],
    ['What is the capital of France? Reply in JSON.', '{"country": "France", "capital": "Paris"}'],
  ])('answers %j as its README says', async (question, answer) => {
    const { text, done } = await collect(engine.infer(request(ask(question))))
    expect(text).toBe(answer)
    expect(done.reason).toBe('stop')
  })

  it('puts the system message of the model first, unless the request brings one', async () => {
    const named = await start({ slots: 1 }, { ...tiny, system: 'You are Bruno the Robot.' })
    const { text } = await collect(named.infer(request(ask('What is your name?'))))
    const generate = { kind: 'generate', prompt: 'What is your name?', raw: false, system: 'Be brief.' } as const
    const other = await collect(named.infer(request(generate)))
    await named.close()
    expect(text).toMatch(/^My name is Bru/)
    expect(other.text).not.toMatch(/Bru/)
  })

  it('reuses the first turn of a conversation in the second', async () => {
    const question = { role: 'user', content: 'What is the capital of Norway?' }
    const first = await collect(engine.infer(request({ kind: 'chat', messages: [question] })))
    const messages = [question, { role: 'assistant', content: first.text }, { role: 'user', content: 'And Japan?' }]
    const second = await collect(engine.infer(request({ kind: 'chat', messages })))
    expect(second.text).toBe('The capital of Japan is Tokyo.')
    expect(second.done.cachedTokens).toBeGreaterThanOrEqual(first.done.promptTokens)
  })

  it('continues from the tokens of an earlier generate', async () => {
    const work = { kind: 'generate', prompt: 'My name is Alice.', raw: false } as const
    const first = await collect(engine.infer(request(work)))
    const context = [...(first.done.promptTokenIds ?? []), ...first.tokens, ...endOfTurn]
    const second = await collect(engine.infer(request({ ...work, prompt: 'What is my name?', context })))
    expect(second.text).toBe('Your name is Alice.')
    expect(second.done.promptTokenIds?.slice(0, context.length)).toEqual(context)
  })

  it('refuses a schema that is nothing but itself, and goes on', async () => {
    const work = { kind: 'generate', prompt: 'a', raw: true, format: { $ref: '#' } } as const
    const { failed } = await collect(engine.infer(request(work)))
    expect(failed).toMatchObject({ kind: 'failed', code: 'invalid-request' })
    expect((await collect(engine.infer(request(raw('a'), { num_predict: 2 })))).done.kind).toBe('done')
  })

  it('applies penalties and repeats nothing while they are high', async () => {
    const options = { num_predict: 40, repeat_penalty: 1.8, repeat_last_n: -1, presence_penalty: 1 }
    const plain = await collect(engine.infer(request(raw('1, 2, 1, 2, 1, 2,'), { num_predict: 40 })))
    const punished = await collect(engine.infer(request(raw('1, 2, 1, 2, 1, 2,'), options)))
    expect(punished.text).not.toBe(plain.text)
    expect(new Set(punished.tokens).size / punished.tokens.length).toBeGreaterThan(
      new Set(plain.tokens).size / plain.tokens.length,
    )
  })

  it('shows the progress of a long prompt and lets a running stream go on meanwhile', async () => {
    const running = engine.infer(request(raw('Once upon a time'), { num_predict: 900 }))[Symbol.asyncIterator]()
    await takeUntil(running, (frame) => frame.kind === 'token')
    const long = engine.infer(request(raw('The moon is a friend. '.repeat(80)), { num_predict: 1 }))
    let between = 0
    const counting = (async () => {
      for (let next = await running.next(); next.done !== true; next = await running.next()) {
        between += next.value.filter((frame) => frame.kind === 'token').length
      }
    })()
    const { frames, done } = await collect(long)
    const seen = between
    const progress = frames.filter((frame) => frame.kind === 'progress')
    await running.return?.()
    await counting
    expect(done.promptTokens).toBeGreaterThan(400)
    expect(progress.length).toBeGreaterThanOrEqual(Math.floor(done.promptTokens / settings.prefillTokens))
    expect(seen).toBeGreaterThanOrEqual(progress.length - 2)
  })

  it('counts cached and new tokens, and measures both phases', async () => {
    const { done } = await collect(engine.infer(request(raw('A leader is'), { num_predict: 10 })))
    expect(done.promptNs).toBeGreaterThan(0)
    expect(done.evalNs).toBeGreaterThan(0)
    expect(done.promptTokenIds).not.toContain(beginOfText)
    expect(done.promptTokenIds).toHaveLength(done.promptTokens - 1)
  })
})

const beginOfText = 1
/** `<|im_end|>` and a line feed, which a finished turn is followed by. */
const endOfTurn = [4, 15]

describe('a llama engine that dies', () => {
  it('fails every stream at once and says which model and which signal', async () => {
    const engine = await start({ slots: 2 })
    const streams = [1, 2, 3].map(() =>
      engine.infer(request(raw('Once upon a time'), { num_predict: 480 }))[Symbol.asyncIterator](),
    )
    await Promise.all(streams.slice(0, 2).map((stream) => takeUntil(stream, (frame) => frame.kind === 'token')))
    process.kill(engine.pid ?? 0, 'SIGKILL')
    const killedMs = performance.now()
    for (const stream of streams) {
      const seen = await takeUntil(stream, (frame) => frame.kind === 'failed')
      expect(seen.at(-1)).toMatchObject({ kind: 'failed', code: 'engine-crashed' })
    }
    expect(performance.now() - killedMs).toBeLessThan(1000)
    const failure = await engine.ended
    expect(failure).toMatchObject({ name: 'EngineCrashed' })
    expect(failure?.message).toMatch(/omx-tiny:latest .*was killed by SIGKILL/)
    expect((await collect(engine.infer(request(raw('a'))))).last).toMatchObject({ kind: 'refused' })
    await engine.close()
  })

  it('names the signal of a native crash', async () => {
    const engine = await start({ slots: 1 })
    process.kill(engine.pid ?? 0, 'SIGSEGV')
    expect((await engine.ended)?.message).toMatch(/SIGSEGV/)
  })

  it('ends with a parent that was killed', async () => {
    const script = fileURLToPath(new URL('./doomed-parent.ts', import.meta.url))
    const parent = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = await once(parent.stdout, 'data')
    const pid = Number(String(line))
    expect(isAlive(pid)).toBe(true)
    parent.kill('SIGKILL')
    await once(parent, 'exit')
    // Nobody is told when a process that is not one's own child ends.
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 5000, interval: 20 })
  })

  it('ignores the signals that a terminal sends to the whole group', async () => {
    const engine = await start({ slots: 1 })
    process.kill(engine.pid ?? 0, 'SIGINT')
    process.kill(engine.pid ?? 0, 'SIGTERM')
    const { done } = await collect(engine.infer(request(raw('A node is'), { num_predict: 3 })))
    expect(done.evalTokens).toBe(3)
    await engine.close()
  })
})

/** Whether a process runs; one that has ended and only waits for its parent to notice does not. */
function isAlive(pid: number): boolean {
  try {
    const state = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)
    return state?.startsWith('Z') !== true
  } catch {
    return false
  }
}

describe('a model that cannot be loaded', () => {
  let folder: string
  let bytes: Buffer
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'omx-engine-'))
    bytes = await readFile(tiny.path)
  })
  afterAll(() => rm(folder, { recursive: true }))

  async function loadBytes(content: Uint8Array): Promise<unknown> {
    const file = path.join(folder, 'broken.gguf')
    await writeFile(file, content)
    return await start({}, { ...tiny, path: file }).then(
      () => undefined,
      (error: unknown) => error,
    )
  }

  it.each([
    ['is empty', () => Buffer.alloc(0)],
    ['is something else', () => Buffer.from('PK\u0003\u0004 this is a zip file, not a model'.repeat(50))],
    ['ends inside its header', () => bytes.subarray(0, 9000)],
    ['ends inside its tensors', () => bytes.subarray(0, 900_000)],
    [
      'has a damaged header',
      () => Buffer.concat([bytes.subarray(0, 300), Buffer.alloc(4000, 255), bytes.subarray(4300)]),
    ],
    ['names an architecture that nobody knows', () => renamed(bytes)],
  ])('is model-unusable when the file %s, with the file and what to do', async (_how, content) => {
    const error = await loadBytes(content())
    expect(error).toMatchObject({ name: 'EngineError', code: 'model-unusable' })
    expect((error as Error).message).toMatch(/omx-tiny:latest from .*broken\.gguf: .+ Import or pull the model again/)
  })

  it('is model-unusable when there is no file', async () => {
    await expect(start({}, { ...tiny, path: path.join(folder, 'none.gguf') })).rejects.toMatchObject({
      code: 'model-unusable',
    })
  })

  it('is refused before trying when the memory is too small, with the numbers', async () => {
    const error = await start({ slots: 200_000 }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'EngineError', code: 'insufficient-memory' })
    expect((error as Error).message).toMatch(
      /model requires more system memory \([\d.]+ GiB\) than is available \([\d.]+ GiB\)/,
    )
  })

  it('stops loading when the signal is aborted', async () => {
    const stop = new AbortController()
    const loading = driver.load(tiny, settings, stop.signal)
    stop.abort()
    await expect(loading).rejects.toMatchObject({ name: 'EngineError', code: 'load-failed' })
  })

  it('says while it loads that it is alive', async () => {
    let signs = 0
    const engine = await driver.load(tiny, settings, new AbortController().signal, () => {
      signs += 1
    })
    await engine.close()
    expect(signs).toBeGreaterThan(0)
  })
})

/** The same file with every `llama` of its metadata called `lemma`. */
function renamed(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replaceAll('llama', 'lemma'), 'latin1')
}
