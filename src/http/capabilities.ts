/** Whether a model can do what a request needs, asked before it is admitted: no engine is loaded to say no. */
import type { ChatWork } from '../../protocols/infer.ts'
import type { HeldModel } from '../../protocols/report.ts'
import { ApiError } from './errors.ts'
import type { AskedModel } from './model-check.ts'
import type { ApiServices } from './services.ts'

export interface Requirement {
  readonly endpoint: 'generate' | 'chat'
  readonly needed: readonly Capability[]
}

export type Capability = 'insert' | 'tools' | 'vision' | 'thinking'

/** What a chat needs of its model. */
export function chatNeeds({ tools = [], messages, think }: ChatWork): Capability[] {
  return [
    ...(tools.length > 0 ? (['tools'] as const) : []),
    ...(messages.some(({ images }) => images !== undefined) ? (['vision'] as const) : []),
    ...thinkNeeds(think),
  ]
}

/** What telling a model how to think needs of it. */
export function thinkNeeds(think: ChatWork['think']): Capability[] {
  return think === undefined || think === false ? [] : ['thinking']
}

/** Throws what `ApiServices.require` and `checkCapabilities` throw. */
export async function requireCapabilities(
  model: AskedModel,
  { services, ...required }: Requirement & { readonly services: ApiServices },
): Promise<void> {
  checkCapabilities(model, await services.require(model.name), required)
}

/** Throws ApiError `not-supported` in the words that clients look for. */
export function checkCapabilities(
  model: AskedModel,
  { capabilities }: HeldModel,
  { endpoint, needed }: Requirement,
): void {
  const lacking = needed.filter((capability) => !capabilities.includes(capability))
  // The one that has a switch of its own in every client has words of its own, and comes before all others.
  if (lacking.includes('thinking')) throw new ApiError('not-supported', `"${model.sent}" does not support thinking`)
  if (!capabilities.includes('completion')) {
    throw new ApiError('not-supported', `"${model.sent}" does not support ${endpoint}`)
  }
  if (lacking.length === 0) return
  throw new ApiError(
    'not-supported',
    lacking.map((capability) => `${model.full} does not support ${capability}`).join('\n'),
  )
}
