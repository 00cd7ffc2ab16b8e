import { describe, expect, it } from 'vitest'
import { type ChangeRequest, modelsMachine, type ShowRequest } from '../../actors/models.ts'
import type { HeldModel } from '../../protocols/report.ts'
import { here } from '../../src/runtime/here.ts'
import { fromPromise } from '../../src/runtime/logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { outcome, puppet, steady, supervisor, types } from '../runtime/kit.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { digestA, digestB, held } from './support/reports.ts'

/** The models actor over a disk that takes 50 ms to read. */
function models(found: HeldModel[] = [held('m:latest', digestA)]) {
  const world = new SimulatedWorld(1)
  const runtime = new Runtime('n', world)
  const reporter = puppet('reporter')
  const disk = { models: found, scans: 0, broken: false }
  const sleep = (ms: number) => new Promise<void>((resolve) => void world.setTimeout(resolve, ms))
  const scan = fromPromise<readonly HeldModel[]>(async () => {
    disk.scans++
    const found = [...disk.models]
    await sleep(50)
    if (disk.broken) throw new Error('the folder cannot be read')
    return found
  })
  const show = fromPromise<void, ShowRequest>(async ({ input, system }) => {
    await sleep(20)
    if (input.name === 'broken') throw new Error('a model that cannot be read')
    here(system).tell(input.replyTo, { type: 'models.shown', piece: input.name, totalLength: 1 })
  })
  const change = fromPromise<void, ChangeRequest>(async ({ input, system }) => {
    await sleep(20)
    here(system).tell(input.replyTo, { type: 'models.changed', found: input.type === 'models.delete', problem: null })
  })
  const logic = modelsMachine.provide({ actors: { scan } })
  runtime.spawn(
    supervisor('node', {
      policy: { ...steady, intensity: 100 },
      children: [reporter.spec, { id: 'models', logic, input: { show, change }, restart: 'permanent' }],
    }),
  )
  const ask = (message: { type: string; [key: string]: unknown }) =>
    outcome(runtime.ask('n/node/models', message, 60_000))
  const refresh = () => ask({ type: 'models.refresh' })
  const reported = () => (reporter.heard.at(-1)?.models as HeldModel[] | undefined)?.map(({ name }) => name)
  return { world, runtime, reporter, disk, ask, refresh, reported }
}

describe('the models on disk', () => {
  it('are reported at the start, also when there are none', async () => {
    for (const found of [[held('m:latest', digestA)], []]) {
      const { world, reporter, reported } = models(found)
      await world.run(100)
      expect(types(reporter.heard)).toEqual(['models.changed'])
      expect(reported()).toEqual(found.map(({ name }) => name))
    }
  })

  it('are looked at again every ten seconds, and reported only when they have changed', async () => {
    const { world, disk, reporter, reported } = models()
    await world.run(60_000)
    expect(disk.scans).toBe(6)
    expect(reporter.heard).toHaveLength(1)
    disk.models = [held('m:latest', digestB)]
    await world.run(11_000)
    expect(reporter.heard).toHaveLength(2)
    disk.models = []
    await world.run(11_000)
    expect(reported()).toEqual([])
  })

  it('are answered for after a scan that began when it was asked for, not after one that ran already', async () => {
    const { world, disk, refresh, reported } = models()
    await world.run(20) // The first scan has read the folder and is not done.
    disk.models = [held('new:latest', digestB)]
    const answer = refresh()
    await world.run(40)
    expect(disk.scans).toBe(2)
    expect(answer).toEqual({})
    await world.run(60)
    expect(answer.value).toMatchObject({ type: 'models.refreshed' })
    expect(reported()).toEqual(['new:latest'])
  })

  it('are scanned once for all who asked meanwhile', async () => {
    const { world, disk, refresh } = models()
    await world.run(100)
    const answers = [refresh(), refresh()]
    await world.run(10)
    answers.push(refresh(), refresh())
    await world.run(200)
    for (const answer of answers) expect(answer.value).toMatchObject({ type: 'models.refreshed' })
    expect(disk.scans).toBe(3)
  })

  it('that cannot be read are a crash: who waits hears so, and the next scan tells what there is', async () => {
    const { world, runtime, disk, refresh, reported } = models()
    await world.run(100)
    disk.broken = true
    disk.models = []
    const answer = refresh()
    await world.run(70)
    expect(answer.reason).toBe('down')
    disk.broken = false
    await world.run(1000)
    expect(reported()).toEqual([])
    expect(runtime.census().find(({ path }) => path === 'node/models')?.lastExit).toContain('cannot be read')
  })
})

describe('a model that is to be shown', () => {
  const show = (name: string) => ({ type: 'models.show', name, verbose: false, offset: 0 })

  it('is read beside the others, each by an actor of its own that ends with its answer', async () => {
    const { world, runtime, ask } = models()
    const answers = ['x', 'y', 'z'].map((name) => ask(show(name)))
    await world.run(40)
    expect(answers.map(({ value }) => value?.piece)).toEqual(['x', 'y', 'z'])
    expect(runtime.census().filter(({ path }) => path.startsWith('node/models/'))).toEqual([])
  })

  it('and cannot be read harms nobody else', async () => {
    const { world, runtime, ask } = models()
    ask(show('broken'))
    const other = ask(show('x'))
    await world.run(40)
    expect(other.value).toMatchObject({ piece: 'x' })
    expect(runtime.census().find(({ path }) => path === 'node/models')).toMatchObject({ restarts: 0 })
  })
})

describe('a change of names', () => {
  it('is carried out by an actor of its own, while the scan goes on, and answered', async () => {
    const { world, ask } = models()
    const removed = ask({ type: 'models.delete', name: 'm:latest' })
    const copied = ask({ type: 'models.copy', source: 'm:latest', destination: 'n:latest' })
    await world.run(100)
    expect(removed.value).toMatchObject({ type: 'models.changed', found: true, problem: null })
    expect(copied.value).toMatchObject({ type: 'models.changed', found: false, problem: null })
  })
})
