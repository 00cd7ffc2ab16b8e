import { describe, expect, it } from 'vitest'
import { type ActorFrame, decodeActorFrame, encodeActorFrame } from '../../protocols/actor.ts'
import { maxOwedAsks } from '../../src/runtime/asks.ts'
import { healthRef, heartbeat, pair, peerRef, probe } from './cluster.ts'
import { factsOf, order, outcome, types } from './kit.ts'

const tell = (to: string, message: { type: string; [key: string]: unknown }) => ({
  kind: 'tell' as const,
  to,
  epoch: 0,
  message,
  traceId: '',
  remainingMs: 0,
})

describe('a message to another node', () => {
  it('arrives, and names the node that the connection proved as its sender', async () => {
    const { world, a, b } = pair()
    expect(a.runtime.tell(peerRef('b', 'a'), heartbeat(5))).toBe(true)
    await world.run(1)
    expect(b.heardFrom('a')).toEqual([{ ...heartbeat(5), from: 'a', replyTo: undefined }])
  })

  it('arrives in order with the others to the same actor', async () => {
    const { world, a, b } = pair()
    for (let n = 0; n < 100; n++) a.runtime.tell(peerRef('b', 'a'), heartbeat(n))
    await world.run(1)
    expect(b.heardFrom('a').map((message) => message.sequence)).toEqual(Array.from({ length: 100 }, (_, n) => n))
  })

  it('is refused without a way there, and the dead letter says unreachable', () => {
    const { a } = pair()
    const dead = factsOf(a.runtime, 'deadLetter')
    expect(a.runtime.tell(peerRef('c', 'a'), heartbeat())).toBe(false)
    a.runtime.connect(undefined)
    expect(a.runtime.tell(peerRef('b', 'a'), heartbeat())).toBe(false)
    expect(dead.map(({ to, why }) => [to, why])).toEqual([
      [peerRef('c', 'a'), 'unreachable'],
      [peerRef('b', 'a'), 'unreachable'],
    ])
  })

  it('that finds nobody is a dead letter of the node that it reached', async () => {
    const { world, a, b } = pair()
    const dead = factsOf(b.runtime, 'deadLetter')
    await b.runtime.stop(peerRef('b', 'a'))
    a.runtime.tell(peerRef('b', 'a'), heartbeat())
    await world.run(1)
    expect(dead).toEqual([{ kind: 'deadLetter', to: peerRef('b', 'a'), type: 'peer.heartbeat', why: 'absent' }])
  })

  it('that a link took and lost is a dead letter of its sender', () => {
    const { a } = pair()
    const dead = factsOf(a.runtime, 'deadLetter')
    a.runtime.framesLost('b', [encodeActorFrame(tell('node/peers/a', heartbeat()))])
    expect(dead).toEqual([{ kind: 'deadLetter', to: peerRef('b', 'a'), type: 'peer.heartbeat', why: 'unreachable' }])
  })

  it('carries what remains of its deadline, in milliseconds, and expires by the clock of the receiver', async () => {
    const { world, a, b, gate } = pair()
    const dead = factsOf(b.runtime, 'deadLetter')
    const frames: ActorFrame[] = []
    gate.pass = (_, frame) => frames.push(decodeActorFrame(frame)) > 0
    await world.run(1000)
    b.runtime.tell(peerRef('b', 'a'), { type: 'die' })
    await world.run(1)
    a.runtime.tell(peerRef('b', 'a'), heartbeat(), { deadlineMs: world.monotonicMs() + 3 })
    expect(frames).toMatchObject([{ kind: 'tell', remainingMs: 3 }])
    await world.run(100)
    expect(types(b.heardFrom('a'))).toEqual(['die'])
    expect(dead).toMatchObject([{ why: 'expired' }])
  })

  it('is not sent when its deadline has passed, and the dead letter says expired', async () => {
    const { world, a } = pair()
    const dead = factsOf(a.runtime, 'deadLetter')
    await world.run(1000)
    expect(a.runtime.tell(peerRef('b', 'a'), heartbeat(), { deadlineMs: 999 })).toBe(false)
    expect(dead).toMatchObject([{ why: 'expired' }])
  })

  it('belongs to the work of the message that caused it', async () => {
    const { world, a, gate } = pair()
    const traces: string[] = []
    gate.pass = (_, frame) => {
      const decoded = decodeActorFrame(frame)
      if (decoded.kind === 'tell') traces.push(decoded.traceId)
      return true
    }
    const run = (door: { tell: (to: string, message: { type: string }) => boolean }) =>
      door.tell(peerRef('b', 'a'), heartbeat())
    a.runtime.tell(peerRef('a', 'b'), { type: 'do', run }, { traceId: 'trace-1' })
    await world.run(1)
    a.runtime.tell(peerRef('a', 'b'), { type: 'do', run })
    await world.run(1)
    expect(traces).toEqual(['trace-1', ''])
  })

  it('that is too large for a frame is refused, and counted as rejected with the own node named', () => {
    const { a } = pair()
    const rejected = factsOf(a.runtime, 'rejected')
    const body = 'x'.repeat(2 * 1024 * 1024)
    expect(a.runtime.tell(peerRef('b', 'a'), { ...heartbeat(), body })).toBe(false)
    expect(rejected).toMatchObject([{ from: 'a', failure: { name: 'ProtocolError' } }])
  })
})

describe('a frame from a peer', () => {
  const wrong: Array<[string, ActorFrame]> = [
    ['a message that is not declared', tell('node/peers/a', { type: 'launch.missiles' })],
    ['a message of the language itself', tell('node/peers/a', { type: 'constructor' })],
    ['a forged death notice', tell('node/peers/a', { type: 'actor.down', ref: 'b/node/health', epoch: 1, exit: {} })],
    ['a shutdown', tell('node/peers/a', { type: 'shutdown' })],
    ['a declared message to a path that does not hear it', tell('node/health', heartbeat())],
    ['a message to the actor of another peer', tell('node/peers/c', heartbeat())],
    ['a message that is not in its schema', tell('node/peers/a', { type: 'peer.heartbeat', sequence: 'many' })],
    [
      'a message that names an actor of a third node as its subscriber',
      tell('node/inspector', { type: 'inspector.follow', path: 'node', subscriber: 'c/node/inspector/x' }),
    ],
  ]
  it.each(wrong)('is dropped and counted as rejected with the sender named: %s', async (_, frame) => {
    const { world, b } = pair()
    const rejected = factsOf(b.runtime, 'rejected')
    const facts = factsOf(b.runtime, 'handled', 'deadLetter')
    b.runtime.receive('a', encodeActorFrame(frame))
    await world.run(1)
    expect(rejected).toMatchObject([{ kind: 'rejected', from: 'a', failure: { name: 'ProtocolError' } }])
    expect(facts).toEqual([])
  })

  it.each([
    ['nothing', new Uint8Array()],
    ['noise', Uint8Array.of(0xc1, 0xff, 0x00, 0x13)],
    ['a map', Uint8Array.of(0x80)],
    ['an unknown kind', Uint8Array.of(0x91, 0x63)],
    ['half a frame', encodeActorFrame(tell('node/peers/a', heartbeat())).slice(0, 20)],
  ])('that is no frame is dropped and counted as rejected: %s', (_, bytes) => {
    const { b } = pair()
    const rejected = factsOf(b.runtime, 'rejected')
    b.runtime.receive('a', bytes)
    expect(rejected).toMatchObject([{ from: 'a', failure: { name: 'ProtocolError' } }])
  })

  it('cannot say who sent it or where the answer goes', async () => {
    const { world, b } = pair()
    const forged = { ...heartbeat(), from: 'c', replyTo: 'b/node/health' }
    b.runtime.receive('a', encodeActorFrame(tell('node/peers/a', forged)))
    await world.run(1)
    expect(b.heardFrom('a')).toMatchObject([{ from: 'a', replyTo: undefined }])
  })
})

describe('an ask to another node', () => {
  it('resolves to the reply, which names its node', async () => {
    const { world, a } = pair()
    const answer = outcome(a.runtime.ask(healthRef('b'), probe, 1000))
    await world.run(1)
    expect(answer.value).toMatchObject({ type: 'health.state', state: 'serving', from: 'b' })
  })

  it('fails by its timeout when nobody replies', async () => {
    const { world, a, b } = pair()
    b.runtime.tell(healthRef('b'), { type: 'hush' })
    await world.run(1)
    const answer = outcome(a.runtime.ask(healthRef('b'), probe, 1000))
    await world.run(999)
    expect(answer).toEqual({})
    await world.run(2)
    expect(answer.reason).toBe('timeout')
  })

  it('fails at once when the asked incarnation ends', async () => {
    const { world, a, b } = pair()
    b.runtime.tell(healthRef('b'), { type: 'hush' })
    await world.run(1)
    const answer = outcome(a.runtime.ask(healthRef('b'), probe, 1000))
    await world.run(1)
    expect(answer).toEqual({})
    b.runtime.tell(healthRef('b'), { type: 'die' })
    await world.run(1)
    expect(answer.reason).toBe('down')
  })

  it('fails at once when the actor is absent', async () => {
    const { world, a, b } = pair()
    await b.runtime.stop(healthRef('b'))
    const answer = outcome(a.runtime.ask(healthRef('b'), probe, 1000))
    await world.run(1)
    expect(answer.reason).toBe('absent')
  })

  it('fails at once when it may not be asked there', async () => {
    const { world, a, b } = pair()
    const rejected = factsOf(b.runtime, 'rejected')
    const answer = outcome(a.runtime.ask(healthRef('b'), { type: 'secrets' }, 1000))
    await world.run(1)
    expect(answer.reason).toBe('invalid')
    expect(rejected).toMatchObject([{ from: 'a' }])
  })

  it('fails at once without a way there', async () => {
    const { world, a } = pair()
    const answer = outcome(a.runtime.ask(healthRef('c'), probe, 1000))
    await world.run(0)
    expect(answer.reason).toBe('unreachable')
  })

  it('fails at once when the frame is lost with the link', async () => {
    const { world, a, gate } = pair()
    const taken: Uint8Array[] = []
    gate.pass = (_, frame) => (taken.push(frame) > 0 ? 'lose' : true)
    const answer = outcome(a.runtime.ask(healthRef('b'), probe, 1000))
    a.runtime.framesLost('b', taken)
    await world.run(0)
    expect(answer.reason).toBe('unreachable')
  })

  it('fails at once when the node is given up', async () => {
    const { world, a, gate } = pair()
    gate.pass = () => 'lose'
    const answer = outcome(a.runtime.ask(healthRef('b'), probe, 1000))
    await world.run(10)
    expect(answer).toEqual({})
    a.runtime.nodeDown('b')
    await world.run(0)
    expect(answer.reason).toBe('unreachable')
  })

  it('expires in the mailbox of the other node when the asker no longer waits', async () => {
    const { world, a, b } = pair()
    const dead = factsOf(b.runtime, 'deadLetter')
    b.runtime.tell(healthRef('b'), { type: 'die' })
    await world.run(1)
    const answer = outcome(a.runtime.ask(healthRef('b'), probe, 5))
    await world.run(100)
    expect(answer.reason).toBe('timeout')
    expect(dead).toMatchObject([{ type: 'health.probe', why: 'expired' }])
  })

  it('takes no answer from a node that was not asked, and names it', async () => {
    const { world, a, gate } = pair()
    const rejected = factsOf(a.runtime, 'rejected')
    let ask = 0
    gate.pass = (_, frame) => {
      const decoded = decodeActorFrame(frame)
      if (decoded.kind === 'ask') ask = decoded.ask
      return 'lose'
    }
    const answer = outcome(a.runtime.ask(healthRef('b'), probe, 1000))
    const message = { type: 'health.state', state: 'draining', activeTasks: 0, uptimeMs: 1 }
    a.runtime.receive('c', encodeActorFrame({ kind: 'reply', ask, message }))
    a.runtime.receive('c', encodeActorFrame({ kind: 'refused', ask, why: 'down' }))
    await world.run(1)
    expect(answer).toEqual({})
    expect(rejected.map(({ from }) => from)).toEqual(['c', 'c'])
    a.runtime.receive('b', encodeActorFrame({ kind: 'reply', ask, message }))
    await world.run(1)
    expect(answer.value).toMatchObject({ state: 'draining', from: 'b' })
  })

  it.each([
    ['of another type', { type: 'engine.unloaded', found: true }],
    ['not in its schema', { type: 'health.state', state: 'asleep', activeTasks: 0, uptimeMs: 1 }],
  ])('takes no answer that is %s, and names the node', async (_, message) => {
    const { world, a, gate } = pair()
    const rejected = factsOf(a.runtime, 'rejected')
    let ask = 0
    gate.pass = (_from, frame) => {
      const decoded = decodeActorFrame(frame)
      if (decoded.kind === 'ask') ask = decoded.ask
      return 'lose'
    }
    const answer = outcome(a.runtime.ask(healthRef('b'), probe, 1000))
    a.runtime.receive('b', encodeActorFrame({ kind: 'reply', ask, message }))
    await world.run(1)
    expect(answer).toEqual({})
    expect(rejected).toMatchObject([{ from: 'b', failure: { name: 'ProtocolError' } }])
  })

  it('counts against what an actor owes only while the asker waits', async () => {
    const { world, b, gate } = pair()
    const refused: ActorFrame[] = []
    gate.pass = (_, frame) => refused.push(decodeActorFrame(frame)) > 0
    b.runtime.tell(healthRef('b'), { type: 'hush' })
    await world.run(1)
    const receive = async (ask: number): Promise<void> => {
      b.runtime.receive('a', encodeActorFrame({ ...tell('node/health', probe), kind: 'ask', ask, remainingMs: 1000 }))
      // The mailbox holds 16.
      if (ask % 16 === 0) await world.run(0.1)
    }
    for (let ask = 1; ask <= maxOwedAsks + 1; ask++) await receive(ask)
    expect(refused).toEqual([{ kind: 'refused', ask: maxOwedAsks + 1, why: 'full' }])
    await world.run(2000)
    await receive(maxOwedAsks + 2)
    expect(refused).toHaveLength(1)
  })

  it('that is answered twice leaves the second answer as a dead letter of the answering node', async () => {
    const { world, a, b } = pair()
    const dead = factsOf(b.runtime, 'deadLetter')
    let replyTo = ''
    b.runtime.facts.observe(['handled'], ({ message }) => {
      if (message.type === 'health.probe') replyTo = String(message.replyTo)
    })
    const answer = outcome(a.runtime.ask(healthRef('b'), probe, 1000))
    await world.run(1)
    order(b.runtime, healthRef('b'), (door) => {
      door.tell(replyTo, { type: 'health.state', state: 'draining', activeTasks: 0, uptimeMs: 1 })
    })
    await world.run(1)
    expect(answer.value).toMatchObject({ state: 'serving' })
    expect(dead).toMatchObject([{ type: 'health.state', why: 'absent' }])
  })

  it('that is answered too late leaves the answer as a dead letter of the asking node', () => {
    const { a } = pair()
    const dead = factsOf(a.runtime, 'deadLetter')
    const message = { type: 'health.state', state: 'serving', activeTasks: 0, uptimeMs: 1 }
    a.runtime.receive('b', encodeActorFrame({ kind: 'reply', ask: 1, message }))
    expect(dead).toMatchObject([{ type: 'health.state', why: 'absent' }])
  })
})
