/**
 * `npm run conformance -- --url http://HOST:PORT`: runs every row against a server and prints those that differ; the
 * exit code is 1 when one does. `--model NAME`, as often as needed, says which of its models to use; without, the
 * smallest that fits. `--only TEXT` runs the rows whose title holds it; `--json` prints every outcome, a line each.
 */
import { parseArgs } from 'node:util'
import { fields, table } from '../../src/cli/table.ts'
import { findModels } from './models.ts'
import { idOf, rows } from './rows.ts'
import { type Outcome, runRow } from './run.ts'
import { Server } from './server.ts'

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: process.env.OMX_CONFORMANCE_URL ?? '' },
    model: { type: 'string', multiple: true, default: [] },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
})
if (!URL.canParse(values.url)) throw new Error(`--url ${values.url}: expected a URL such as http://127.0.0.1:11434`)

const server = new Server(values.url)
const models = await findModels(server, values.model, values.model.length > 0)
const outcomes: { readonly id: string; readonly outcome: Outcome }[] = []
for (const row of rows) {
  const id = idOf(row)
  if (!id.includes(values.only)) continue
  const outcome = await runRow(row, { server, models, settleMs: 0 })
  outcomes.push({ id, outcome })
  if (values.json) console.log(JSON.stringify({ section: row.section, title: row.title, ...outcome }))
}

const differing = outcomes.flatMap(({ id, outcome }) =>
  outcome.kind === 'differs' ? outcome.differences.map((difference) => ({ id, difference })) : [],
)
const countOf = (kind: Outcome['kind']) => String(outcomes.filter(({ outcome }) => outcome.kind === kind).length)
if (!values.json) {
  const skipped = outcomes.flatMap(({ outcome }) => (outcome.kind === 'skipped' ? [outcome.reason] : []))
  process.stdout.write(
    table(differing, [
      { title: 'ROW', cell: ({ id }) => id },
      { title: 'DIFFERENCE', cell: ({ difference }) => difference },
    ]),
  )
  process.stdout.write(
    `\n${fields([
      ['same', countOf('same')],
      ['differ', countOf('differs')],
      ['skipped', `${countOf('skipped')}${skipped.length === 0 ? '' : ` (${[...new Set(skipped)].join('; ')})`}`],
    ])}`,
  )
}
process.exitCode = differing.length === 0 ? 0 : 1
