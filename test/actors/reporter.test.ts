import { describe, expect, it } from 'vitest'
import { reporterMachine } from '../../actors/reporter.ts'
import type { NodeReport } from '../../protocols/report.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { outcome, puppet, steady, supervisor } from '../runtime/kit.ts'
import { SimulatedWorld } from '../sim/world.ts'
import { poison } from './support/poison.ts'
import { digestA, held, loaded, reportOf } from './support/reports.ts'

function reporter() {
  const world = new SimulatedWorld(1)
  const runtime = new Runtime('n', world)
  const published: Array<{ readonly atMs: number; readonly report: NodeReport }> = []
  const membership = puppet('membership')
  const logic = reporterMachine.provide({
    actions: { publish: (_, report) => void published.push({ atMs: world.monotonicMs(), report }) },
  })
  const input = { report: reportOf('n', { version: world.wallMs() * 1000 }) }
  runtime.spawn(
    supervisor('node', {
      policy: steady,
      children: [{ id: 'reporter', logic, input, restart: 'permanent' }, membership.spec],
    }),
  )
  const tell = (message: { type: string; [key: string]: unknown }): void =>
    void runtime.tell('n/node/reporter', message)
  const own = (): NodeReport | undefined =>
    membership.heard.findLast(({ type }) => type === 'report.own')?.report as NodeReport | undefined
  return { world, runtime, published, membership, tell, own }
}

const models = (name: string) => ({ type: 'models.changed', models: [held(name, digestA)] })

describe('what a node says about itself', () => {
  it('is gossiped at once when it changes', async () => {
    const { world, published, tell } = reporter()
    await world.run(5000)
    tell(models('m:latest'))
    await world.run(1)
    expect(published).toHaveLength(1)
    expect(published[0]?.report.models[0]?.name).toBe('m:latest')
  })

  it('is gossiped at most every two seconds, and then as it is by then', async () => {
    const { world, published, tell } = reporter()
    for (let i = 0; i < 100; i++) {
      tell(models(`m${i}:latest`))
      await world.run(100)
    }
    await world.run(3000)
    const pauses = published.slice(1).map(({ atMs }, index) => atMs - (published[index]?.atMs ?? 0))
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(2000)
    expect(published.length).toBeLessThanOrEqual(7)
    expect(published.at(-1)?.report.models[0]?.name).toBe('m99:latest')
  })

  it('is not gossiped while it stays the same', async () => {
    const { world, published, tell } = reporter()
    tell(models('m:latest'))
    await world.run(60_000)
    expect(published).toHaveLength(1)
  })

  it('is told to membership with every change, each time with a higher version', async () => {
    const { world, membership, tell } = reporter()
    for (let i = 0; i < 50; i++) tell(models(`m${i}:latest`))
    await world.run(10)
    const versions = membership.heard.map(({ report }) => (report as NodeReport).version)
    expect(versions).toHaveLength(50)
    expect(versions).toEqual([...new Set(versions)].toSorted((a, b) => a - b))
  })

  it('has a higher version than anything said before also after a crash', async () => {
    const { world, tell, own } = reporter()
    for (let i = 0; i < 50; i++) tell(models(`m${i}:latest`))
    await world.run(10)
    const before = own()?.version ?? Infinity
    tell(poison())
    await world.run(100)
    tell(models('m:latest'))
    await world.run(10)
    expect(own()?.version).toBeGreaterThan(before)
  })

  it('is composed of what the models, the worker and the listener last said', async () => {
    const { world, tell, own } = reporter()
    tell(models('m:latest'))
    tell({ type: 'loaded.changed', loaded: [loaded(digestA)] })
    tell({ type: 'api.open', api: '127.0.0.1:11434' })
    tell({ type: 'drain' })
    await world.run(10)
    expect(own()).toMatchObject({
      node: 'n',
      models: [{ name: 'm:latest' }],
      loaded: [{ digest: digestA }],
      api: '127.0.0.1:11434',
      state: 'draining',
    })
  })

  it('is answered to who missed it, and told to a membership that has just started', async () => {
    const { world, runtime, membership, tell } = reporter()
    tell(models('m:latest'))
    await world.run(10)
    membership.heard.length = 0
    const answer = outcome(runtime.ask('n/node/reporter', { type: 'report.request' }, 1000))
    tell({ type: 'report.describe' })
    await world.run(10)
    expect(answer.value).toMatchObject({ type: 'report.full', report: { models: [{ name: 'm:latest' }] } })
    expect(membership.heard).toMatchObject([{ type: 'report.own', report: { models: [{ name: 'm:latest' }] } }])
  })
})
