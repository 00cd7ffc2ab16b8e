/**
 * What an entry node promised and how each promise ended: one `accepted` for every admitted request, before its client
 * can be told, and one end, whatever ends it. A store keeps it; here is what it must be able to do, and who tells it.
 */
import type { Exit } from '../protocols/exit.ts'
import type { InferFrame } from '../protocols/infer.ts'
import { type NodeId, refOf } from '../protocols/ref.ts'
import type { Runtime } from '../src/runtime/runtime.ts'
import type { TaskOutput } from './task.ts'

export interface AcceptedTask {
  readonly id: string
  /** The name as sent, and the version that it meant. */
  readonly model: string
  readonly digest: string
  /** Milliseconds since 1970, as below. */
  readonly atMs: number
}

export interface TaskEnd {
  readonly status: TaskOutput['status']
  /** Why it failed; beside the codes that clients see: `crashed` (its own actor), `stopped` (with this node's tasks). */
  readonly code?: string
  /** Who computed it, or was the last to be asked. */
  readonly worker?: NodeId
  readonly atMs: number
}

/** Neither waits for a disk nor throws: a request does not depend on what is written about it. */
export interface TaskJournal {
  accepted(task: AcceptedTask): void
  /** The first end of an accepted task is written; any other is none. */
  ended(id: string, end: TaskEnd): void
}

/**
 * Every incarnation that ends is a fact, so this one place sees every end of a task: it has each written, and the response
 * of a task that could not write its own last frame ended with `abandon`.
 */
export function recordEnds(
  runtime: Runtime,
  journal: TaskJournal,
  abandon: (id: string, frame: InferFrame) => void,
): void {
  const prefix = refOf(runtime.node, 'node/tasks/')
  runtime.facts.observe(['exited'], ({ ref, exit }) => {
    if (!ref.startsWith(prefix)) return
    const id = ref.slice(prefix.length)
    journal.ended(id, { ...endOf(exit), atMs: runtime.world.wallMs() })
    if (exit.kind !== 'normal') abandon(id, { kind: 'failed', code: 'internal', message: reasonOf(exit) })
  })
}

function endOf(exit: Exit): Omit<TaskEnd, 'atMs'> {
  if (exit.kind !== 'normal') return { status: 'failed', code: exit.kind === 'crash' ? 'crashed' : 'stopped' }
  const { status, code, node } = exit.output as TaskOutput
  return { status, ...(code === undefined ? {} : { code }), ...(node === undefined ? {} : { worker: node }) }
}

const reasonOf = (exit: Exit): string => (exit.kind === 'crash' ? exit.failure.message : 'this node is stopping')
