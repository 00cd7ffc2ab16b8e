import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type TaskEntry, TaskTable } from '../../actors/task-table.ts'

/** What the table should be: a list of entries with the order of their arrival in the queue. */
class Model {
  entries: Array<TaskEntry & { readonly rank: number }> = []
  #rank = 0

  add(entry: TaskEntry): void {
    this.entries.push({ ...entry, rank: this.#rank++ })
  }

  move(task: string, node: string | undefined): void {
    const entry = this.entries.find((each) => each.task === task)
    if (entry === undefined) return
    this.remove(task)
    this.add({ ...entry, node })
  }

  remove(task: string): void {
    this.entries = this.entries.filter((each) => each.task !== task)
  }

  queue(digest: string): string[] {
    return this.entries
      .filter((each) => each.digest === digest && each.node === undefined)
      .toSorted((a, b) => b.priority - a.priority || a.deadlineMs - b.deadlineMs || a.rank - b.rank)
      .map(({ task }) => task)
  }
}

const digests = ['x', 'y']
const nodes = ['', 'a', 'b']
const task = fc.integer({ min: 0, max: 9 }).map(String)
const place = fc.option(fc.constantFrom(...nodes), { nil: undefined })
const step = fc.oneof(
  fc.record({
    kind: fc.constant('add' as const),
    task,
    digest: fc.constantFrom(...digests),
    priority: fc.integer({ min: -2, max: 2 }),
    deadlineMs: fc.integer({ min: 0, max: 5 }),
    node: place,
  }),
  fc.record({ kind: fc.constant('move' as const), task, node: place }),
  fc.record({ kind: fc.constant('remove' as const), task }),
)

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

function apply(table: TaskTable, model: Model, each: Step): void {
  if (each.kind === 'add') {
    if (table.get(each.task) !== undefined) return
    const { kind: _kind, ...rest } = each
    const entry: TaskEntry = { ...rest, id: each.task }
    table.add(entry)
    model.add(entry)
  } else if (each.kind === 'move') {
    table.move(each.task, each.node)
    model.move(each.task, each.node)
  } else {
    expect(table.remove(each.task)?.task).toBe(model.entries.find((entry) => entry.task === each.task)?.task)
    model.remove(each.task)
  }
}

function expectSame(table: TaskTable, model: Model): void {
  expect(table.size).toBe(model.entries.length)
  expect(table.waiting).toBe(model.entries.filter(({ node }) => node === undefined).length)
  for (const node of nodes) {
    const there = model.entries.filter((entry) => entry.node === node)
    expect(table.outstanding(node)).toBe(there.length)
    for (const digest of digests) {
      expect(table.outstandingOf(node, digest)).toBe(there.filter((entry) => entry.digest === digest).length)
    }
  }
  for (const digest of digests) {
    expect(table.queued(digest)).toBe(model.queue(digest).length)
    expect(table.next(digest)?.task).toBe(model.queue(digest)[0])
    expect(table.last(digest)?.task).toBe(model.queue(digest).at(-1))
    expect(table.queuedDigests().includes(digest)).toBe(model.queue(digest).length > 0)
  }
}

it('whatever happens to tasks, the table knows what a plain list would know', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (script) => {
      const table = new TaskTable()
      const model = new Model()
      for (const each of script) {
        apply(table, model, each)
        expectSame(table, model)
      }
      for (const { task } of [...model.entries]) apply(table, model, { kind: 'remove', task })
      expectSame(table, new Model())
    }),
  )
})

it('the queue comes first whose next task is due first, by the same order', () => {
  const table = new TaskTable()
  const add = (digest: string, priority: number, deadlineMs: number): void =>
    table.add({ task: digest, id: digest, digest, priority, deadlineMs, node: undefined })
  add('late', 0, 90)
  add('early', 0, 50)
  add('urgent', 5, 99)
  expect(table.queuedDigests()).toEqual(['urgent', 'early', 'late'])
})

it('a queue is left by priority, then by the nearer deadline, then in order of arrival', () => {
  const table = new TaskTable()
  const add = (id: string, priority: number, deadlineMs: number): void =>
    table.add({ task: id, id, digest: 'x', priority, deadlineMs, node: undefined })
  add('late', 0, 90)
  add('first', 0, 50)
  add('second', 0, 50)
  add('urgent', 5, 99)
  add('background', -5, 1)
  const order: string[] = []
  for (let next = table.next('x'); next !== undefined; next = table.next('x')) {
    order.push(next.task)
    table.move(next.task, 'a')
  }
  expect(order).toEqual(['urgent', 'first', 'second', 'late', 'background'])
  expect(table.outstanding('a')).toBe(5)
})
