/** A process that accepts two requests, ends one, and says so when both can be read by others. */
import { openTaskJournal } from '../../src/store/task-journal.ts'

const [path] = process.argv.slice(2)
const journal = openTaskJournal(path as string, 0, (error) => {
  throw error
})
journal.accepted({ id: 'done', model: 'm', digest: 'd', atMs: Date.UTC(2026, 0, 2) })
journal.accepted({ id: 'open', model: 'm', digest: 'd', atMs: Date.UTC(2026, 0, 2) })
journal.ended('done', { status: 'completed', atMs: Date.UTC(2026, 0, 2) })
setImmediate(() => process.send?.('written'))
setInterval(() => {}, 1000)
