/** What stays in memory, and for how long. */
import { nonEmptyList, predicateOf, some } from '../match.ts'
import { get, post, type Row, row, rowOf, section, step } from '../row.ts'

interface Loaded {
  readonly name: string
  readonly expires_at: string
  readonly context_length: number
}

/** `seconds` from now, give or take what an answer takes. */
const expiresIn = (seconds: number, toleranceSeconds = 30) =>
  predicateOf(`${seconds} s from now`, (value) => {
    const leftSeconds = (Date.parse(String(value)) - Date.now()) / 1000
    return Math.abs(leftSeconds - seconds) < toleranceSeconds
  })

const century = predicateOf('more than a century from now', (value) => {
  const year = Number(String(value).slice(0, 4))
  return year > new Date().getFullYear() + 100
})

const load = (fields: object) => step(post('/api/generate', { model: '$model', ...fields }), { status: 200 })

export const runnerRows: readonly Row[] = section('5 runners', [
  rowOf(
    'keep_alive in seconds says when the model leaves',
    'completion',
    load({ keep_alive: 120 }),
    step(get('/api/ps'), { json: { models: some({ expires_at: expiresIn(120) }) } }),
  ),
  rowOf(
    'keep_alive as a duration says when the model leaves',
    'completion',
    load({ keep_alive: '1h30m' }),
    step(get('/api/ps'), { json: { models: some({ expires_at: expiresIn(5_400) }) } }),
  ),
  rowOf(
    'a negative keep_alive is for ever',
    'completion',
    load({ keep_alive: -1 }),
    step(get('/api/ps'), { json: { models: some({ expires_at: century }) } }),
  ),
  rowOf(
    'a request without keep_alive keeps what the last one said',
    'completion',
    load({ keep_alive: '40m' }),
    load({}),
    step(get('/api/ps'), { json: { models: some({ expires_at: expiresIn(2_400) }) } }),
  ),
  rowOf(
    'the longest-lived comes first',
    'completion',
    load({ keep_alive: -1 }),
    step(get('/api/ps'), {
      status: 200,
      check: ({ json }) => {
        const times = (json as { models: Loaded[] }).models.map(({ expires_at }) => Number(expires_at.slice(0, 4)))
        return times.every((year, at) => at === 0 || year <= (times[at - 1] ?? 0)) ? undefined : times.join()
      },
    }),
  ),
  rowOf(
    'keep_alive 0 unloads after the answer',
    'completion',
    load({ prompt: 'x', stream: false, options: { num_predict: 1 }, keep_alive: 0 }),
    step(post('/api/chat', { model: '$model', messages: [], keep_alive: 0 }), { json: { done_reason: 'unload' } }),
    step(get('/api/ps'), {
      status: 200,
      check: ({ json }, [first]) => {
        const { model = '' } = (first?.json ?? {}) as { model?: string }
        const names = (json as { models: Loaded[] }).models.map(({ name }) => name)
        return names.includes(model) || names.includes(`${model}:latest`) ? `${model} is still listed` : undefined
      },
    }),
  ),
  rowOf(
    'num_ctx loads the model anew, and the list says with how much',
    'completion',
    load({ options: { num_ctx: 192 }, keep_alive: 60 }),
    step(get('/api/ps'), { json: { models: some({ context_length: 192 }) } }),
    load({ options: { num_ctx: 128 }, keep_alive: 60 }),
    step(get('/api/ps'), { json: { models: some({ context_length: 128 }) } }),
    load({ keep_alive: 0 }),
  ),
  rowOf(
    'after a num_ctx of its own a model is loaded with the usual one again',
    'completion',
    load({ options: { num_ctx: 192 }, keep_alive: 60 }),
    step(get('/api/ps'), { json: { models: some({ context_length: 192 }) } }),
    load({ keep_alive: 60 }),
    step(get('/api/ps'), {
      json: { models: nonEmptyList },
      check: ({ json }) => {
        const lengths = (json as { models: Loaded[] }).models.map(({ context_length }) => context_length)
        return lengths.includes(192) ? `loaded with ${lengths}` : undefined
      },
    }),
  ),
  rowOf(
    'num_ctx is never more than the model was trained for',
    'completion',
    step(post('/api/show', { model: '$model' }), { status: 200 }),
    load({ options: { num_ctx: 10_000_000 }, keep_alive: 60 }),
    step(get('/api/ps'), {
      status: 200,
      check: ({ json }, [shown]) => {
        const { model_info: info = {} } = (shown?.json ?? {}) as { model_info?: Record<string, number> }
        const trained = info[`${info['general.architecture']}.context_length`]
        const lengths = (json as { models: Loaded[] }).models.map(({ context_length }) => context_length)
        return lengths.includes(trained ?? 0) ? undefined : `${lengths} loaded, ${trained} trained`
      },
    }),
    load({ keep_alive: 0 }),
  ),
  rowOf(
    'a model’s own num_ctx counts, and that of a request over it',
    'stocked',
    load({ keep_alive: 60 }),
    step(get('/api/ps'), { json: { models: some({ context_length: 256 }) } }),
    load({ options: { num_ctx: 160 }, keep_alive: 60 }),
    step(get('/api/ps'), { json: { models: some({ context_length: 160 }) } }),
    load({ keep_alive: 0 }),
  ),
  {
    title: 'two names for one file are one model in memory',
    needs: 'completion',
    steps: [
      step(post('/api/copy', { source: '$model', destination: '$new' }), { status: 200 }),
      load({ keep_alive: 60 }),
      step(get('/api/ps'), { status: 200 }),
      step(post('/api/generate', { model: '$new', keep_alive: 60 }), { status: 200 }),
      step(get('/api/ps'), {
        status: 200,
        check: ({ json }, earlier) => {
          const count = (answer: unknown) => (answer as { models: unknown[] }).models.length
          const [before, after] = [count(earlier[2]?.json), count(json)]
          return after <= before ? undefined : `${before} before, ${after} after`
        },
      }),
    ],
    leaves: ['$new'],
  },
  rowOf(
    'a loaded model is listed by its name with the tag',
    'completion',
    load({ keep_alive: 60 }),
    step(get('/api/ps'), { json: { models: some({ name: /:/ }) } }),
  ),
  row('a list of what is loaded is always a list', get('/api/ps'), {
    json: { models: predicateOf('a list', Array.isArray) },
  }),
])
