/** How what a node has accepted ends when the one that should end it cannot: a task that crashes, a node that leaves. */
import { pathOf, refOf } from '../protocols/ref.ts'
import type { Responses } from './http/responses.ts'
import type { Runtime } from './runtime/runtime.ts'

const tasksPath = 'node/tasks/'
/** Writing the last line of every answer that is cut off. */
const cutOffMs = 1000

/** A task that is stopped or crashes cannot end its response itself. */
export function endAbandoned(runtime: Runtime, responses: Responses): void {
  runtime.facts.observe(['exited'], ({ ref, exit }) => {
    const path = pathOf(ref)
    if (exit.kind === 'normal' || !path.startsWith(tasksPath)) return
    const reason = exit.kind === 'crash' ? exit.failure.message : 'this node is stopping'
    responses.end(path.slice(tasksPath.length), { kind: 'failed', code: 'internal', message: reason })
  })
}

/** No new work; what runs here, for whomever, may finish within `drainMs`; then the tree stops in reverse order of its start. */
export async function leave(runtime: Runtime, drainMs: number): Promise<void> {
  const at = (path: string) => refOf(runtime.node, path)
  for (const path of ['node/reporter', 'node/health', 'node/scheduler']) runtime.tell(at(path), { type: 'drain' })
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
