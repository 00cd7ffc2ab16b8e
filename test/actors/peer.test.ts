import { describe, expect, it } from 'vitest'
import { outcome } from '../runtime/kit.ts'
import { Bench, hello } from './support/peer-bench.ts'

const minuteMs = 60_000

describe('a peer that was found', () => {
  it('is dialled, greeted, and healthy once it has answered', async () => {
    const bench = new Bench()
    await bench.run()
    expect(bench.state).toBe('dialling')
    expect(bench.dials[0]?.addresses).toEqual(['/at/p'])
    bench.dials[0]?.succeed()
    await bench.run()
    expect(bench.state).toBe('admitting.greeting')
    bench.tell(hello())
    await bench.run()
    expect(bench.states()).toEqual(['dialling', 'admitting', 'healthy'])
    expect(bench.heard('peer.greeted')).toMatchObject([{ node: 'p', hello: { boot: 7 } }])
  })

  it('is not dialled when it has connected to us itself', async () => {
    const bench = new Bench({ linked: true })
    await bench.run()
    expect(bench.dials).toEqual([])
    expect(bench.state).toBe('admitting.greeting')
  })

  it('that connects while it is dialled is greeted at once', async () => {
    const bench = new Bench()
    await bench.run()
    bench.tell({ type: 'link.up' })
    await bench.run()
    expect(bench.state).toBe('admitting.greeting')
  })

  it('is greeted less and less often until it answers, and dialled anew when it never does', async () => {
    const bench = new Bench({ linked: true })
    const greetings = () => bench.heard('peer.greet').length
    for (const [atMs, count] of [
      [200, 1],
      [300, 2],
      [800, 3],
      [1800, 4],
      [3800, 5],
      [5800, 6],
      [7700, 6],
    ] as const) {
      await bench.run(atMs - bench.world.monotonicMs())
      expect([atMs, greetings()]).toEqual([atMs, count])
    }
    for (const greeting of bench.heard('peer.greet')) expect(greeting).toMatchObject({ node: 'p', answer: false })
    await bench.run(100)
    expect(bench.state).toBe('unreachable.waiting')
    await bench.run(2000)
    expect(bench.dials).toHaveLength(1)
  })

  it('that greets first is answered and healthy', async () => {
    const bench = new Bench({ linked: true })
    await bench.run()
    bench.tell(hello({ answer: false }))
    await bench.run()
    expect(bench.state).toMatch(/^healthy/)
    expect(bench.heard('peer.greet').at(-1)).toMatchObject({ answer: true })
  })

  it('that answers is not answered back, so that two nodes do not greet each other for ever', async () => {
    const bench = await Bench.healthy()
    const before = bench.heard('peer.greet').length
    bench.tell(hello({ answer: true }))
    await bench.run()
    expect(bench.heard('peer.greet')).toHaveLength(before)
  })

  it('that cannot be dialled is unreachable', async () => {
    const bench = new Bench()
    await bench.run()
    bench.dials[0]?.fail()
    await bench.run()
    expect(bench.state).toBe('unreachable.waiting')
  })

  it('is dialled at the addresses that were found last', async () => {
    const bench = new Bench()
    bench.tell({ type: 'peer.found', addresses: ['/new'] })
    await bench.run()
    bench.dials[0]?.fail()
    await bench.run(2000)
    expect(bench.dials[1]?.addresses).toEqual(['/new'])
  })
})

describe('a healthy peer', () => {
  it('hears our heartbeat twice a second, with the version of our report', async () => {
    const bench = await Bench.healthy()
    bench.tell({ type: 'peer.self', self: { incarnation: 1, reportVersion: 9, pace: 'mesh' } })
    const before = bench.sent
    await bench.beat(10_000)
    expect(bench.sent - before).toBeGreaterThanOrEqual(19)
    expect(bench.sent - before).toBeLessThanOrEqual(21)
    expect(bench.states().at(-1)).toBe('healthy')
    expect(bench.heard('peer.alive')).toHaveLength(20)
  })

  it('is suspect after two seconds of silence, and healthy again with its next heartbeat', async () => {
    const bench = await Bench.healthy()
    await bench.run(1990)
    expect(bench.state).toMatch(/^healthy/)
    await bench.run(600)
    expect(bench.state).toMatch(/^suspect/)
    bench.tell({ type: 'peer.heartbeat', incarnation: 7, reportVersion: 1, kind: 'beat' })
    await bench.run()
    expect(bench.state).toMatch(/^healthy/)
    expect(bench.declaredDown).toEqual([])
  })

  it('is unreachable within four and a half seconds of silence: declared down and hung up, once', async () => {
    const bench = await Bench.healthy()
    await bench.run(3990)
    expect(bench.declaredDown).toEqual([])
    await bench.run(600)
    expect(bench.state).toBe('unreachable.waiting')
    expect(bench.declaredDown).toHaveLength(1)
    expect(bench.hungUp).toHaveLength(1)
    expect(bench.heard('peer.accused')).toMatchObject([{ node: 'p', incarnation: 7, status: 'unreachable' }])
    expect(bench.heard('peer.state').at(-1)?.reason).toMatch(/^silent for 4\.\d s; none of 3 others hears it$/)
  })

  it('is not accused as long as nobody has answered for the others', async () => {
    const bench = await Bench.healthy()
    await bench.world.run(60_000)
    expect(bench.state).toMatch(/^suspect/)
    expect(bench.heard('peer.accused')).toEqual([])
  })

  it('that others hear is redialled, and never accused: the link is what is broken', async () => {
    const bench = await Bench.healthy()
    bench.hearsay = { asked: 3, reachedBy: 2, score: 0 }
    await bench.run(2700)
    expect(bench.state).toBe('suspect.redialling')
    expect(bench.hungUp).toHaveLength(1)
    bench.dials.at(-1)?.fail()
    await bench.run(20_000)
    expect(bench.state).toMatch(/^unreachable/)
    expect(bench.heard('peer.accused')).toEqual([])
    expect(bench.heard('peer.state').at(-1)?.reason).toBe('2 of 3 others reach it, this node does not')
  })

  it('has more time the less this node can trust itself', async () => {
    const bench = await Bench.healthy()
    bench.hearsay = { asked: 3, reachedBy: 0, score: 8 }
    await bench.run(19_900)
    expect(bench.state).toMatch(/^suspect/)
    await bench.run(1000)
    expect(bench.state).toMatch(/^unreachable/)
  })

  it('that others accuse stays healthy while this node hears it, and membership is told so that it can deny it', async () => {
    const bench = await Bench.healthy()
    for (const status of ['suspect', 'unreachable'] as const) bench.claim(status, 7)
    await bench.run()
    expect(bench.state).toMatch(/^healthy/)
    const before = bench.heard('peer.alive').length
    bench.tell({ type: 'report.held', version: 1 })
    await bench.beat(1000)
    expect(bench.heard('peer.alive').length - before).toBe(2)
    bench.tell({ type: 'peer.heartbeat', incarnation: 8, reportVersion: 1, kind: 'beat' })
    await bench.run()
    const after = bench.heard('peer.alive').length
    bench.tell({ type: 'peer.heartbeat', incarnation: 8, reportVersion: 1, kind: 'beat' })
    await bench.run()
    expect(bench.heard('peer.alive')).toHaveLength(after)
  })

  it('is not judged by claims of an incarnation that is over, nor kept alive by its heartbeats', async () => {
    const bench = await Bench.healthy()
    await bench.run(1500)
    bench.claim('unreachable', 6)
    bench.claim('departed', 6)
    await bench.run()
    expect(bench.state).toMatch(/^healthy/)
    bench.tell({ type: 'peer.heartbeat', incarnation: 6, reportVersion: 1, kind: 'beat' })
    await bench.run(1100)
    expect(bench.state).toMatch(/^suspect/)
  })

  it('answers who asks when it was heard', async () => {
    const bench = await Bench.healthy()
    await bench.run(700)
    const answer = outcome(bench.runtime.ask('n/node/peers/p', { type: 'peer.heard' }, 1000))
    await bench.run()
    expect(answer.value?.agoMs).toBeGreaterThanOrEqual(700)
    expect(answer.value?.agoMs).toBeLessThan(800)
  })

  it('goes on hearing our heartbeats while it is suspect', async () => {
    const bench = await Bench.healthy()
    await bench.run(2600)
    const before = bench.sent
    await bench.run(1000)
    expect(bench.sent - before).toBe(2)
  })

  it('that started anew is declared down once and greeted again', async () => {
    const bench = await Bench.healthy()
    bench.tell(hello({ boot: 8, answer: false }))
    await bench.run()
    expect(bench.declaredDown).toHaveLength(1)
    expect(bench.state).toMatch(/^healthy/)
    expect(bench.heard('peer.greet').at(-1)).toMatchObject({ answer: true })
    bench.tell(hello({ boot: 8, answer: false }))
    await bench.run()
    expect(bench.declaredDown).toHaveLength(1)
  })

  it('fails what was asked of its earlier run when it started anew', async () => {
    const bench = await Bench.healthy()
    const answer = outcome(bench.runtime.ask('p/node/health', { type: 'health.probe' }, minuteMs))
    bench.tell(hello({ boot: 8, answer: false }))
    await bench.run()
    expect(answer.reason).toBe('unreachable')
  })

  it('that says goodbye departs at once', async () => {
    const bench = await Bench.healthy()
    bench.tell({ type: 'peer.goodbye' })
    await bench.run()
    expect(bench.state).toBeUndefined()
    expect(bench.declaredDown).toHaveLength(1)
    expect(bench.hungUp).toHaveLength(1)
  })
})

describe('a node that was itself starved of time', () => {
  /** Lets the world's clock jump, as if this process had been stopped: the timer fires late. */
  async function starve(bench: Bench, forMs: number): Promise<void> {
    const real = bench.world.monotonicMs.bind(bench.world)
    let jumpedMs = 0
    bench.world.monotonicMs = () => real() + jumpedMs
    await bench.run(100)
    jumpedMs = forMs
    await bench.run(900)
  }

  it('accuses nobody', async () => {
    const bench = await Bench.healthy()
    await starve(bench, 20_000)
    expect(bench.state).toMatch(/^healthy/)
    expect(bench.states()).not.toContain('suspect')
  })

  it('still finds a peer that stays silent', async () => {
    const bench = await Bench.healthy()
    await starve(bench, 20_000)
    await bench.run(4500)
    expect(bench.state).toMatch(/^unreachable/)
  })
})

describe('a peer in a large cluster', () => {
  async function quiet(): Promise<Bench> {
    const bench = new Bench({ linked: true, pace: 'swim' })
    await bench.run()
    bench.tell(hello())
    await bench.run()
    return bench
  }

  it('may be silent for as long as it is not probed', async () => {
    const bench = await quiet()
    const before = bench.sent
    await bench.run(minuteMs)
    expect(bench.state).toBe('healthy.quiet')
    expect(bench.sent).toBe(before)
  })

  it('is left alone again once it has answered a probe', async () => {
    const bench = await quiet()
    await bench.run(10_000)
    bench.tell({ type: 'peer.probe' })
    await bench.run(100)
    expect(bench.state).toBe('healthy.beating')
    bench.tell({ type: 'peer.heartbeat', incarnation: 7, reportVersion: 1, kind: 'answer' })
    await bench.run(500)
    expect(bench.state).toBe('healthy.quiet')
    expect(bench.heard('peer.accused')).toEqual([])
  })

  it('that answers no probe is suspected aloud, and accused after its time', async () => {
    const bench = await quiet()
    await bench.run(10_000)
    bench.tell({ type: 'peer.probe' })
    await bench.run(1600)
    expect(bench.state).toMatch(/^suspect/)
    expect(bench.heard('peer.accused')).toMatchObject([{ status: 'suspect', incarnation: 7 }])
    await bench.run(2100)
    expect(bench.state).toMatch(/^unreachable/)
    expect(bench.heard('peer.accused').at(-1)).toMatchObject({ status: 'unreachable', incarnation: 7 })
  })

  it('that others suspect has its time, and is healthy again when it denies it', async () => {
    const bench = await quiet()
    await bench.run(10_000)
    bench.claim('suspect', 7)
    await bench.run(1000)
    expect(bench.state).toMatch(/^suspect/)
    bench.claim('alive', 8)
    await bench.run()
    expect(bench.state).toMatch(/^healthy/)
  })

  it('answers the heartbeats of a node that still beats all the time', async () => {
    const bench = await quiet()
    const before = bench.sent
    for (const kind of ['beat', 'probe', 'answer'])
      bench.tell({ type: 'peer.heartbeat', incarnation: 7, reportVersion: 1, kind })
    await bench.run()
    expect(bench.sent - before).toBe(2)
  })

  it('beats again when the cluster has become small', async () => {
    const bench = await quiet()
    bench.tell({ type: 'peer.self', self: { incarnation: 1, reportVersion: 3, pace: 'mesh' } })
    await bench.run()
    expect(bench.state).toBe('healthy.beating')
  })
})

describe('a lost link', () => {
  it('is redialled first, and nobody is declared down when that succeeds', async () => {
    const bench = await Bench.healthy()
    bench.tell({ type: 'link.down' })
    await bench.run()
    expect(bench.state).toBe('suspect.redialling')
    expect(bench.dials).toHaveLength(1)
    bench.dials[0]?.succeed()
    await bench.run()
    expect(bench.state).toBe('admitting.greeting')
    bench.tell(hello())
    await bench.run()
    expect(bench.state).toMatch(/^healthy/)
    expect(bench.declaredDown).toEqual([])
    expect(bench.hungUp).toEqual([])
  })

  it('whose redial is refused makes the peer unreachable at once', async () => {
    const bench = await Bench.unreachable()
    expect(bench.state).toBe('unreachable.waiting')
    expect(bench.declaredDown).toHaveLength(1)
    expect(bench.world.monotonicMs()).toBeLessThan(100)
  })

  it('whose redial takes too long makes the peer unreachable as silence would', async () => {
    const bench = await Bench.healthy()
    bench.tell({ type: 'link.down' })
    await bench.run(4500)
    expect(bench.state).toBe('unreachable.waiting')
    expect(bench.declaredDown).toHaveLength(1)
  })

  it('that the peer opens again itself counts as well', async () => {
    const bench = await Bench.healthy()
    bench.tell({ type: 'link.down' })
    await bench.run()
    bench.tell({ type: 'link.up' })
    await bench.run()
    expect(bench.state).toBe('admitting.greeting')
  })

  it('of a suspect is redialled too', async () => {
    const bench = await Bench.healthy()
    await bench.run(2600)
    bench.tell({ type: 'link.down' })
    await bench.run()
    expect(bench.state).toBe('suspect.redialling')
  })

  it('while the peer is being greeted makes it unreachable', async () => {
    const bench = new Bench({ linked: true })
    await bench.run()
    bench.tell({ type: 'link.down' })
    await bench.run()
    expect(bench.state).toBe('unreachable.waiting')
  })
})

describe('an unreachable peer', () => {
  it('is redialled about every second while the loss is fresh, and less often after two minutes', async () => {
    const bench = await Bench.unreachable()
    const failAll = async (forMs: number): Promise<number> => {
      const before = bench.dials.length
      for (let ms = 0; ms < forMs; ms += 50) {
        await bench.run(50)
        bench.dials.at(-1)?.fail()
      }
      return bench.dials.length - before
    }
    expect(await failAll(10_000)).toBeGreaterThanOrEqual(9)
    await failAll(110_000)
    const later = await failAll(30_000)
    expect(later).toBeGreaterThanOrEqual(7)
    expect(later).toBeLessThanOrEqual(15)
  })

  it('is redialled at once when somebody knows that it lives', async () => {
    const bench = await Bench.unreachable()
    const before = bench.dials.length
    bench.claim('alive', 7)
    await bench.run()
    expect(bench.dials).toHaveLength(before + 1)
  })

  it('that others say has departed is forgotten', async () => {
    const bench = await Bench.unreachable()
    bench.claim('departed', 7)
    await bench.run()
    expect(bench.state).toBeUndefined()
  })

  it('is kept for as long as others reach it', async () => {
    const bench = await Bench.unreachable()
    bench.hearsay = { asked: 3, reachedBy: 1, score: 0 }
    for (let ms = 0; ms < 12 * minuteMs; ms += 5000) {
      await bench.run(5000)
      bench.dials.at(-1)?.fail()
    }
    expect(bench.state).toMatch(/^unreachable/)
  })

  it('is greeted as soon as a redial succeeds or it connects itself', async () => {
    for (const way of ['redial', 'link.up']) {
      const bench = await Bench.unreachable()
      if (way === 'link.up') bench.tell({ type: 'link.up' })
      else {
        await bench.run(3000)
        bench.dials.at(-1)?.succeed()
      }
      await bench.run()
      expect(bench.state, way).toBe('admitting.greeting')
    }
  })

  it('departs after ten minutes without an answer', async () => {
    const bench = await Bench.unreachable()
    for (let ms = 0; ms < 9.5 * minuteMs; ms += 5000) {
      await bench.run(5000)
      bench.dials.at(-1)?.fail()
    }
    expect(bench.state).toMatch(/^unreachable/)
    await bench.run(minuteMs)
    expect(bench.state).toBeUndefined()
  })
})
