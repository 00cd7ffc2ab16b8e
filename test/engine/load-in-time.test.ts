import { describe, expect, it } from 'vitest'
import type { LoadedEngine } from '../../src/engine/driver.ts'
import { loadInTime } from '../../src/engine/load-in-time.ts'
import { SimDriver } from '../../src/engine/sim.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { file } from './stable.ts'

const settings = { threads: 1, slots: 2, maxWaiting: 2, contextTokens: 256, prefillTokens: 64 }
const never = new AbortController().signal
const words = /^timed out waiting for llama-server to start - /

describe('a load', () => {
  it('may take any time while it shows progress', async () => {
    const world = new SimulatedWorld(1)
    const driver = new SimDriver({ clock: world, loadMs: 5_000 })
    const loading = loadInTime(
      'm',
      (signal, onProgress) => {
        const tick = (): void => {
          onProgress()
          world.setTimeout(tick, 900)
        }
        tick()
        return driver.load(file, settings, signal)
      },
      never,
      { stallMs: 1_000, clock: world },
    )
    await world.run(6_000)
    expect((await loading).contextLength).toBe(256)
  })

  it('that heeds no signal is given up all the same, and what it brings later is closed', async () => {
    const world = new SimulatedWorld(1)
    const late = Promise.withResolvers<LoadedEngine>()
    const loading = loadInTime('m', () => late.promise, never, { stallMs: 1_000, clock: world }).catch((error) => error)
    await world.run(1_100)
    expect(await loading).toMatchObject({ code: 'load-failed', message: expect.stringMatching(words) })
    const engine = await new SimDriver({ clock: world }).load(file, settings, never)
    late.resolve(engine)
    expect(await engine.ended).toBeUndefined()
  })

  it('that fails says why, and is not waited for', async () => {
    const world = new SimulatedWorld(1)
    const load = () => Promise.reject(new Error('no disk'))
    await expect(loadInTime('m', load, never, { stallMs: 1_000, clock: world })).rejects.toThrow('no disk')
    await world.run(2_000)
  })
})
