/** Whether a model can do what a request needs, asked before it is admitted: no engine is loaded to say no. */
import type { InferWork } from '../../protocols/infer.ts'
import { ApiError } from './errors.ts'
import type { AskedModel } from './model-check.ts'
import type { ApiServices } from './services.ts'

export interface Requirement {
  readonly endpoint: 'generate' | 'chat'
  readonly needed: readonly Capability[]
  readonly services: ApiServices
}

export type Capability = 'insert' | 'tools' | 'vision' | 'thinking'

/** What a chat needs of its model. */
export function chatNeeds(work: InferWork): Capability[] {
  if (work.kind !== 'chat') return []
  return [
    ...((work.tools?.length ?? 0) > 0 ? (['tools'] as const) : []),
    ...(work.messages.some(({ images }) => images !== undefined) ? (['vision'] as const) : []),
    ...(work.think !== undefined && work.think !== false ? (['thinking'] as const) : []),
  ]
}

/**
 * Throws ApiError `not-supported` in the words that clients look for. What is not held anywhere passes: its request says
 * so, and why.
 */
export async function requireCapabilities(
  model: AskedModel,
  { endpoint, needed, services }: Requirement,
): Promise<void> {
  const held = await services.find(model.name)
  if (held === undefined) return
  if (!held.capabilities.includes('completion')) {
    throw new ApiError('not-supported', `"${model.sent}" does not support ${endpoint}`)
  }
  const lacking = needed.filter((capability) => !held.capabilities.includes(capability))
  if (lacking.length === 0) return
  // The one that has a switch of its own in every client, and words of its own.
  if (lacking.includes('thinking')) throw new ApiError('not-supported', `"${model.sent}" does not support thinking`)
  throw new ApiError(
    'not-supported',
    lacking.map((capability) => `${model.full} does not support ${capability}`).join('\n'),
  )
}
