import { describe, expect, it } from 'vitest'
import type { FailureCode } from '../../protocols/infer.ts'
import { Office } from './support/office.ts'

const failed = (code: string) => [{ kind: 'failed', code }]

describe('a request', () => {
  it('goes to the first of its plan and ends with that one result', async () => {
    const office = new Office()
    const id = await office.run(['a', 'b'])
    expect(office.stateOf(id)).toBe('attempting.dispatched')
    office.attempt(id).starts()
    expect(office.stateOf(id)).toBe('attempting.streaming')
    office.attempt(id).completes()
    await office.settle()
    expect(office.ends.get(id)).toMatchObject([{ kind: 'done', reason: 'stop' }])
    expect(office.attempts.map(({ node }) => node)).toEqual(['a'])
    expect(office.runtime.has(`a/node/tasks/${id}`)).toBe(false)
  })

  it('that needs no token ends without one', async () => {
    const office = new Office()
    const id = await office.run(['a'])
    office.attempt(id).completes()
    await office.settle()
    expect(office.ends.get(id)).toMatchObject([{ kind: 'done' }])
  })

  it.each(['busy', 'draining', 'no-such-model', 'insufficient-memory', 'not-admitted'] as const)(
    'that one holder refuses (%s) goes to the next',
    async (reason) => {
      const office = new Office()
      const id = await office.run(['a', 'b'])
      office.attempt(id).isRefused(reason)
      await office.settle()
      expect(office.running().map(({ node }) => node)).toEqual(['b'])
      expect(office.attempts[0]?.left).toBe(true)
      office.attempt(id).completes()
      await office.settle()
      expect(office.ends.get(id)).toMatchObject([{ kind: 'done' }])
    },
  )

  it.each(['engine-crashed', 'link-lost', 'stalled', 'load-failed', 'model-unusable', 'protocol'] as const)(
    'that fails before its first token (%s) goes to the next',
    async (code: FailureCode) => {
      const office = new Office()
      const id = await office.run(['a', 'b'])
      office.attempt(id).fails(code)
      await office.settle()
      expect(office.running().map(({ node }) => node)).toEqual(['b'])
      office.attempt(id).starts()
      office.attempt(id).completes()
      await office.settle()
      expect(office.ends.get(id)).toMatchObject([{ kind: 'done' }])
    },
  )

  it.each(['invalid-request', 'context-exceeded'] as const)(
    'that is wrong everywhere (%s) is tried once',
    async (code) => {
      const office = new Office()
      const id = await office.run(['a', 'b'])
      office.attempt(id).fails(code)
      await office.settle()
      expect(office.attempts).toHaveLength(1)
      expect(office.ends.get(id)).toMatchObject(failed(code))
    },
  )

  it.each(['engine-crashed', 'link-lost', 'stalled'] as const)(
    'that fails after its first token (%s) ends with exactly one failed frame, and nobody else is asked',
    async (code) => {
      const office = new Office()
      const id = await office.run(['a', 'b'])
      const attempt = office.attempt(id)
      attempt.starts()
      attempt.fails(code)
      attempt.fails('internal')
      attempt.completes()
      await office.settle()
      expect(office.attempts).toHaveLength(1)
      expect(office.ends.get(id)).toMatchObject(failed(code))
      expect(office.ends.get(id)).toHaveLength(1)
    },
  )

  it('that all holders fail ends with the last failure', async () => {
    const office = new Office()
    const id = await office.run(['a', 'b'])
    office.attempt(id).fails('engine-crashed')
    office.attempt(id).fails('load-failed')
    await office.settle()
    expect(office.ends.get(id)).toMatchObject([{ kind: 'failed', code: 'load-failed', message: 'b: load-failed' }])
  })

  it('that all holders refuse ends as refused, with the reason of the first', async () => {
    const office = new Office()
    const id = await office.run(['a', 'b'])
    office.attempt(id).isRefused('draining')
    office.attempt(id).isRefused('no-such-model')
    await office.settle()
    expect(office.ends.get(id)).toMatchObject([{ kind: 'refused', reason: 'draining', message: 'a: draining' }])
  })

  it('hears nothing of an attempt that it has left', async () => {
    const office = new Office()
    const id = await office.run(['a', 'b'])
    const first = office.attempt(id)
    first.isRefused('busy')
    first.starts()
    first.completes()
    await office.settle()
    expect(office.stateOf(id)).toBe('attempting.dispatched')
    expect(office.ends.get(id)).toBeUndefined()
  })

  it.each(['dispatched', 'streaming'])(
    'that takes longer than it may (%s) ends with a deadline and leaves the worker',
    async (state) => {
      const office = new Office()
      const id = await office.run(['a', 'b'], 2000)
      const attempt = office.attempt(id)
      if (state === 'streaming') attempt.starts()
      await office.world.run(1900)
      expect(office.ends.get(id)).toBeUndefined()
      await office.world.run(200)
      expect(office.ends.get(id)).toMatchObject(failed('deadline'))
      expect(attempt.left).toBe(true)
      expect(office.attempts).toHaveLength(1)
    },
  )

  it('that waits longer than it may ends with a deadline', async () => {
    const office = new Office()
    const id = await office.run([], 2000)
    await office.world.run(2100)
    expect(office.ends.get(id)).toMatchObject(failed('deadline'))
  })

  it('tells of each end exactly once, with who was the last to be asked', async () => {
    const office = new Office()
    const done = await office.run(['a'])
    const failed = await office.run(['a', 'b'])
    const gone = await office.run([])
    const crashed = await office.run(['explosive'])
    office.attempt(done).completes()
    office.attempt(failed).isRefused('draining')
    office.attempt(failed).fails('invalid-request')
    office.clientGoes(gone)
    await office.settle()
    const stopped = await office.run(['a'])
    void office.runtime.stop('a/node')
    await office.world.run(50)
    expect(office.journal.endsOf(done)).toMatchObject([{ status: 'completed', worker: 'a' }])
    expect(office.journal.endsOf(failed)).toMatchObject([{ status: 'failed', code: 'invalid-request', worker: 'b' }])
    expect(office.journal.endsOf(gone)).toMatchObject([{ status: 'cancelled' }])
    expect(office.journal.endsOf(crashed)).toMatchObject([{ status: 'failed', code: 'crashed' }])
    expect(office.journal.endsOf(stopped)).toMatchObject([{ status: 'failed', code: 'stopped' }])
    expect(office.journal.ends).toHaveLength(5)
  })

  it.each(['queued', 'dispatched', 'streaming', 'waiting'])(
    'whose client goes (%s) is cancelled, and its worker left',
    async (state) => {
      const office = new Office()
      const id = await office.run(state === 'queued' ? [] : ['a'])
      if (state === 'streaming') office.attempt(id).starts()
      if (state === 'waiting') office.attempt(id).isRefused('busy')
      await office.settle()
      office.clientGoes(id)
      await office.settle()
      expect(office.ends.get(id)).toMatchObject(failed('cancelled'))
      expect(office.running()).toEqual([])
      expect(office.runtime.has(`a/node/tasks/${id}`)).toBe(false)
    },
  )

  it('whose task crashes is ended all the same, once', async () => {
    const office = new Office()
    const id = await office.run(['explosive'])
    await office.settle()
    expect(office.ends.get(id)).toMatchObject([{ kind: 'failed', code: 'internal', message: 'the attempt blew up' }])
    expect(office.ends.get(id)).toHaveLength(1)
  })

  it('that is stopped with its node is ended, and its worker left', async () => {
    const office = new Office()
    const id = await office.run(['a'])
    office.attempt(id).starts()
    void office.runtime.stop('a/node')
    await office.world.run(50)
    expect(office.ends.get(id)).toMatchObject([{ kind: 'failed', code: 'internal', message: 'this node is stopping' }])
    expect(office.running()).toEqual([])
  })
})
