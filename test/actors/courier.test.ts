import { describe, expect, it } from 'vitest'
import { poison } from './support/poison.ts'
import { type PlayedPull, PullRoom } from './support/transfer-room.ts'

/** Lets a pull go through the steps that are left. */
async function finish(room: PullRoom, pull: PlayedPull | undefined): Promise<void> {
  while (pull !== undefined && pull.begun.length < 4) {
    pull.ends()
    await room.settle()
  }
  pull?.ends()
  await room.settle()
}

describe('a pull', () => {
  it('resolves, downloads, verifies, writes, and tells of its success when the model can be listed', async () => {
    const room = new PullRoom()
    const { board } = await room.joins('x')
    const [pull] = room.pulls
    await finish(room, pull)
    expect(pull?.begun).toEqual(['resolve', 'move', 'verify', 'write'])
    expect(board.lines.map(({ status }) => status)).toEqual([
      'pulling manifest',
      'verifying sha256 digest',
      'writing manifest',
      'success',
    ])
    expect([board.isOver, board.problem, room.refreshes]).toEqual([true, undefined, 1])
  })

  it.each([
    ['resolve', 0],
    ['move', 1],
    ['verify', 2],
    ['write', 3],
  ] as const)(
    'that fails when it is to %s ends with the words of that, and begins nothing after it',
    async (_, steps) => {
      const room = new PullRoom()
      const { board } = await room.joins('x')
      const [pull] = room.pulls
      for (let step = 0; step < steps; step++) {
        pull?.ends()
        await room.settle()
      }
      pull?.ends(new Error('the words of it'))
      await room.settle()
      expect(pull?.begun).toHaveLength(steps + 1)
      expect([board.isOver, board.problem, room.refreshes]).toEqual([true, 'the words of it', 0])
    },
  )

  it('is refused at once with the words for a name that nobody could pull', async () => {
    const room = new PullRoom()
    expect((await room.joins('impossible')).refusal).toBe('invalid model name')
  })
})

describe('requests for one model', () => {
  it('share one pull, however they spell the name', async () => {
    const room = new PullRoom()
    const first = await room.joins('x')
    for (const spelling of ['X:latest', 'library/x', 'https://registry.ollama.ai/library/x']) {
      const other = await room.joins(spelling)
      expect([other.pull, other.board]).toEqual([first.pull, first.board])
    }
    expect(room.pulls).toHaveLength(1)
    expect((await room.joins('x', { insecure: true })).pull).not.toBe(first.pull)
  })

  it('go on while one of them is left, and are cancelled with the last', async () => {
    const room = new PullRoom()
    const listeners = [await room.joins('x'), await room.joins('x')]
    const [pull] = room.pulls
    pull?.ends()
    await room.settle()
    await room.leaves(listeners[0] as never)
    await room.leaves(listeners[0] as never) // Twice is once.
    expect([pull?.signal?.aborted, listeners[1]?.board.isOver]).toEqual([false, false])
    await room.leaves(listeners[1] as never)
    expect([pull?.signal?.aborted, listeners[1]?.board.problem]).toEqual([true, 'it was cancelled'])
    expect(pull?.begun).toEqual(['resolve', 'move'])
  })

  it('begin another pull after one that was cancelled, or has just failed', async () => {
    const room = new PullRoom()
    const left = await room.joins('x')
    room.runtime.tell('n/node/courier', { type: 'transfer.leave', transfer: left.pull, listener: left.name })
    const second = await room.joins('x')
    expect(second.pull).not.toBe(left.pull)
    const third = second.board.ended.then(() => room.asks('x'))
    room.pulls[1]?.ends(new Error('no such model'))
    await room.settle()
    expect((await third).pull).not.toBe(second.pull)
    expect((await third).board.isOver).toBe(false)
  })

  it('that are cancelled while they wait never begin', async () => {
    const room = new PullRoom()
    for (const model of ['a', 'b', 'c']) await room.joins(model)
    const waiting = await room.joins('d')
    await room.leaves(waiting)
    for (const pull of room.pulls.slice(0, 3)) await finish(room, pull)
    expect(room.pulls[3]?.begun).toEqual([])
    expect(waiting.board.problem).toBe('it was cancelled')
  })
})

describe('the queue', () => {
  it('runs three, and the next one whenever one ends, by whatever way', async () => {
    const room = new PullRoom()
    const listeners = []
    for (const model of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) listeners.push(await room.joins(model))
    expect(room.running()).toEqual(['a', 'b', 'c'])
    expect(listeners[3]?.board.lines.map(({ status }) => status)).toEqual(['pulling manifest'])
    await finish(room, room.pulls[0])
    expect(room.pulls[3]?.begun).toEqual(['resolve'])
    room.pulls[1]?.ends(new Error('failed'))
    await room.settle()
    expect(room.pulls[4]?.begun).toEqual(['resolve'])
    await room.leaves(listeners[2] as never)
    expect(room.pulls[5]?.begun).toEqual(['resolve'])
    expect(room.pulls[6]?.begun).toEqual([])
    room.runtime.tell(listeners[3]?.pull as never, poison())
    await room.settle()
    expect(room.pulls[6]?.begun).toEqual(['resolve'])
  })

  it('refuses the sixty-fifth, and takes it when one has ended', async () => {
    const room = new PullRoom()
    for (let i = 0; i < 64; i++) expect((await room.joins(`m${i}`)).refusal).toBeUndefined()
    expect((await room.joins('m64')).refusal).toBe('64 transfers are under way already')
    expect((await room.joins('m63')).refusal).toBeUndefined() // It joins.
    await finish(room, room.pulls[0])
    expect((await room.joins('m64')).refusal).toBeUndefined()
  })
})

describe('whoever listens hears the end', () => {
  it('of a pull whose actor crashes, and the next request begins anew', async () => {
    const room = new PullRoom()
    const listeners = [await room.joins('x'), await room.joins('x')]
    const [pull] = room.pulls
    const streams = listeners.map((listener) => listener.reads())
    room.runtime.tell(listeners[0]?.pull as never, poison())
    await room.settle()
    for (const { reason } of streams) expect(String(reason)).toContain('it broke off: poisoned by the test')
    expect(pull?.signal?.aborted).toBe(true)
    expect((await room.joins('x')).board.isOver).toBe(false)
  })

  it.each([
    ['the manager of the pulls crashes', 'n/node/courier', poison],
    ['their supervisor does', 'n/node/transfers', () => ({ type: 'die' })],
  ])('when %s, also of those that wait, and the next requests begin anew', async (_, path, message) => {
    const room = new PullRoom()
    const listeners = []
    for (const model of ['a', 'b', 'c', 'd']) listeners.push(await room.joins(model))
    const streams = listeners.map((listener) => listener.reads())
    room.runtime.tell(path, message())
    await room.world.run(1000)
    for (const { reason } of streams) expect(String(reason)).toContain('it broke off: ask again')
    expect(room.pulls.slice(0, 3).map(({ signal }) => signal?.aborted)).toEqual([true, true, true])
    for (const model of ['a', 'b', 'c', 'd']) await room.joins(model)
    expect(room.pulls.slice(4).map(({ begun }) => begun.length)).toEqual([1, 1, 1, 0])
  })
})
