/** Requests as tests make them, and what comes back of a stream. */
import type { InferFrame, InferRequest, InferStream, InferWork } from '../../protocols/infer.ts'
import type { EngineSettings, LoadedEngine } from '../../src/engine/driver.ts'

export const settings: EngineSettings = {
  threads: 1,
  slots: 4,
  maxWaiting: 2,
  contextTokens: 512,
  prefillTokens: 32,
}

export type Load = (overrides?: Partial<EngineSettings>) => Promise<LoadedEngine>

let requests = 0

export function request(
  work: InferWork,
  options: Record<string, unknown> = {},
  resume?: number[],
  rest: Partial<InferRequest> = {},
): InferRequest {
  requests += 1
  return {
    id: `request-${requests}`,
    traceId: '',
    model: 'test-model',
    digest: 'd',
    work,
    options: { temperature: 0, ...options },
    remainingMs: 0,
    ...(resume === undefined ? {} : { resume: { tokens: resume } }),
    ...rest,
  }
}

export function raw(prompt: string): InferWork {
  return { kind: 'generate', prompt, raw: true }
}

export function ask(content: string): InferWork {
  return { kind: 'chat', messages: [{ role: 'user', content }] }
}

export const story = 'Once upon a time'

export type Of<Kind extends InferFrame['kind']> = Extract<InferFrame, { kind: Kind }>

export interface Outcome {
  readonly frames: readonly InferFrame[]
  readonly text: string
  readonly tokens: readonly number[]
  readonly last: InferFrame | undefined
  readonly done: Of<'done'>
  readonly failed: Of<'failed'>
}

export async function collect(stream: InferStream): Promise<Outcome> {
  const frames: InferFrame[] = []
  for await (const batch of stream) frames.push(...batch)
  const shown = frames.filter((frame) => frame.kind === 'token')
  const last = frames.at(-1)
  return {
    frames,
    text: shown.map((frame) => frame.text).join(''),
    tokens: shown.flatMap((frame) => frame.tokens),
    last,
    done: last as Of<'done'>,
    failed: last as Of<'failed'>,
  }
}

/** How many tokens the engine put before the prompt itself: they are counted, and no `context` has them. */
export function ownMark({ promptTokens, promptTokenIds = [] }: Outcome['done']): number {
  return promptTokens - promptTokenIds.length
}

/** Takes batches until one frame satisfies `wanted`; the stream stays open. */
export async function takeUntil(
  iterator: AsyncIterator<readonly InferFrame[]>,
  wanted: (frame: InferFrame) => boolean,
): Promise<InferFrame[]> {
  const seen: InferFrame[] = []
  for (;;) {
    const { value, done } = await iterator.next()
    if (done === true) throw new Error(`the stream ended: ${JSON.stringify(seen.at(-1))}`)
    seen.push(...value)
    if (seen.some(wanted)) return seen
  }
}

export const isToken = (frame: InferFrame): boolean => frame.kind === 'token'

/** What an answer may have to be: texts, numbers and lists with limits. */
export const schema = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 12 },
    age: { type: 'integer', minimum: 3, maximum: 120 },
    tags: { type: 'array', items: { enum: ['a', 'b'] }, minItems: 1, maxItems: 2 },
  },
  required: ['name', 'age', 'tags'],
}
