import { expect, it } from 'vitest'
import { awakeTimeout } from '../../src/net/awake.ts'

const limitMs = 200

const aborted = (signal: AbortSignal): Promise<number> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(performance.now()), { once: true }))

/** Keeps this process from its timers. */
function starve(forMs: number): void {
  const untilMs = performance.now() + forMs
  while (performance.now() < untilMs);
}

it('patience ends after its limit in a process that gets its turns', async () => {
  const startMs = performance.now()
  const { signal } = awakeTimeout(limitMs)
  expect((await aborted(signal)) - startMs).toBeGreaterThanOrEqual(limitMs - 5)
  expect(signal.reason).toMatchObject({ name: 'TimeoutError', message: 'nothing within 200 ms' })
})

it('patience does not end while the process is starved, for what it waits for may be in its own buffers', async () => {
  const startMs = performance.now()
  const { signal } = awakeTimeout(limitMs)
  starve(2 * limitMs)
  await new Promise(setImmediate)
  expect(signal.aborted).toBe(false)
  expect((await aborted(signal)) - startMs).toBeGreaterThan(2 * limitMs + limitMs / 2)
})

it('patience that is cleared never ends', async () => {
  const { signal, clear } = awakeTimeout(limitMs)
  clear()
  await aborted(awakeTimeout(2 * limitMs).signal)
  expect(signal.aborted).toBe(false)
})
