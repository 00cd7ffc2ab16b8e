import { createServer } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../protocols/protocol-error.ts'
import type { NodeId } from '../../protocols/ref.ts'
import { maxOutboxBytes } from '../../src/net/limits.ts'
import { gate, host, pair } from './hosts.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (body: Uint8Array) => new TextDecoder().decode(body)

describe('link', () => {
  it('delivers every frame in order, also when the peer is flooded', async () => {
    const count = 200_000
    const all = gate()
    let next = 0
    const [left, right] = await pair(
      {},
      {
        onFrame: (_from, body) => {
          // A gap or a swap shows up at once: every frame says which one it is.
          if (new DataView(body.buffer, body.byteOffset).getUint32(0) !== next)
            throw new Error(`frame ${next} is missing`)
          if (++next === count) all.open()
        },
      },
    )
    for (let index = 0; index < count; ) {
      const body = new Uint8Array(16)
      new DataView(body.buffer).setUint32(0, index)
      if (left.carrier.send(right.peerId, body)) index += 1
      else await new Promise((resolve) => setImmediate(resolve))
    }
    await all.opened
    expect(next).toBe(count)
  }, 20_000)

  it('stamps frames with the peer that proved its identity', async () => {
    const heard = gate<[NodeId, string]>()
    const [left, right] = await pair({}, { onFrame: (from, body) => heard.open([from, text(body)]) })
    expect(left.carrier.send(right.peerId, bytes('hello'))).toBe(true)
    expect(await heard.opened).toEqual([left.peerId, 'hello'])
  })

  it('answers false for a peer that is not connected', async () => {
    const lonely = await host()
    expect(lonely.carrier.send('12D3KooWNobody', bytes('hello'))).toBe(false)
  })

  it('refuses frames when the outbox is full, and reports what it held when the peer dies', async () => {
    const lost = gate<number>()
    const disconnected = gate<NodeId>()
    const [left, right] = await pair({
      onFramesLost: (_node, bodies) => lost.open(bodies.length),
      onDisconnected: (node) => disconnected.open(node),
    })
    const body = new Uint8Array(64 * 1024)
    let taken = 0
    // Nothing leaves within one turn, so all of this waits.
    while (left.carrier.send(right.peerId, body)) taken += 1
    expect(taken).toBe(maxOutboxBytes / body.length)
    await right.close()
    expect(await disconnected.opened).toBe(right.peerId)
    expect(await lost.opened).toBeGreaterThan(0)
    expect(left.carrier.send(right.peerId, body)).toBe(false)
  })

  it('notices at once that a peer has gone', async () => {
    const gone = gate<NodeId>()
    const [left, right] = await pair({ onDisconnected: (node) => gone.open(node) })
    const started = performance.now()
    await right.close()
    expect(await gone.opened).toBe(right.peerId)
    expect(performance.now() - started).toBeLessThan(1000)
    expect(left.connected(right.peerId)).toBe(false)
  })

  it('closes the stream of a peer that breaks the protocol, and only that', async () => {
    const violation = gate<[NodeId, ProtocolError]>()
    const heard = gate<string>()
    let refuse = true
    const [left, right] = await pair(
      {},
      {
        onFrame: (_from, body) => {
          if (refuse) throw new ProtocolError('shape', 'not a frame')
          heard.open(text(body))
        },
        onViolation: (from, error) => violation.open([from, error]),
      },
    )
    left.carrier.send(right.peerId, bytes('nonsense'))
    const [from, error] = await violation.opened
    expect([from, error.code]).toEqual([left.peerId, 'shape'])
    refuse = false
    // The first frames may still go into the stream that is being reset.
    const retry = setInterval(() => left.carrier.send(right.peerId, bytes('sense')), 20)
    expect(await heard.opened).toBe('sense')
    clearInterval(retry)
    expect(left.connected(right.peerId)).toBe(true)
  })
})

describe('host', () => {
  it('is the same peer after a restart with the same key', async () => {
    const privateKey = await generateKeyPair('Ed25519')
    const first = await host({}, { privateKey })
    await first.close()
    const second = await host({}, { privateKey })
    expect(second.peerId).toBe(first.peerId)
  })

  it('lists full addresses, and learns those of its peers', async () => {
    const [left, right] = await pair()
    expect(right.addresses()).toEqual([expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3/)])
    expect(left.addressesOf(right.peerId)).toEqual(right.addresses())
    await expect.poll(() => right.addressesOf(left.peerId)).toEqual(left.addresses())
  })

  it('is one peer, once, when both sides dial at the same moment', async () => {
    const news: string[] = []
    const heard = gate()
    let frames = 0
    const events = (name: string) => ({
      onConnected: () => news.push(`${name} connected`),
      onDisconnected: () => news.push(`${name} disconnected`),
      onFrame: () => {
        if (++frames === 2) heard.open()
      },
    })
    const [left, right] = [await host(events('left')), await host(events('right'))]
    await Promise.all([left.dial(right.addresses()), right.dial(left.addresses())])
    expect(left.carrier.send(right.peerId, bytes('a'))).toBe(true)
    expect(right.carrier.send(left.peerId, bytes('b'))).toBe(true)
    await heard.opened
    expect(news.sort()).toEqual(['left connected', 'right connected'])
  })

  it('joins a mesh of six on one address, where every node dials every other at once', async () => {
    const hosts = await Promise.all(Array.from({ length: 6 }, () => host()))
    const missing = () =>
      hosts.flatMap((from) =>
        hosts.filter((to) => to !== from && !from.connected(to.peerId)).map((to) => ({ from, to })),
      )
    // As peers do: a dial that a busy machine lets run out is made again.
    const meet = async () => {
      await Promise.allSettled(missing().map(({ from, to }) => from.dial(to.addresses())))
      return missing().length
    }
    await expect.poll(meet, { timeout: 20_000 }).toBe(0)
  })

  it('hangs up on request', async () => {
    const gone = gate<NodeId>()
    const [left, right] = await pair({}, { onDisconnected: (node) => gone.open(node) })
    await left.hangUp(right.peerId)
    expect(await gone.opened).toBe(left.peerId)
    expect(left.connected(right.peerId)).toBe(false)
  })

  it('connects nobody whom its policy does not admit', async () => {
    const closed = await host({ admits: () => false })
    const connected = gate<NodeId>()
    const stranger = await host({ onDisconnected: (node) => connected.open(node) })
    // The stranger's side of the handshake may finish first; then its connection is cut.
    await stranger.dial(closed.addresses()).then(
      () => connected.opened,
      () => {},
    )
    expect(stranger.connected(closed.peerId)).toBe(false)
    expect(closed.connected(stranger.peerId)).toBe(false)
  })

  it('brings reports to everybody, with the peer that signed them', async () => {
    const heard = gate<[NodeId, string]>()
    const [left] = await pair({}, { onReport: (from, body) => heard.open([from, text(body)]) })
    const publish = setInterval(() => left.publishReport(bytes(`report ${performance.now()}`)), 50)
    const [from, body] = await heard.opened
    clearInterval(publish)
    expect(from).toBe(left.peerId)
    expect(body).toMatch(/^report/)
  })
})

describe('dial', () => {
  const code = (expected: string) => expect.objectContaining({ name: 'DialError', code: expected })

  it('says that nobody listens', async () => {
    const [dialler, other] = [await host(), await host()]
    const addresses = other.addresses()
    await other.close()
    await expect(dialler.dial(addresses)).rejects.toEqual(code('refused'))
  })

  it('says that another peer answered', async () => {
    const [dialler, other] = [await host(), await host()]
    const third = await host()
    const wrong = (other.addresses()[0] as string).replace(other.peerId, third.peerId)
    await expect(dialler.dial([wrong])).rejects.toEqual(code('identity'))
  })

  it('says that the address is its own', async () => {
    const dialler = await host()
    await expect(dialler.dial(dialler.addresses())).rejects.toEqual(code('self'))
    const bare = (dialler.addresses()[0] as string).replace(/\/p2p\/.*/, '')
    await expect(dialler.dial([bare])).rejects.toEqual(code('self'))
  })

  it('says that the address cannot be read', async () => {
    const dialler = await host()
    await expect(dialler.dial(['nowhere'])).rejects.toEqual(code('invalid-address'))
    await expect(dialler.dial([])).rejects.toEqual(code('invalid-address'))
  })

  it('says that nothing answered', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { port: number }
    const dialler = await host()
    await expect(dialler.dial([`/ip4/127.0.0.1/tcp/${port}`])).rejects.toEqual(code('timeout'))
    silent.close()
  })

  it('takes the first address that works', async () => {
    const [dialler, other] = [await host(), await host()]
    const dead = await host()
    const port = /tcp\/(\d+)/.exec(dead.addresses()[0] as string)?.[1]
    await dead.close()
    const peer = await dialler.dial([`/ip4/127.0.0.1/tcp/${port}/p2p/${other.peerId}`, ...other.addresses()])
    expect(peer).toBe(other.peerId)
  })
})

describe('listen', () => {
  it('names the address that is in use', async () => {
    const first = await host()
    const taken = (first.addresses()[0] as string).replace(/\/p2p\/.*/, '')
    await expect(host({}, { listen: [taken] })).rejects.toEqual(
      expect.objectContaining({ name: 'ListenError', code: 'in-use', address: taken }),
    )
  })

  it('names the address that cannot be read', async () => {
    await expect(host({}, { listen: ['127.0.0.1:80'] })).rejects.toEqual(
      expect.objectContaining({ name: 'ListenError', code: 'invalid-address', address: '127.0.0.1:80' }),
    )
  })

  it('names the address that this host does not have', async () => {
    await expect(host({}, { listen: ['/ip4/192.0.2.1/tcp/0'] })).rejects.toEqual(
      expect.objectContaining({ name: 'ListenError', code: 'not-available' }),
    )
  })
})
