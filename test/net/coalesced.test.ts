import type { MessageStream } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { coalesce } from '../../src/net/coalesced.ts'

/** What a connection that coalesces hands on; the connections of `infer.test.ts` and `link.test.ts` are real ones. */
function recorded(failure?: string) {
  const writes: string[] = []
  const aborted: Error[] = []
  const connection = {
    status: 'open',
    writableNeedsDrain: false,
    send(data: Uint8Array) {
      if (failure !== undefined) throw new Error(failure)
      if (connection.status !== 'open') throw new Error('the connection is closed')
      writes.push(Buffer.from(data).toString())
      return true
    },
    async close() {
      connection.status = 'closed'
      writes.push('closed')
    },
    abort(error: Error) {
      connection.status = 'aborted'
      aborted.push(error)
    },
  }
  coalesce(connection as unknown as MessageStream)
  const send = (text: string) => connection.send(Buffer.from(text))
  return { connection, writes, aborted, send }
}

/** Immediates that were asked for before this one have run. */
const turn = () => new Promise<void>((resolve) => void setImmediate(resolve))

describe('a connection that coalesces', () => {
  it('writes once what was sent in one turn, in order', async () => {
    const { send, writes } = recorded()
    expect([send('header '), send('body '), send('window')]).toEqual([true, true, true])
    expect(writes).toEqual([])
    await turn()
    send('next')
    await turn()
    expect(writes).toEqual(['header body window', 'next'])
  })

  it('does not hold back more than a record, and keeps the order around a large piece', async () => {
    const { send, writes } = recorded()
    const large = 'x'.repeat(20_000)
    send('before')
    send(large)
    send('after')
    expect(writes).toEqual(['before', large])
    await turn()
    expect(writes.at(-1)).toBe('after')
    for (let sent = 0; sent < 40; sent++) send('y'.repeat(1000))
    expect(writes.slice(3).join('').length).toBeGreaterThan(40_000 - 16 * 1024)
  })

  it('takes lists of pieces as it takes bytes', async () => {
    const { connection, writes } = recorded()
    const list = Object.assign([Buffer.from('a'), Buffer.from('b')], { byteLength: 2 })
    connection.send(list as unknown as Uint8Array)
    await turn()
    expect(writes).toEqual(['ab'])
  })

  it('writes what waits before it is closed', async () => {
    const { connection, send, writes } = recorded()
    send('goodbye')
    await connection.close()
    await turn()
    expect(writes).toEqual(['goodbye', 'closed'])
  })

  it('drops what waits when it ends otherwise, and then refuses more', async () => {
    const { connection, send, writes, aborted } = recorded()
    send('lost')
    connection.abort(new Error('reset'))
    await turn()
    expect(writes).toEqual([])
    expect(aborted).toHaveLength(1)
    expect(() => send('more')).toThrow('the connection is closed')
  })

  it('ends when a write fails', async () => {
    const { connection, send, aborted } = recorded('broken pipe')
    send('one')
    await turn()
    expect(aborted.map(({ message }) => message)).toEqual(['broken pipe'])
    expect(connection.status).toBe('aborted')
  })

  it('says that the network is behind', () => {
    const { connection, send } = recorded()
    connection.writableNeedsDrain = true
    expect(send('anything')).toBe(false)
  })
})
