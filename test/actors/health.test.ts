import { describe, expect, it } from 'vitest'
import { healthMachine } from '../../actors/health.ts'
import { type HealthResult, healthCheckMachine } from '../../actors/health-check.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { outcome, puppet, supervisor } from '../runtime/kit.ts'
import { SimulatedWorld } from '../sim/world.ts'

/** Node n checks node p over a link that takes 10 ms each way. */
function pair() {
  const world = new SimulatedWorld(1)
  const n = new Runtime('n', world)
  const p = new Runtime('p', world)
  const line = { open: true }
  const join = (from: Runtime, to: Runtime): void =>
    from.connect({
      send: (_, frame) => {
        if (line.open) world.setTimeout(() => to.receive(from.node, frame), 10)
        return line.open
      },
    })
  join(n, p)
  join(p, n)
  const records: Array<HealthResult & { readonly atMs: number }> = []
  const membership = puppet('membership')
  const logic = healthCheckMachine.provide({
    actions: { record: (_, result) => void records.push({ ...result, atMs: world.monotonicMs() }) },
  })
  n.spawn(supervisor('node', { children: [membership.spec, { id: 'check', logic, input: { peer: 'p' } }] }))
  const input = { activeTasks: () => 3, startedMs: 0 }
  p.spawn(supervisor('node', { children: [{ id: 'health', logic: healthMachine, input }] }))
  const pauses = () => records.slice(1).map(({ atMs }, index) => atMs - (records[index]?.atMs ?? 0))
  return { world, n, p, line, records, membership, pauses }
}

describe('the health check of a peer', () => {
  it('begins soon, goes on every thirty seconds, and records each round trip', async () => {
    const { world, records, membership, pauses } = pair()
    await world.run(95_000)
    expect(records[0]?.atMs).toBeLessThan(1100)
    expect(records).toHaveLength(4)
    for (const pause of pauses()) expect(Math.round(pause / 1000)).toBe(30)
    for (const { ok, latencyMs, peer } of records) {
      expect([ok, peer]).toEqual([true, 'p'])
      expect(latencyMs).toBeGreaterThanOrEqual(20)
      expect(latencyMs).toBeLessThan(25)
    }
    expect(membership.heard).toMatchObject(
      records.map(({ latencyMs }) => ({ type: 'peer.checked', ok: true, latencyMs })),
    )
  })

  it('is soon repeated after a failure, then less and less often, with the reason', async () => {
    const { world, line, records, pauses } = pair()
    line.open = false
    await world.run(10 * 60_000)
    expect(records[0]).toMatchObject({ ok: false, peer: 'p' })
    expect(records[0]?.error).toContain('unreachable')
    const seconds = pauses().map((pause) => Math.round(pause / 1000))
    expect(seconds.slice(0, 6)).toEqual([2, 4, 8, 16, 30, 30])
  })

  it('does not call a peer unhealthy that it cannot reach', async () => {
    const { world, line, records } = pair()
    line.open = false
    await world.run(60_000)
    for (const { unfit } of records) expect(unfit).toBe('')
  })

  it('takes a peer out at its first failure, and brings it back within one period of its recovery', async () => {
    const { world, p, records } = pair()
    void p.stop('p/node/health')
    await world.run(35_000)
    expect(records[0]?.unfit).toContain('fails its health check (1 in a row: ')
    const health = { id: 'health', logic: healthMachine, input: { activeTasks: () => 0, startedMs: 0 } }
    p.spawn(health, 'p/node')
    await world.run(30_000)
    expect(records.at(-1)).toMatchObject({ ok: true, unfit: '' })
  })

  it('is back to its usual pace after the first success', async () => {
    const { world, line, records, pauses } = pair()
    line.open = false
    await world.run(200_000)
    line.open = true
    await world.run(600_000)
    expect(records.at(-1)?.ok).toBe(true)
    expect(Math.round((pauses().at(-1) ?? 0) / 1000)).toBe(30)
  })

  it('fails after five seconds without an answer', async () => {
    const { world, p, records } = pair()
    void p.stop('p/node/health')
    await world.run(2000)
    expect(records[0]?.error).toContain('absent')
    p.spawn(puppet('health').spec, 'p/node')
    await world.run(70_000)
    expect(records[1]).toMatchObject({ ok: false })
    expect(records[1]?.error).toContain('timeout')
    expect(records[1]?.latencyMs).toBeGreaterThanOrEqual(5000)
  })
})

it('a node answers with what it is doing, and says so when it drains', async () => {
  const { world, n, p } = pair()
  const ask = () => outcome(n.ask('p/node/health', { type: 'health.probe' }, 1000))
  const serving = ask()
  await world.run(50)
  expect(serving.value).toMatchObject({ type: 'health.state', state: 'serving', activeTasks: 3 })
  expect(serving.value?.uptimeMs).toBeGreaterThan(0)
  p.tell('p/node/health', { type: 'drain' })
  const draining = ask()
  await world.run(50)
  expect(draining.value).toMatchObject({ state: 'draining' })
})
