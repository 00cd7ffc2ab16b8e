/** How a node leaves: what it has accepted ends first. */
import { refOf } from '../protocols/ref.ts'
import type { Runtime } from './runtime/runtime.ts'

/** Writing the last line of every answer that is cut off. */
const cutOffMs = 1000

/** No new work; what runs here, for whomever, may finish within `drainMs`; then the tree stops in reverse order of its start. */
export async function leave(runtime: Runtime, drainMs: number): Promise<void> {
  const at = (path: string) => refOf(runtime.node, path)
  for (const path of ['node/reporter', 'node/health', 'node/scheduler']) runtime.tell(at(path), { type: 'drain' })
  // What has come of a model stays: the next pull goes on from there, so nobody waits for it.
  await runtime.stop(at('node/transfers'))
  if (drainMs > 0) {
    const drains = ['node/ollama-api', 'node/worker'].map((path) => runtime.ask(at(path), { type: 'drain' }, drainMs))
    await Promise.allSettled(drains)
  }
  await cutOff(runtime)
  await runtime.stop(at('node'))
}

/** What has not finished ends with its error: the listener closes only after that has been written. */
async function cutOff(runtime: Runtime): Promise<void> {
  const at = (path: string) => refOf(runtime.node, path)
  const load = await runtime.ask(at('node/scheduler'), { type: 'load.get' }, cutOffMs).catch(() => undefined)
  if (load?.active === 0 && load.queued === 0) return
  await runtime.stop(at('node/tasks'))
  await runtime.ask(at('node/ollama-api'), { type: 'drain' }, cutOffMs).catch(() => {}) // Clients that take nothing.
}
