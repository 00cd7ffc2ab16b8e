import { describe, expect, it } from 'vitest'
import type { InferFrame } from '../../protocols/infer.ts'
import type { HeldModel } from '../../protocols/report.ts'
import type { Answer } from '../../src/http/services.ts'
import { poison } from '../actors/support/poison.ts'
import { digestA, digestB, held } from '../actors/support/reports.ts'
import { newRequest, SiteCluster } from './site-cluster.ts'

const model = held('m:latest', digestA, { modifiedAtMs: 5 })
const other = held('other:latest', digestB, { modifiedAtMs: 9 })
const never = new AbortController().signal

async function collect(answer: Answer): Promise<InferFrame[]> {
  const frames: InferFrame[] = []
  for await (const batch of answer) frames.push(...batch)
  return frames
}

/** What `b` holds from now on. Soon after another change, nobody hears of it for a while. */
async function changeModels(both: SiteCluster, models: readonly HeldModel[]): Promise<void> {
  both.site('b').models = models
  await both.settle(both.site('b').runtime.ask('b/node/models', { type: 'models.refresh' }, 1000))
}

describe('a request', () => {
  it('is answered by the node that holds the model, which the answer names', async () => {
    const both = await SiteCluster.of({ a: {}, b: { models: [model] } })
    const answer = await both.settle(both.at('a').submit(newRequest(), never))
    const frames = await both.settle(collect(answer))
    expect(frames.filter(({ kind }) => kind === 'token').length).toBeGreaterThan(0)
    expect(frames.at(-1)).toMatchObject({ kind: 'done' })
    expect(answer.worker).toBe('b')
  })

  it('for a model that was made anew a moment ago, which nobody has heard of yet, is answered by the new version', async () => {
    const both = await SiteCluster.of({ a: {}, b: { models: [model] } })
    await changeModels(both, [other, model])
    await changeModels(both, [held('m:latest', digestB, { modifiedAtMs: 9 })])
    expect((await both.settle(both.at('a').find('m')))?.digest).toBe(digestA)
    const answer = await both.settle(both.at('a').submit(newRequest(), never))
    expect((await both.settle(collect(answer))).at(-1)).toMatchObject({ kind: 'done' })
    expect([answer.worker, (await both.settle(both.at('a').find('m')))?.digest]).toEqual(['b', digestB])
  })

  it('for a model that was removed a moment ago is refused, once it has been looked for again', async () => {
    const both = await SiteCluster.of({ a: {}, b: { models: [model] } })
    await changeModels(both, [other, model])
    await changeModels(both, [])
    const answer = await both.settle(both.at('a').submit(newRequest(), never))
    expect(await both.settle(collect(answer))).toMatchObject([{ kind: 'refused', reason: 'no-such-model' }])
  })

  it('for a model that nobody holds is refused with its name', async () => {
    const one = await SiteCluster.of({ a: {} })
    await expect(one.settle(one.at('a').submit(newRequest({ model: 'nope' }), never))).rejects.toMatchObject({
      code: 'model-not-found',
      message: expect.stringContaining('nope'),
    })
  })

  it('is refused while the node leaves', async () => {
    const one = await SiteCluster.of({ a: { models: [model] } })
    one.site('a').tell('scheduler', { type: 'drain' })
    await expect(one.settle(one.at('a').submit(newRequest(), never))).rejects.toMatchObject({ code: 'draining' })
  })

  it('keeps its model for ever with an infinite keep-alive, which no report can hold', async () => {
    const one = await SiteCluster.of({ a: { models: [model] } })
    const answer = await one.settle(one.at('a').submit(newRequest({ keepAliveMs: Infinity }), never))
    await one.settle(collect(answer))
    await one.world.run(2000)
    expect(await one.settle(one.at('a').loaded())).toMatchObject([{ digest: digestA, expiresAtMs: -1 }])
  })

  it('ends with its deadline', async () => {
    const one = await SiteCluster.of({ a: { models: [model], sim: { tokensPerSecond: 1 } } })
    const request = newRequest({ deadlineMs: 500, options: { num_predict: 50 } })
    const answer = await one.settle(one.at('a').submit(request, never))
    expect((await one.settle(collect(answer))).at(-1)).toMatchObject({ kind: 'failed', code: 'deadline' })
  })

  it('whose client leaves stops the work, also on another node', async () => {
    const both = await SiteCluster.of({ a: {}, b: { models: [model], sim: { tokensPerSecond: 5 } } })
    const request = newRequest({ options: { num_predict: 1000 } })
    const answer = await both.settle(both.at('a').submit(request, never))
    const frames = answer[Symbol.asyncIterator]()
    await both.settle(frames.next())
    expect((await both.settle(both.operations('b').status())).loaded).toBe(1)
    await frames.return?.()
    await both.world.run(1500)
    expect((await both.settle(both.operations('a').status())).tasks).toEqual({ active: 0, queued: 0 })
    expect(await both.settle(both.at('b').loaded())).toMatchObject([{ active: 0, waiting: 0 }])
  })

  it('whose client was gone before it was admitted is cancelled', async () => {
    const one = await SiteCluster.of({ a: { models: [model], sim: { tokensPerSecond: 1 } } })
    const gone = new AbortController()
    gone.abort()
    const answer = await one.settle(one.at('a').submit(newRequest(), gone.signal))
    expect(await one.settle(collect(answer))).toMatchObject([{ kind: 'failed', code: 'cancelled' }])
  })

  it('that meets a scheduler which is being restarted says what did not answer, and leaves no task behind', async () => {
    const one = await SiteCluster.of({ a: { models: [model] } })
    one.site('a').tell('scheduler', poison())
    const submitted = one.at('a').submit(newRequest(), never)
    await expect(one.settle(submitted)).rejects.toMatchObject({
      code: 'internal',
      message: 'node/scheduler did not answer (down): try again',
    })
    await one.world.run(3000)
    expect((await one.settle(one.operations('a').status())).tasks).toEqual({ active: 0, queued: 0 })
  })
})

describe('a question to another node', () => {
  it('that cannot be reached is a lost link, not a defect of this one', async () => {
    const both = await SiteCluster.of({ a: { models: [model] }, b: {} })
    both.lan.cut('a', 'b')
    await expect(both.settle(both.at('b').show('m', false))).rejects.toMatchObject({
      code: 'link-lost',
      message: 'node/models did not answer (unreachable): try again',
    })
  })
})

describe('the lists of a cluster', () => {
  it('have one row per name, the newest first, wherever they are asked for', async () => {
    const both = await SiteCluster.of({ a: { models: [model] }, b: { models: [other, model] } })
    for (const node of ['a', 'b']) {
      const rows = await both.settle(both.at(node).models())
      expect(rows.map(({ name }) => name)).toEqual(['other:latest', 'm:latest'])
    }
  })

  it('show a model that is being loaded at another node, which nobody calls loaded yet', async () => {
    const both = await SiteCluster.of({ a: {}, b: { models: [model], sim: { loadMs: 10_000 } } })
    const submitted = both.at('a').submit(newRequest({ keepAliveMs: 90_000 }), never)
    await both.world.run(5000)
    const [row, ...others] = await both.settle(both.at('a').loaded())
    expect(others).toEqual([])
    expect(row).toMatchObject({
      name: 'm:latest',
      digest: digestA,
      contextLength: 256,
      loading: { keepAliveMs: 90_000 },
      details: { format: 'gguf' },
    })
    const holders = async () => (await both.settle(both.operations('a').models())).models[0]?.holders
    expect(await holders()).toMatchObject([{ node: 'b', loaded: false }])
    await both.settle(collect(await both.settle(submitted)))
    await both.world.run(3000)
    expect((await both.settle(both.at('a').loaded()))[0]?.loading).toBeUndefined()
    expect(await holders()).toMatchObject([{ node: 'b', loaded: true }])
  })

  it('show what is in memory anywhere, with its details', async () => {
    const both = await SiteCluster.of({ a: { models: [model] }, b: { models: [other] } })
    for (const [name, keepAliveMs] of [
      ['m', 10_000],
      ['other', Infinity],
    ] as const) {
      await both.settle(
        collect(await both.settle(both.at('a').submit(newRequest({ model: name, keepAliveMs }), never))),
      )
    }
    await both.world.run(3000)
    const rows = await both.settle(both.at('a').loaded())
    expect(rows.map(({ digest }) => digest).sort()).toEqual([digestA, digestB].sort())
    for (const { details } of rows) expect(details).toMatchObject({ format: 'gguf' })
  })
})

describe('showing a model', () => {
  it('asks a holder, near or far', async () => {
    const both = await SiteCluster.of({ a: {}, b: { models: [model] } })
    for (const node of ['a', 'b']) {
      expect(await both.settle(both.at(node).show('m', false))).toEqual({ name: 'm:latest' })
    }
    expect(await both.settle(both.at('a').show('nope', false))).toBeUndefined()
  })

  it('has the name that was asked for, where another one means the same version', async () => {
    const both = await SiteCluster.of({ a: {}, b: { models: [held('twin:latest', digestA), model] } })
    expect(await both.settle(both.at('a').show('m', false))).toEqual({ name: 'm:latest' })
    expect(await both.settle(both.at('a').show('twin', false))).toEqual({ name: 'twin:latest' })
  })

  it('asks the next holder when one does not answer', async () => {
    const both = await SiteCluster.of({ a: { models: [model] }, b: { models: [model] } })
    void both.site('a').runtime.stop('a/node/models')
    await both.world.run(10)
    expect(await both.settle(both.at('a').show('m', false))).toEqual({ name: 'm:latest' })
  })

  it('fails with what went wrong when no holder answers', async () => {
    const one = await SiteCluster.of({ a: { models: [model] } })
    void one.site('a').runtime.stop('a/node/models')
    await one.world.run(10)
    await expect(one.settle(one.at('a').show('m', false))).rejects.toMatchObject({ code: 'internal' })
  })
})

describe('unloading a model', () => {
  it('ends it on every node that has it in memory', async () => {
    const both = await SiteCluster.of({ a: { models: [model] }, b: { models: [model] } })
    for (const node of ['a', 'b']) {
      const { digest } = model
      const acquired = both.site(node).runtime.ask(`${node}/node/worker`, { type: 'worker.acquire', digest }, 5000)
      await both.settle(acquired)
    }
    await both.world.run(3000)
    expect(await both.settle(both.at('a').loaded())).toHaveLength(2)
    await both.settle(both.at('a').unload('m'))
    await both.world.run(3000)
    expect(await both.settle(both.at('a').loaded())).toEqual([])
  })

  it('is refused for a name that nobody holds', async () => {
    const one = await SiteCluster.of({ a: {} })
    await expect(one.settle(one.at('a').unload('nope'))).rejects.toMatchObject({ code: 'model-not-found' })
  })
})
