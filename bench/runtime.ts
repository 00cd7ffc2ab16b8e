/**
 * What the actor kernel costs: `node bench/runtime.ts`. Interleaved rounds in one process, so that a slow moment of the
 * host hits every row alike; each row is the median of its rounds and their spread. Takes about 5 seconds.
 */
import { cpus } from 'node:os'
import type { Message, Ref } from '../protocols/ref.ts'
import { refOf } from '../protocols/ref.ts'
import { here } from '../src/runtime/here.ts'
import { assign, createActor, fromTransition, setup } from '../src/runtime/logic.ts'
import { Runtime } from '../src/runtime/runtime.ts'

const rounds = 7
/** Under the default mailbox's capacity, so that nothing is refused. */
const batch = 1000
const messages = 20_000
const asks = 4000
const asksInFlight = 500
const actors = 2000

/** Resolves when `hit` was called `count` times. */
class Goal {
  #left = 0
  #reached: (() => void) | undefined

  readonly hit = (): void => {
    if (--this.#left === 0) this.#reached?.()
  }

  after(count: number): Promise<void> {
    this.#left = count
    return new Promise((resolve) => {
      this.#reached = resolve
    })
  }
}

const goal = new Goal()

const counter = setup({
  types: { context: {} as { n: number } },
  actions: { hit: () => goal.hit() },
}).createMachine({
  context: { n: 0 },
  on: { add: { actions: [assign({ n: ({ context }) => context.n + 1 }), 'hit'] } },
})

const reducer = fromTransition((n: number, event: Message, { system }) => {
  if (event.type === 'question') here(system).tell(event.replyTo as Ref, { type: 'answer' })
  else goal.hit()
  return n + 1
}, 0)

const add: Message = { type: 'add' }
const heartbeat: Message = { type: 'peer.heartbeat', sequence: 1, reportVersion: 1 }

/** Tells `count` messages a mailbox at a time, and waits until each batch is handled. */
async function tellAll(runtime: Runtime, to: Ref, message: Message, count: number): Promise<void> {
  for (let told = 0; told < count; told += batch) {
    const handled = goal.after(batch)
    for (let i = 0; i < batch; i++) if (!runtime.tell(to, message)) throw new Error(`${to} refused ${message.type}`)
    await handled
  }
}

async function askAll(runtime: Runtime, to: Ref, count: number, inFlight: number): Promise<void> {
  for (let asked = 0; asked < count; asked += inFlight) {
    await Promise.all(Array.from({ length: inFlight }, () => runtime.ask(to, { type: 'question' }, 10_000)))
  }
}

/** One row: what is timed, and how many times it happens in a round. */
interface Row {
  readonly name: string
  readonly count: number
  run(): Promise<void> | void
}

function localRows(): Row[] {
  const runtime = new Runtime('local')
  const machine = runtime.spawn({ id: 'machine', logic: counter })
  const plain = runtime.spawn({ id: 'reducer', logic: reducer })
  const crowd = runtime.spawn({ id: 'crowd', logic: reducer })
  const raw = createActor(counter).start()
  let started: Ref[] = []
  return [
    {
      name: 'raw xstate send, machine',
      count: messages,
      run: () => {
        for (let i = 0; i < messages; i++) raw.send({ type: 'add' })
      },
    },
    { name: 'tell, machine', count: messages, run: () => tellAll(runtime, machine, add, messages) },
    { name: 'tell, reducer', count: messages, run: () => tellAll(runtime, plain, add, messages) },
    { name: 'ask, one at a time', count: asks, run: () => askAll(runtime, plain, asks, 1) },
    { name: `ask, ${asksInFlight} in flight`, count: asks, run: () => askAll(runtime, plain, asks, asksInFlight) },
    {
      name: 'spawn, machine',
      count: actors,
      run: () => {
        started = Array.from({ length: actors }, (_, i) => runtime.spawn({ id: `${i}`, logic: counter }, crowd))
      },
    },
    {
      name: 'stop, machine',
      count: actors,
      run: async () => {
        await Promise.all(started.map((ref) => runtime.stop(ref)))
      },
    },
  ]
}

/** Two runtimes whose frames go straight from one to the other: coding and checking, without a network. */
function remoteRows(): Row[] {
  const [a, b] = [new Runtime('a'), new Runtime('b')]
  a.connect({
    send: (_, frame) => {
      b.receive('a', frame)
      return true
    },
  })
  const root = b.spawn({ id: 'node', logic: reducer })
  const peers = b.spawn({ id: 'peers', logic: reducer }, root)
  b.spawn({ id: 'a', logic: reducer }, peers)
  const to = refOf('b', 'node/peers/a')
  return [{ name: 'tell to another node, reducer', count: messages, run: () => tellAll(a, to, heartbeat, messages) }]
}

/** Microseconds for one. */
async function timed(row: Row): Promise<number> {
  const startMs = performance.now()
  await row.run()
  return ((performance.now() - startMs) * 1000) / row.count
}

function print(rows: readonly Row[], samples: ReadonlyMap<Row, number[]>): void {
  console.log(`node ${process.version}, ${cpus()[0]?.model ?? 'unknown CPU'}, ${rounds} interleaved rounds`)
  console.log(
    `${'µs each'.padEnd(32)}${['median', 'least', 'most', 'per second'].map((head) => head.padStart(12)).join('')}`,
  )
  for (const row of rows) {
    const sorted = [...(samples.get(row) ?? [])].sort((x, y) => x - y)
    const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
    const numbers = [median, sorted[0] ?? median, sorted.at(-1) ?? median].map((us) => us.toFixed(2).padStart(12))
    console.log(
      `${row.name.padEnd(32)}${numbers.join('')}${Math.round(1e6 / median)
        .toLocaleString('en')
        .padStart(12)}`,
    )
  }
}

const rows = [...localRows(), ...remoteRows()]
const samples = new Map(rows.map((row): [Row, number[]] => [row, []]))
// The first round only warms up: it is compiled code that runs for hours in a node.
for (let round = 0; round <= rounds; round++) {
  for (const row of rows) {
    const us = await timed(row)
    if (round > 0) samples.get(row)?.push(us)
  }
}
print(rows, samples)
