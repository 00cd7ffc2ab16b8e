import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Office } from './support/office.ts'
import { poison } from './support/poison.ts'
import { digestA, digestB } from './support/reports.ts'

/** The windows of a holder: of one whose slots are unknown, and of each slot that is known. */
const unknownWindow = 8
const windowPerSlot = 3

const nodesOf = (office: Office): string[] => office.running().map(({ node }) => node)

/** Admits so many requests, each dispatched before the next comes. */
async function fill(office: Office, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let i = 0; i < count; i++) ids.push(await office.admit())
  return ids
}

describe('admission', () => {
  it('answers with the task, and asks the holder for exactly the version that the name means', async () => {
    const office = new Office()
    const { id, answer } = office.submit({ keepAliveMs: -1, limitMs: 1234 })
    await office.settle()
    expect(answer.value).toMatchObject({ type: 'task.accepted', task: `a/node/tasks/${id}` })
    expect(office.attempt(id).request).toMatchObject({ id, model: 'm', keepAliveMs: -1, remainingMs: 1234 })
    expect(office.attempt(id).request.digest).toMatch(/^0+a$/)
  })

  it('is written down before it is answered, and a refusal is not', async () => {
    const office = new Office()
    const { id } = office.submit({ model: 'M' })
    office.submit({ model: 'other' })
    await office.settle()
    expect([...office.journal.tasks.values()]).toEqual([
      { id, model: 'M', digest: digestA, atMs: expect.any(Number) as number },
    ])
    expect(office.journal.open).toEqual([id])
  })

  it('refuses a model that nobody holds', async () => {
    const office = new Office()
    const { answer } = office.submit({ model: 'other' })
    await office.settle()
    expect(answer.value).toMatchObject({ type: 'task.refused', code: 'model-not-found' })
  })

  it('prefers this node at equal load, and the others when it has more to do', async () => {
    const office = new Office({ holders: ['a', 'b'], ranks: 'by load' })
    await office.admit()
    expect(nodesOf(office)).toEqual(['a'])
    await office.admit()
    expect(nodesOf(office)).toEqual(['a', 'b'])
  })

  it('believes what a worker said last about its load, until the next report', async () => {
    const office = new Office({ holders: ['b', 'c'], ranks: 'by load' })
    const load = { active: 2, waiting: 3, slots: 2 }
    office.runtime.tell('a/node/scheduler', { type: 'load.heard', node: 'b', digest: digestA, load })
    await fill(office, 3)
    expect(nodesOf(office)).toEqual(['c', 'c', 'c'])
    office.seeHolders(['b', 'c'])
    await fill(office, 1)
    expect(nodesOf(office)).toEqual(['c', 'c', 'c', 'b'])
  })

  it('asks the engine of its own node what it is doing now', async () => {
    const office = new Office({ holders: ['a', 'b'], ranks: 'by load' })
    office.ownLoad = { active: 2, waiting: 0, slots: 2 }
    await fill(office, 1)
    expect(nodesOf(office)).toEqual(['b'])
    office.ownLoad = { active: 0, waiting: 0, slots: 2 }
    await fill(office, 1)
    expect(nodesOf(office)).toEqual(['b', 'a'])
  })

  it('takes a request of ours that has ended off what its worker said', async () => {
    const office = new Office({ holders: ['b', 'c'] })
    const [first] = await fill(office, 1)
    const load = { active: 2, waiting: 0, slots: 2 }
    office.runtime.tell('a/node/scheduler', { type: 'load.heard', node: 'b', digest: digestA, load })
    await office.settle()
    office.attempt(first as string).completes()
    await office.settle()
    await office.admit()
    expect(office.plans.at(-1)?.[0]).toMatchObject({ node: 'b', load: 1 })
  })

  it('sends a holder with known slots three requests for each, and of unknown ones eight', async () => {
    for (const [slots, window] of [
      [2, 2 * windowPerSlot],
      [undefined, unknownWindow],
    ] as const) {
      const office = new Office({ slots })
      await fill(office, window + 2)
      expect(office.running()).toHaveLength(window)
      expect(await office.load()).toEqual({ active: window, queued: 2 })
    }
  })

  it('refuses when as many wait for the model as may', async () => {
    const office = new Office({ maxQueue: 2 })
    await fill(office, unknownWindow + 2)
    const { answer } = office.submit()
    await office.settle()
    expect(answer.value).toMatchObject({ type: 'task.refused', code: 'busy' })
    expect(await office.load()).toEqual({ active: unknownWindow, queued: 2 })
  })

  it('lets nobody wait for one model because a holder is full of requests for another', async () => {
    const office = new Office({ slots: 1 })
    office.seeModels({ m: digestA, n: digestB }, 1)
    await fill(office, windowPerSlot + 2)
    const other = await office.admit({ model: 'n' })
    expect(office.stateOf(other)).toBe('attempting.dispatched')
    expect(await office.load()).toEqual({ active: windowPerSlot + 1, queued: 2 })
  })

  it('gives room that two models share to whoever has waited longest, whatever its model', async () => {
    const office = new Office({ slots: 1 })
    office.seeModels({ m: digestA, n: digestB }, 1)
    const full = await fill(office, windowPerSlot)
    // Their engine is one: there is no room in it for the other model either.
    const waiting = await office.admit({ model: 'n' })
    office.attempt(waiting).isRefused('busy')
    await fill(office, 1)
    office.attempt(full[0] as string).completes()
    await office.settle()
    expect(office.running().at(-2)?.request.id).toBe(waiting)
  })

  it('ends with a drain; what waits is placed all the same', async () => {
    const office = new Office({ slots: 1 })
    const ids = await fill(office, windowPerSlot + 1)
    office.runtime.tell('a/node/scheduler', { type: 'drain' })
    const { answer } = office.submit()
    await office.settle()
    expect(answer.value).toMatchObject({ type: 'task.refused', code: 'draining' })
    office.attempt(ids[0] as string).completes()
    await office.settle()
    expect(office.stateOf(ids.at(-1) as string)).toBe('attempting.dispatched')
  })
})

describe('the queue', () => {
  it('moves up as soon as a request ends', async () => {
    const office = new Office({ slots: 1 })
    const ids = await fill(office, windowPerSlot + 1)
    const last = ids.at(-1) as string
    expect(office.stateOf(last)).toBe('queued')
    office.attempt(ids[1] as string).completes()
    await office.settle()
    expect(office.stateOf(last)).toBe('attempting.dispatched')
  })

  it('is left by priority, then by the nearer deadline, then in order of arrival', async () => {
    const office = new Office({ slots: 1 })
    const running = await fill(office, windowPerSlot)
    const normal = await office.admit()
    const near = await office.admit({ limitMs: 5000 })
    const urgent = await office.admit({ priority: 9 })
    const second = await office.admit()
    const order: string[] = []
    for (let done = running[0]; done !== undefined && order.length < 4; done = order.at(-1)) {
      office.attempt(done).completes()
      await office.settle()
      order.push(
        ...office
          .running()
          .map(({ request }) => request.id)
          .filter((id) => ![...running, ...order].includes(id)),
      )
    }
    expect(order).toEqual([urgent, near, normal, second])
  })

  it('takes back a request that all holders were too busy for, and places it when there is room', async () => {
    const office = new Office({ holders: ['a', 'b'] })
    const id = await office.admit()
    office.attempt(id).isRefused('busy')
    office.attempt(id).isRefused('busy')
    await office.settle()
    expect(office.stateOf(id)).toBe('waiting')
    expect(await office.load()).toEqual({ active: 0, queued: 1 })
    await office.world.run(200)
    expect(office.attempts.length).toBeGreaterThan(2)
    office.attempt(id).completes()
    await office.settle()
    expect(office.ends.get(id)).toMatchObject([{ kind: 'done' }])
    expect(await office.load()).toEqual({ active: 0, queued: 0 })
  })

  it.each(['engine-crashed', 'link-lost', 'stalled'] as const)(
    'takes back a request that its only holder lost before the first token (%s), for the engine that is started again',
    async (code) => {
      const office = new Office()
      const id = await office.admit()
      office.attempt(id).fails(code)
      await office.settle()
      expect(office.stateOf(id)).toBe('waiting')
      await office.world.run(200)
      office.attempt(id).starts()
      office.attempt(id).completes()
      await office.settle()
      expect(office.ends.get(id)).toMatchObject([{ kind: 'done' }])
      expect(office.attempts).toHaveLength(2)
    },
  )

  it('takes back a request that ends every engine only twice', async () => {
    const office = new Office({ holders: ['a', 'b'] })
    const id = await office.admit()
    for (let round = 0; office.ends.get(id) === undefined && round < 20; round++) {
      for (const attempt of office.running(id)) attempt.fails('engine-crashed')
      await office.world.run(200)
    }
    expect(office.attempts).toHaveLength(6)
    expect(office.ends.get(id)).toMatchObject([{ kind: 'failed', code: 'engine-crashed' }])
  })

  it('says why the last attempt failed when no holder comes back', async () => {
    const office = new Office()
    const id = await office.admit()
    office.attempt(id).fails('link-lost')
    await office.settle()
    office.seeHolders([])
    await office.settle()
    expect(office.ends.get(id)).toMatchObject([{ kind: 'failed', code: 'link-lost', message: 'a: link-lost' }])
  })

  it('does not outgrow its limit with what comes back: who would be served last is refused', async () => {
    const office = new Office({ maxQueue: 3 })
    const first = await fill(office, unknownWindow)
    const queued = [...(await fill(office, 2)), await office.admit({ priority: -1 })]
    for (const id of first.slice(0, 2)) office.attempt(id).isRefused('busy')
    await office.settle()
    expect(await office.load()).toEqual({ active: unknownWindow - 2, queued: 3 })
    for (const id of queued.slice(1)) {
      expect(office.ends.get(id)).toMatchObject([{ kind: 'refused', reason: 'busy' }])
      expect(office.journal.endsOf(id)).toMatchObject([{ status: 'failed', code: 'busy' }])
    }
    expect(office.stateOf(first[0] as string)).toBe('waiting')
    expect(office.stateOf(queued[0] as string)).toBe('queued')
  })

  it('asks busy holders again ten times a second, not in a loop', async () => {
    const office = new Office()
    const id = await office.admit()
    for (let i = 0; i < 500; i++) {
      for (const attempt of office.running(id)) attempt.isRefused('busy')
      await office.world.run(2)
    }
    expect(office.attempts.length).toBeGreaterThan(8)
    expect(office.attempts.length).toBeLessThan(13)
  })

  it('ends with a reason for those who wait when no holder is left', async () => {
    const office = new Office({ slots: 1 })
    const ids = await fill(office, windowPerSlot + 2)
    office.seeHolders([])
    await office.settle()
    for (const id of ids.slice(windowPerSlot)) {
      expect(office.ends.get(id)).toMatchObject([{ kind: 'failed', code: 'internal' }])
      expect(JSON.stringify(office.ends.get(id))).toContain('no reachable node holds m any more')
    }
    expect(await office.load()).toEqual({ active: windowPerSlot, queued: 0 })
  })

  it('moves up when a new holder appears', async () => {
    const office = new Office({ slots: 1 })
    const ids = await fill(office, windowPerSlot + 1)
    office.seeHolders(['a', 'b'], 1)
    await office.settle()
    expect(office.attempt(ids.at(-1) as string).node).toBe('b')
  })

  it('lets go of a request whose deadline passes there', async () => {
    const office = new Office({ slots: 1 })
    await fill(office, windowPerSlot)
    const id = await office.admit({ limitMs: 500 })
    await office.world.run(600)
    expect(office.ends.get(id)).toMatchObject([{ kind: 'failed', code: 'deadline' }])
    expect(await office.load()).toEqual({ active: windowPerSlot, queued: 0 })
  })
})

describe('the book', () => {
  it('counts a request at the holder that is being asked, not at the one that refused', async () => {
    const office = new Office({ holders: ['a', 'b'], slots: 1 })
    const ids = await fill(office, windowPerSlot)
    for (const id of ids) office.attempt(id).isRefused('busy')
    await office.settle()
    expect(nodesOf(office)).toEqual(['b', 'b', 'b'])
    await fill(office, windowPerSlot)
    expect(nodesOf(office).filter((node) => node === 'a')).toHaveLength(windowPerSlot)
  })

  it('forgets a task that crashed, and its response is ended', async () => {
    const office = new Office({ holders: ['explosive'] })
    const { id } = office.submit()
    await office.settle()
    expect(office.ends.get(id)).toMatchObject([{ kind: 'failed', code: 'internal' }])
    expect(await office.load()).toEqual({ active: 0, queued: 0 })
  })

  it('is empty once all tasks have ended, and each response has ended exactly once, whatever happened', async () => {
    const step = fc.record({
      kind: fc.constantFrom('submit', 'start', 'complete', 'refuse', 'fail', 'go', 'view', 'wait'),
      which: fc.nat(20),
      ms: fc.constantFrom(0, 1, 5, 120),
    })
    let admitted = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), fc.integer(), async (script, seed) => {
        const office = new Office({ holders: ['a', 'b'], slots: 1, maxQueue: 4, ranks: 'by load', seed })
        await office.settle()
        const accepted = new Set<string>()
        for (const { kind, which, ms } of script) {
          const running = office.running()
          const attempt = running[which % Math.max(1, running.length)]
          if (kind === 'submit') {
            const { id, answer } = office.submit({ limitMs: 100 + which * 100, priority: which % 3 })
            await office.settle()
            if (answer.value?.type === 'task.accepted') accepted.add(id)
          } else if (kind === 'start') attempt?.starts()
          else if (kind === 'complete') attempt?.completes()
          else if (kind === 'refuse') attempt?.isRefused(which % 2 === 0 ? 'busy' : 'draining')
          else if (kind === 'fail') attempt?.fails(which % 2 === 0 ? 'link-lost' : 'invalid-request')
          else if (kind === 'go') office.clientGoes(`t${which}`)
          else if (kind === 'view') office.seeHolders([[], ['a'], ['b'], ['a', 'b']][which % 4] as string[], 1)
          await office.world.run(ms)
          expect((await office.load()).queued).toBeLessThanOrEqual(4)
        }
        await office.world.run(3000)
        admitted += accepted.size
        expect(await office.load()).toEqual({ active: 0, queued: 0 })
        expect(office.running()).toEqual([])
        expect(new Set(office.ends.keys())).toEqual(accepted)
        for (const [id, frames] of office.ends) expect(frames, id).toHaveLength(1)
        expect(new Set(office.journal.tasks.keys())).toEqual(accepted)
        for (const id of accepted) expect(office.journal.endsOf(id), id).toHaveLength(1)
      }),
      { numRuns: 60 },
    )
    expect(admitted).toBeGreaterThan(60)
  })
})

describe('a scheduler that crashed', () => {
  it('begins anew with an empty book, the tasks end with it, and it knows the cluster again', async () => {
    const office = new Office({ slots: 1 })
    const ids = await fill(office, windowPerSlot + 1)
    office.membership.heard.length = 0
    office.runtime.tell('a/node/scheduler', poison())
    await office.world.run(100)
    expect(office.membership.heard.map(({ type }) => type)).toContain('view.describe')
    for (const id of ids) {
      expect(office.ends.get(id)).toHaveLength(1)
      expect(office.journal.endsOf(id)).toMatchObject([{ status: 'failed', code: 'stopped' }])
    }
    expect(office.running()).toEqual([])
    expect(await office.load()).toEqual({ active: 0, queued: 0 })
    office.seeHolders(['a'], 1)
    await office.settle()
    await office.admit()
    expect(nodesOf(office)).toEqual(['a'])
  })
})
