/** The families of APIs that a node speaks, and how each says what went wrong. */

export type Surface = 'ollama' | 'openai' | 'anthropic' | 'registry'

/** Whose path it is, where no route says so. */
export function surfaceAt(url: string): Surface {
  if (url.startsWith('/v1/messages')) return 'anthropic'
  return url.startsWith('/v1/') ? 'openai' : 'ollama'
}

/** The body of an error. `code`: this project's own, where there is one. */
export function errorBody(surface: Surface, status: number, words: string, code = 'unknown'): unknown {
  if (surface === 'openai') {
    return { error: { message: words, type: openaiType(status), param: null, code: null } }
  }
  if (surface === 'anthropic') {
    return { type: 'error', error: { type: anthropicType(status), message: words }, request_id: newId('req_') }
  }
  if (surface === 'registry') return { errors: [{ code: registryCode(code), message: words }] }
  return { error: words }
}

function openaiType(status: number): string {
  if (status === 400) return 'invalid_request_error'
  return status === 404 ? 'not_found_error' : 'api_error'
}

/** Codes of ours that the distribution protocol calls otherwise. */
const registryCodes: Readonly<Record<string, string>> = {
  busy: 'TOOMANYREQUESTS',
  draining: 'TOOMANYREQUESTS',
  mismatch: 'DIGEST_INVALID',
  'not-supported': 'UNSUPPORTED',
  'body-too-large': 'SIZE_INVALID',
}

const registryCode = (code: string): string => registryCodes[code] ?? code.toUpperCase().replaceAll('-', '_')

const anthropicTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  529: 'overloaded_error',
}

const anthropicType = (status: number): string => anthropicTypes[status] ?? 'api_error'

/** A name for one answer or one part of it: the prefix and 24 hexadecimal digits. */
export function newId(prefix: string): string {
  return prefix + Buffer.from(crypto.getRandomValues(new Uint8Array(12))).toString('hex')
}
