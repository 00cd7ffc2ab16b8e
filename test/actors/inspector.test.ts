import { describe, expect, it } from 'vitest'
import { followerMachine } from '../../actors/follower.ts'
import type { TransitionNews } from '../../actors/inspector.ts'
import type { Message } from '../../protocols/ref.ts'
import { fromTransition, setup } from '../../src/runtime/logic.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { Lan } from './support/lan.ts'
import { poison } from './support/poison.ts'
import { digestA, held } from './support/reports.ts'
import { Site } from './support/site.ts'

async function pair() {
  const world = new SimulatedWorld(1)
  const lan = new Lan(world)
  const a = new Site(lan, 'a', { models: [held('m:latest', digestA)] })
  const b = new Site(lan, 'b', { join: ['a'] })
  await world.run(2000)
  return { world, lan, a, b }
}

let lastFollower = 0

/** Starts a follower at one site and keeps what its stream is given. */
function follow(site: Site, target: string) {
  const seen = { found: undefined as boolean | undefined, news: [] as TransitionNews[], ends: 0 }
  const sink = {
    onFollowing: (found: boolean) => {
      seen.found = found
    },
    push: (news: TransitionNews) => void seen.news.push(news),
    end: () => {
      seen.ends++
    },
  }
  const id = `follower-${++lastFollower}`
  const spec = { id, logic: followerMachine, input: { target, sink }, restart: 'temporary' as const }
  const ref = site.runtime.spawn(spec, site.ref('inspector'))
  return { seen, ref, stop: () => site.runtime.tell(ref, { type: 'follower.stop' }) }
}

describe('a look at a node', () => {
  it.each(['a', 'b'])('from node %s shows every actor of node a with its state', async (from) => {
    const { world, a, b } = await pair()
    const asker = from === 'a' ? a : b
    const answer = asker.runtime.ask('a/node/inspector', { type: 'inspector.snapshot' }, 1000)
    await world.run(20)
    const actors = (await answer).actors as Array<{ path: string; state: string }>
    const paths = (rows: readonly { path: string }[]) => rows.map(({ path }) => path).toSorted()
    expect(paths(actors)).toEqual(paths(a.runtime.census()))
    expect(actors.find(({ path }) => path === 'node/peers/b')?.state).toMatch(/^healthy/)
  })
})

describe('a reader', () => {
  const kinds = ['started', 'exited', 'handled', 'deadLetter', 'rejected', 'escalated'] as const
  const observed = (site: Site) => kinds.filter((kind) => site.runtime.facts.wants(kind))
  /** What is observed with nobody looking: the site itself watches for exits. */
  const atRest = ['exited']

  async function read(site: Site, world: SimulatedWorld, message: Message): Promise<Message> {
    const answer = site.runtime.ask('a/node/inspector', message, 1000)
    await world.run(20)
    return answer
  }

  it.each(['inspector.snapshot', 'inspector.recent'])(
    'of %s attaches the recording, which ends 15 s after it left',
    async (type) => {
      const { world, a, b } = await pair()
      expect([observed(a), a.runtime.feed.recorder.attached]).toEqual([atRest, false])
      for (let second = 0; second < 20; second++) {
        await read(b, world, { type })
        await world.run(980)
        expect(observed(a)).toEqual(kinds)
      }
      await world.run(13_900)
      expect(a.runtime.feed.recorder.attached).toBe(true)
      await world.run(200)
      expect([observed(a), a.runtime.feed.recorder.attached]).toEqual([atRest, false])
    },
  )

  it('of nothing but waits attaches nothing', async () => {
    const { world, a, b } = await pair()
    expect(await read(b, world, { type: 'inspector.waits' })).toMatchObject({ asks: expect.any(Array), leftOut: 0 })
    expect(observed(a)).toEqual(atRest)
  })

  it('is told even of the crash of the inspector itself', async () => {
    const { world, a, b } = await pair()
    const { cursor } = await read(b, world, { type: 'inspector.recent' })
    a.tell('inspector', poison())
    await world.run(500)
    const { facts, missed } = await read(b, world, { type: 'inspector.recent', cursor })
    expect(missed).toBe(0)
    expect(facts).toMatchObject([
      { kind: 'exited', subject: 'node/inspector', detail: 'crash: poisoned by the test' },
      { kind: 'started', subject: 'node/inspector', detail: 'restart 1' },
    ])
  })

  it('is told by number what happened since its last question, and of the dead', async () => {
    const { world, a, b } = await pair()
    const first = await read(b, world, { type: 'inspector.recent' })
    const ref = a.runtime.spawn({ id: 'visitor', logic: fromTransition((state: null) => state, null) }, a.ref('tasks'))
    await a.runtime.stop(ref)
    const next = await read(b, world, { type: 'inspector.recent', cursor: first.cursor })
    expect(next).toMatchObject({ missed: 0 })
    const visits = (next.facts as { subject: string; kind: string }[]).filter(({ subject }) =>
      subject.endsWith('visitor'),
    )
    expect(visits.map(({ kind }) => kind)).toEqual(['started', 'exited'])
    expect((await read(b, world, { type: 'inspector.snapshot' })).dead).toMatchObject([
      { path: 'node/tasks/visitor', exit: 'shutdown' },
    ])
  })

  it('gets 4,096 actors page by page, each page in a frame however long its rows', async () => {
    const { world, a, b } = await pair()
    const idle = setup({}).createMachine({ initial: '☃'.repeat(256), states: { ['☃'.repeat(256)]: {} } })
    const crowd = a.runtime.spawn({ id: 'crowd', logic: idle }, a.ref('tasks'))
    for (let i = 0; i < 4096; i++) a.runtime.spawn({ id: `${i}-${'é'.repeat(100)}`, logic: idle }, crowd)
    const paths: string[] = []
    let pages = 0
    for (let after: unknown = 0; after !== undefined; pages++) {
      const page = await read(b, world, { type: 'inspector.snapshot', after })
      paths.push(...(page.actors as { path: string }[]).map(({ path }) => path))
      expect(page.counters === undefined).toBe(page.next !== undefined)
      after = page.next
    }
    expect(paths.toSorted()).toEqual(
      a.runtime
        .census()
        .map(({ path }) => path)
        .toSorted(),
    )
    expect(pages).toBeGreaterThan(4)
  })
})

describe.each(['a', 'b'])('who follows an actor of node a from node %s', (from) => {
  const start = async (path: string) => {
    const both = await pair()
    const follower = follow(from === 'a' ? both.a : both.b, `a/${path}`)
    await both.world.run(20)
    return { ...both, follower, seen: follower.seen }
  }

  it('sees its transitions as they happen, with their causes and times', async () => {
    const { world, a, seen } = await start('node/health')
    expect(seen.found).toBe(true)
    a.tell('health', { type: 'drain' })
    await world.run(20)
    expect(seen.news).toMatchObject([{ path: 'node/health', before: 'serving', after: 'draining', event: 'drain' }])
    expect(seen.news[0]?.atMs).toBeGreaterThan(world.wallMs() - 100)
  })

  it('sees them beyond a restart of what it follows', async () => {
    const { world, a, seen } = await start('node/peers/b')
    a.tell('peers/b', poison())
    await world.run(1000)
    expect(seen.news.at(-1)?.after).toMatch(/^healthy/)
    expect(seen.ends).toBe(0)
  })

  it('is told when there is no such actor, and that is the end', async () => {
    const { world, seen } = await start('node/nobody')
    await world.run(20)
    expect(seen).toMatchObject({ found: false, ends: 1 })
  })

  it('hears nothing more after it has stopped, and costs nothing any more', async () => {
    const { world, a, follower, seen } = await start('node/health')
    follower.stop()
    await world.run(20)
    expect(seen.ends).toBe(1)
    a.tell('health', { type: 'drain' })
    await world.run(20)
    expect(seen.news).toEqual([])
  })

  it('hears that it is over when the inspector there crashes', async () => {
    const { world, a, seen } = await start('node/health')
    a.tell('inspector', poison())
    await world.run(50)
    expect(seen.ends).toBe(1)
  })
})

describe('followers between nodes', () => {
  it('end when the followed node is declared down', async () => {
    const { world, lan, b } = await pair()
    const { seen } = follow(b, 'a/node/health')
    await world.run(20)
    lan.silence(['a'], ['b'])
    await world.run(3000)
    expect(seen.ends).toBe(0)
    await world.run(2000)
    expect(seen.ends).toBe(1)
  })

  it('are forgotten by the inspector when their own node is', async () => {
    const { world, a, b } = await pair()
    follow(b, 'a/node/health')
    await world.run(20)
    b.kill()
    await world.run(100)
    const dead: string[] = []
    a.runtime.facts.observe(['deadLetter'], ({ type }) => void dead.push(type))
    a.tell('health', { type: 'drain' })
    await world.run(20)
    expect(dead).not.toContain('inspector.transition')
  })

  it('survive a link that breaks and is redialled', async () => {
    const { world, lan, a, b } = await pair()
    const { seen } = follow(b, 'a/node/health')
    await world.run(20)
    lan.cut('a', 'b')
    await world.run(1000)
    a.tell('health', { type: 'drain' })
    await world.run(20)
    expect(seen).toMatchObject({ ends: 0, news: [{ after: 'draining' }] })
  })

  it('are at most 64 at one node: one more is told that there is nothing to follow', async () => {
    const { world, a } = await pair()
    const followers = Array.from({ length: 65 }, () => follow(a, 'a/node/health'))
    await world.run(50)
    expect(followers.filter(({ seen }) => seen.found === true)).toHaveLength(64)
    expect(followers.at(-1)?.seen).toMatchObject({ found: false, ends: 1 })
    followers[0]?.stop()
    await world.run(20)
    const next = follow(a, 'a/node/health')
    await world.run(20)
    expect(next.seen.found).toBe(true)
  })
})
