/**
 * What actors weigh that live and have handled a message each. Arguments: `cells` or `raw`, how many. Run with
 * `--expose-gc`. Prints bytes as JSON.
 */
import { createActor } from '../../src/runtime/logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import type { Weight } from '../sections/memory.ts'
import { add, counter, goal, supervising } from '../support/kernel-actors.ts'

/** Actors that are started in one turn; divides every count. */
const batch = 10

/** Bytes in use, once all that can be collected is, and its pages are given back to the system. */
async function heapBytes(): Promise<number> {
  await globalThis.gc?.({ type: 'major', execution: 'async', flavor: 'last-resort' })
  return process.memoryUsage().heapUsed
}

/** Supervised by one actor, as the tasks of a node are. */
async function cells(count: number): Promise<object> {
  const runtime = new Runtime('local')
  const crowd = runtime.spawn({ id: 'crowd', logic: supervising })
  for (let started = 0; started < count; started += batch) {
    const handled = goal.after(batch)
    for (let i = 0; i < batch; i++) {
      runtime.tell(runtime.spawn({ id: `${started + i}`, logic: counter }, crowd), add)
    }
    await handled
  }
  return runtime
}

function raw(count: number): object {
  return Array.from({ length: count }, () => {
    const actor = createActor(counter).start()
    actor.send(add)
    return actor
  })
}

/** Kept reachable until everything is measured. */
const held: object[] = []

const arms = { cells, raw }
const create = arms[process.argv[2] as keyof typeof arms]
const count = Number(process.argv[3])
held.push(await create(10)) // The machine itself, and whatever is loaded on first use.
const beforeBytes = await heapBytes()
held.push(await create(count))
const grownBytes = process.memoryUsage.rss()
const heapBytesEach = ((await heapBytes()) - beforeBytes) / count
const weight: Weight = { heapBytesEach, grownBytes, residentBytes: process.memoryUsage.rss() }
process.stdout.write(`${JSON.stringify(weight)}\n`)
process.exit(held.length === 2 ? 0 : 1)
