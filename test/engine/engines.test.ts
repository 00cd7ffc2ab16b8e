import { describe, expect, it } from 'vitest'
import type { EngineFacts } from '../../actors/engine.ts'
import type { ModelFile } from '../../actors/model-catalog.ts'
import { expectedBytes, file, request, Stable } from './stable.ts'

describe('the process of an engine', () => {
  it('starts with its actor and is held once it is ready, with what it knows of itself', async () => {
    const stable = new Stable({ loadMs: 100 })
    await stable.start()
    expect(stable.engines.get('d')).toBeUndefined()
    await stable.world.run(110)
    expect(stable.engines.get('d')).toMatchObject({ ref: 'n/node/engines/d' })
    expect(stable.heard('engine.ready')).toMatchObject([
      { digest: 'd', facts: { name: 'm:latest', sizeBytes: 10, contextLength: 256, slots: 2 } },
    ])
  })

  it('says what the model will take as soon as its driver knows: before that, what its file has', async () => {
    const stable = new Stable({ loadMs: 100 })
    await stable.start()
    expect(stable.heard('engine.ready')).toEqual([])
    const sizes = stable.heard('engine.expected').map((message) => (message.facts as EngineFacts).sizeBytes)
    expect(sizes).toEqual([file.sizeBytes, expectedBytes])
  })

  it('ends with its actor', async () => {
    const stable = new Stable()
    await stable.start()
    void stable.runtime.stop('n/node/engines/d')
    await stable.world.run(10)
    expect(stable.engines.get('d')).toBeUndefined()
    expect(await stable.loaded[0]?.ended).toBeUndefined()
  })

  it('that becomes ready after its actor has ended is closed and never held', async () => {
    const stable = new Stable({ loadMs: 100 })
    await stable.start()
    void stable.runtime.stop('n/node/engines/d')
    await stable.world.run(200)
    expect(stable.engines.get('d')).toBeUndefined()
    for (const engine of stable.loaded) expect(await engine.ended).toBeUndefined()
    expect(stable.heard('engine.ready')).toEqual([])
  })

  it('that dies is a crash of its actor; the next one is held under another name', async () => {
    const stable = new Stable({ faults: { crashAfterTokens: 2 }, tokensPerSecond: 100 })
    await stable.start()
    const before = stable.engines.get('d')?.load
    const seen = stable.infer()
    await stable.world.run(100)
    expect(seen.frames.at(-1)).toMatchObject({ kind: 'failed', code: 'engine-crashed' })
    expect(stable.state()).toMatch(/^ready/)
    expect(stable.heard('engine.loading')).toHaveLength(2)
    const after = stable.engines.get('d')?.load
    expect(after).toBeDefined()
    expect(after).not.toBe(before)
  })

  it.each(['insufficient-memory', 'model-unusable', 'load-failed'] as const)(
    'that cannot load its model (%s) says so and is no crash',
    async (code) => {
      const stable = new Stable({ faults: { loadFails: code } })
      await stable.start()
      await stable.world.run(100)
      expect(stable.heard('engine.unusable')).toMatchObject([{ digest: 'd', failure: { code } }])
      expect(stable.state()).toBeUndefined()
      expect(stable.heard('engine.loading')).toHaveLength(1)
    },
  )

  it('whose load hangs is given up in Ollama’s words, once it has shown no progress for so long', async () => {
    const hanging = new Stable({ loadMs: 3_600_000 }, async () => file, 60_000)
    await hanging.start()
    await hanging.world.run(59_000)
    expect(hanging.heard('engine.unusable')).toEqual([])
    await hanging.world.run(2_000)
    expect(hanging.heard('engine.unusable')).toMatchObject([
      {
        failure: {
          code: 'load-failed',
          message: expect.stringMatching(/^timed out waiting for llama-server to start - m:latest showed no progress/),
        },
      },
    ])
    expect(hanging.state()).toBeUndefined()
    const patient = new Stable({ loadMs: 3_600_000 })
    await patient.start()
    await patient.world.run(3_600_100)
    expect(patient.heard('engine.ready')).toHaveLength(1)
  })

  it('of a model that is gone, or cannot be looked up, says which', async () => {
    const gone = new Stable({}, async () => undefined)
    await gone.start('0123456789abcdef')
    expect(gone.heard('engine.unusable')).toMatchObject([
      { failure: { code: 'no-such-model', message: 'this node holds no model version 0123456789ab any more' } },
    ])
    const broken = new Stable({}, () => Promise.reject(new Error('the disk is on fire')))
    await broken.start()
    expect(broken.heard('engine.unusable')).toMatchObject([
      { failure: { code: 'load-failed', message: 'the disk is on fire' } },
    ])
  })
})

it('a node knows what its engines compute and what waits for them', async () => {
  const stable = new Stable({ tokensPerSecond: 1 })
  await stable.start()
  expect(stable.engines.loadOf('d')).toEqual({ active: 0, waiting: 0, slots: 2 })
  for (let i = 0; i < 3; i++) stable.infer({ id: `r${i}` })
  await stable.world.run(10)
  expect(stable.engines.loadOf('d')).toEqual({ active: 2, waiting: 1, slots: 2 })
  expect(stable.engines.activeTasks).toBe(3)
  expect(stable.engines.loadOf('other')).toBeUndefined()
})

describe('options that are fixed when a model is loaded', () => {
  it('are those of the request over the model’s over the node’s', async () => {
    const stable = new Stable({}, async () => ({ ...file, parameters: { num_ctx: 128 } }))
    await stable.start('d')
    expect(stable.engines.get('d')?.engine.contextLength).toBe(128)
    const other = new Stable({}, async () => ({ ...file, parameters: { num_ctx: 128 } }))
    await other.start('d', { num_ctx: 64, temperature: 1 })
    expect(other.engines.get('d', { num_ctx: 64 })?.engine.contextLength).toBe(64)
    expect(other.engines.get('d')).toBeUndefined()
    expect(other.engines.get('d', { num_ctx: 0, num_gpu: -1 })).toBeUndefined()
  })

  it.each([
    ['a larger context', { num_ctx: 64 }, { num_ctx: 128 }],
    ['a smaller context', { num_ctx: 128 }, { num_ctx: 64 }],
    ['the usual context after another', { num_ctx: 64 }, { temperature: 2 }],
    ['another context than the usual', {}, { num_ctx: 64 }],
    ['other batches', { num_batch: 64 }, { num_batch: 128 }],
    ['the usual batches after others', { num_batch: 64 }, {}],
    ['other threads', {}, { num_thread: 3 }],
    ['the usual threads after others', { num_thread: 3 }, {}],
    ['no layers on the GPU', {}, { num_gpu: 0 }],
    ['a file that is not mapped', {}, { use_mmap: false }],
  ])('are loaded anew for %s', async (_, loaded, asked) => {
    const stable = new Stable()
    await stable.start('d', loaded)
    expect(stable.engines.suits('d', loaded)).toBe(true)
    expect(stable.engines.suits('d', asked)).toBe(false)
  })

  it.each([
    ['the usual said aloud', {}, { num_ctx: 256, num_batch: 512, num_thread: 1, use_mmap: true }],
    ['what null and 0 leave open', {}, { num_ctx: 0, num_batch: null, num_gpu: -1 }],
    ['any number of layers on the GPU', { num_gpu: 3 }, {}],
  ])('are not loaded anew for %s', async (_, loaded, asked) => {
    const stable = new Stable()
    await stable.start('d', loaded)
    expect(stable.engines.suits('d', asked)).toBe(true)
  })

  it('are the same where both are more than the model was trained for', async () => {
    const stable = new Stable({}, async () => ({ ...file, trainedTokens: 128 }))
    await stable.start('d', { num_ctx: 512 })
    expect(stable.engines.get('d', { num_ctx: 8192 })?.engine.contextLength).toBe(128)
    expect(stable.engines.suits('d', {})).toBe(true)
    expect(stable.engines.suits('d', { num_ctx: 64 })).toBe(false)
  })

  it('give a model that looks at images no less than it needs for one', async () => {
    const stable = new Stable({}, async () => ({ ...file, sees: true }))
    await stable.start('d', { num_ctx: 64 })
    expect(stable.engines.get('d')?.engine.contextLength).toBe(2048)
  })
})

describe('an engine that is to leave memory', () => {
  it('finishes what it computes, and is not there for anything new', async () => {
    const stable = new Stable({ tokensPerSecond: 10 })
    await stable.start()
    const load = stable.engines.get('d')?.load
    stable.runtime.tell('n/node/engines/d', { type: 'request.started', load })
    const seen = stable.infer()
    await stable.world.run(100)
    stable.runtime.tell('n/node/engines/d', { type: 'engine.unload' })
    await stable.world.run(10)
    expect(stable.engines.get('d')).toBeUndefined()
    expect(stable.engines.suits('d', {})).toBe(false)
    await stable.world.run(1_000)
    expect(seen.frames.at(-1)).toMatchObject({ kind: 'done' })
    stable.runtime.tell('n/node/engines/d', { type: 'request.ended', load })
    await stable.world.run(10)
    expect(stable.state()).toBeUndefined()
  })
})

describe('two versions on one file', () => {
  const versions: Record<string, Partial<ModelFile>> = {
    d: { path: '/blobs/a', system: 'one' },
    e: { path: '/blobs/a', system: 'two' },
    f: { path: '/blobs/b' },
    g: { path: '/blobs/a', adapters: ['/blobs/l'] },
    h: { path: '/blobs/a', adapters: ['/blobs/l'], system: 'three' },
    i: { path: '/blobs/a', adapters: ['/blobs/l', '/blobs/m'] },
  }
  const find = async (digest: string) => (versions[digest] ? { ...file, digest, ...versions[digest] } : undefined)

  it('share one process, each with its own prompts, until it ends', async () => {
    const stable = new Stable({}, find)
    await stable.start('d')
    expect(stable.engines.mayShare('e')).toBe(true)
    expect(await stable.engines.ownerOf('e', {})).toEqual({ owner: 'd', options: {} })
    expect(await stable.engines.ownerOf('f', {})).toEqual({ owner: 'f', options: {} })
    const shared = stable.engines.shared('e', {})
    expect(shared).toMatchObject({ ref: 'n/node/engines/d', model: { system: 'two' } })
    const work = { kind: 'chat', messages: [{ role: 'user', content: 'hi' }] } as const
    const seen = shared && stable.read(shared.engine.infer(request({ work, renderOnly: true })))
    await stable.world.run(5)
    expect(seen?.frames[1]).toMatchObject({ kind: 'rendered', prompt: expect.stringContaining('two') })
    void stable.runtime.stop('n/node/engines/d')
    await stable.world.run(10)
    expect(stable.engines.shared('e', {})).toBeUndefined()
  })

  it('share none where their adapters differ, and one where these are the same', async () => {
    const stable = new Stable({}, find)
    await stable.start('d')
    await stable.start('g')
    const owners = await Promise.all(['e', 'g', 'h', 'i'].map((digest) => stable.engines.ownerOf(digest, {})))
    expect(owners.map(({ owner }) => owner)).toEqual(['d', 'g', 'g', 'i'])
  })

  it('leave memory together, whichever of them is told to', async () => {
    const stable = new Stable({}, find)
    await stable.start('d')
    await stable.unload('e')
    expect(stable.heard('engine.unload')).toMatchObject([{ digest: 'd', replyTo: 'n/node/worker' }])
    await stable.unload('f')
    expect(stable.heard('engine.unload')).toHaveLength(1)
    expect(stable.heard('engine.unloaded')).toMatchObject([{ found: false }])
  })

  it('share one process that is loaded as the second one’s own parameters say', async () => {
    const small = async (digest: string) => ({
      ...file,
      digest,
      path: '/blobs/a',
      parameters: digest === 'e' ? { num_ctx: 64, temperature: 0.5 } : {},
    })
    const stable = new Stable({}, small)
    await stable.start('d')
    expect(await stable.engines.ownerOf('e', { top_k: 3 })).toEqual({ owner: 'd', options: { top_k: 3, num_ctx: 64 } })
    expect(stable.engines.shared('e', {})).toBeUndefined()
    expect(stable.engines.suits('d', { num_ctx: 64 })).toBe(false)
  })

  it('share one process as often as either wants the other’s context, the usual one included', async () => {
    const large = async (digest: string) => ({
      ...file,
      digest,
      path: '/blobs/a',
      parameters: digest === 'd' ? { num_ctx: 512, num_batch: 64 } : {},
    })
    const stable = new Stable({}, large)
    await stable.start('d')
    expect(stable.engines.get('d')?.engine.contextLength).toBe(512)
    const { owner, options } = await stable.engines.ownerOf('e', {})
    expect({ owner, options }).toEqual({ owner: 'd', options: { num_ctx: 256, num_batch: 512 } })
    expect(stable.engines.shared('e', {})).toBeUndefined()
    void stable.runtime.stop('n/node/engines/d')
    await stable.world.run(10)
    await stable.start('d', options)
    await stable.engines.ownerOf('e', {})
    expect(stable.engines.shared('e', {})?.engine.contextLength).toBe(256)
    expect(stable.engines.get('d')).toBeUndefined()
  })
})
