/**
 * What the actor kernel costs within one process, beside XState without it. Argument: rounds. Prints the timings as
 * JSON.
 */
import type { Message, Ref } from '../../protocols/ref.ts'
import { refOf } from '../../protocols/ref.ts'
import { type AnyActor, createActor } from '../../src/runtime/logic.ts'
import { Runtime } from '../../src/runtime/runtime.ts'
import { kernelRow } from '../sections/runtime.ts'
import { add, counter, goal, reducer, supervising } from '../support/kernel-actors.ts'
import { demandDelivery, heartbeat } from '../support/linked-node.ts'
import { type Row, timings } from '../support/rows.ts'

/** Under the default mailbox's capacity, so that nothing is refused. */
const batch = 1000
const messages = 20_000
const asks = 4000
const asksInFlight = 500
const askTimeoutMs = 10_000
const actors = 2000

/** As often as `omx-node inspect --watch` does. */
const readMs = 1000

/** What a reader pulls: everything is recorded from now on. */
function readAll(runtime: Runtime): void {
  const { feed } = runtime
  feed.recorder.dead()
  feed.census()
  feed.counters()
  feed.waits()
}

/** Tells `messages` a mailbox at a time, and waits until each batch is handled. */
async function tellAll(runtime: Runtime, to: Ref, message: Message): Promise<void> {
  for (let told = 0; told < messages; told += batch) {
    const handled = goal.after(batch)
    for (let i = 0; i < batch; i++) if (!runtime.tell(to, message)) throw new Error(`${to} refused ${message.type}`)
    await handled
  }
}

/** The same work without the kernel. */
async function sendAll(to: AnyActor, message: Message): Promise<void> {
  for (let sent = 0; sent < messages; sent += batch) {
    const handled = goal.after(batch)
    for (let i = 0; i < batch; i++) to.send(message)
    await handled
  }
}

async function askAll(runtime: Runtime, to: Ref, inFlight: number): Promise<void> {
  for (let asked = 0; asked < asks; asked += inFlight) {
    await Promise.all(Array.from({ length: inFlight }, () => runtime.ask(to, { type: 'question' }, askTimeoutMs)))
  }
}

function messageRows(runtime: Runtime): Row[] {
  const machine = runtime.spawn({ id: 'machine', logic: counter })
  const plain = runtime.spawn({ id: 'reducer', logic: reducer })
  const rawMachine = createActor(counter).start()
  const rawReducer = createActor(reducer).start()
  const inspected = new Runtime('inspected')
  const seen = inspected.spawn({ id: 'machine', logic: counter })
  readAll(inspected)
  setInterval(() => readAll(inspected), readMs).unref()
  const row = (name: string, run: Row['run']): Row => ({ name, count: messages, run })
  return [
    row(kernelRow.rawSend, () => sendAll(rawMachine, add)),
    row(kernelRow.tell, () => tellAll(runtime, machine, add)),
    row('tell, machine, while somebody inspects', () => tellAll(inspected, seen, add)),
    row('raw XState send, reducer', () => sendAll(rawReducer, add)),
    row('tell, reducer', () => tellAll(runtime, plain, add)),
    { name: 'ask, one at a time', count: asks, run: () => askAll(runtime, plain, 1) },
    { name: `ask, ${asksInFlight} in flight`, count: asks, run: () => askAll(runtime, plain, asksInFlight) },
  ]
}

function lifeRows(runtime: Runtime): Row[] {
  const crowd = runtime.spawn({ id: 'crowd', logic: supervising })
  let started: Ref[] = []
  let raw: AnyActor[] = []
  const row = (name: string, run: Row['run']): Row => ({ name, count: actors, run })
  return [
    row('raw XState createActor and start, machine', () => {
      raw = Array.from({ length: actors }, () => createActor(counter).start())
    }),
    row('spawn, machine', () => {
      started = Array.from({ length: actors }, (_, i) => runtime.spawn({ id: `${i}`, logic: counter }, crowd))
    }),
    row('raw XState stop, machine', () => {
      for (const actor of raw) actor.stop()
    }),
    row('stop, machine', async () => {
      await Promise.all(started.map((ref) => runtime.stop(ref)))
    }),
  ]
}

/** Two runtimes whose frames go straight from one to the other: coding and checking, without a network. */
function frameRow(): Row {
  const [a, b] = [new Runtime('a'), new Runtime('b')]
  demandDelivery(b)
  a.connect({
    send: (_, frame) => {
      b.receive('a', frame)
      return true
    },
  })
  const root = b.spawn({ id: 'node', logic: supervising })
  const peers = b.spawn({ id: 'peers', logic: supervising }, root)
  b.spawn({ id: 'a', logic: reducer }, peers)
  const to = refOf('b', 'node/peers/a')
  return {
    name: 'tell to another node without a network, reducer',
    count: messages,
    run: () => tellAll(a, to, heartbeat('beat')),
  }
}

const runtime = new Runtime('local')
const rows = [...messageRows(runtime), ...lifeRows(runtime), frameRow()]
process.stdout.write(`${JSON.stringify(await timings(rows, Number(process.argv[2])))}\n`)
process.exit(0)
