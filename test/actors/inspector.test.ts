import { describe, expect, it } from 'vitest'
import { followerMachine } from '../../actors/follower.ts'
import type { TransitionNews } from '../../actors/inspector.ts'
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
