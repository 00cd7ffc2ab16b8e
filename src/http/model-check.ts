/** What a request's `model` means, or why it cannot be one. */
import { displayName, fullName, type ModelName, parseModelName } from '../../protocols/model-name.ts'
import { ApiError } from './errors.ts'

export interface AskedModel {
  /** As sent, trimmed: what answers repeat. */
  readonly sent: string
  /** Without the `:local` that says where to look. */
  readonly name: string
  /** `m:latest`: what `/api/show` names. */
  readonly display: string
  /** `registry.ollama.ai/library/m:latest`: what capability errors name. */
  readonly full: string
}

const cloudSuffix = /[:-]cloud$/i
const localSuffix = /:local$/i

/** Throws ApiError `model-missing`, `model-name-invalid`, `cloud-disabled` or `bad-field` (two sources at once). */
export function checkModel(model: string | undefined): AskedModel {
  const sent = (model ?? '').trim()
  if (sent === '') throw new ApiError('model-missing')
  const name = sent.replace(localSuffix, '')
  const isCloud = cloudSuffix.test(name)
  if (isCloud && name !== sent) {
    throw new ApiError('bad-field', `use either :local or :cloud, not both: ${JSON.stringify(sent)}`)
  }
  if (isCloud) throw new ApiError('cloud-disabled')
  const parsed: ModelName | undefined = parseModelName(name)
  if (parsed === undefined) throw new ApiError('model-name-invalid')
  return { sent, name, display: displayName(parsed), full: fullName(parsed) }
}
