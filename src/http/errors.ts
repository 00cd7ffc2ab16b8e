/** Every error that the API answers, once: code, HTTP status and words. Ollama's own words where it has some. */
import type { FailureCode, RefusalReason } from '../../protocols/infer.ts'
import type { Surface } from './surface.ts'

/** Ollama words the same error differently from one endpoint to the next, and clients match the words. */
export type Endpoint = 'generate' | 'chat' | 'embed' | 'embeddings' | 'show' | 'copy' | 'pull' | 'other'

type OwnCode =
  | 'missing-body'
  | 'bad-json'
  | 'bad-field'
  | 'body-too-large'
  | 'body-timeout'
  | 'model-missing'
  | 'model-name-invalid'
  | 'model-not-found'
  | 'holders-gone'
  | 'import-failed'
  | 'store-failed'
  | 'no-space'
  | 'transfer-failed'
  | 'cloud-disabled'
  | 'not-supported'
  | 'invalid-format'
  | 'not-found'
  | 'unauthorized'
  | RegistryCode

/** Those of `/v2`, which a registry's clients know in capitals: `MANIFEST_UNKNOWN`. */
type RegistryCode =
  | 'name-invalid'
  | 'name-unknown'
  | 'manifest-unknown'
  | 'manifest-invalid'
  | 'blob-unknown'
  | 'digest-invalid'
  | 'blob-upload-unknown'
  | 'blob-upload-invalid'
  | 'range-invalid'

export type ErrorCode = OwnCode | FailureCode | RefusalReason

interface Row {
  readonly status: number | ((detail: string, endpoint: Endpoint) => number)
  /** Absent: the detail is what the client reads. */
  readonly words?: (detail: string, endpoint: Endpoint, surface: Surface) => string
}

/** Ollama answers every failure of the legacy embedding route with 500, also those that are the request's fault. */
function unlessLegacy(status: number): Row['status'] {
  return (_detail, endpoint) => (endpoint === 'embeddings' ? 500 : status)
}

function namesAnEmptyModel(endpoint: Endpoint): boolean {
  return endpoint === 'generate' || endpoint === 'embed'
}

function missingWords(endpoint: Endpoint): string {
  if (endpoint === 'pull') return 'invalid model name'
  return namesAnEmptyModel(endpoint) ? `model '' not found` : 'model is required'
}

function notFoundWords(model: string, endpoint: Endpoint): string {
  if (endpoint === 'copy') return `model "${model}" not found`
  const embeds = endpoint === 'embed' || endpoint === 'embeddings'
  return embeds ? `model "${model}" not found, try pulling it first` : `model '${model}' not found`
}

/** The detail of `model-*`, `no-such-model` is the model's name, of the others a sentence. */
const rows: Readonly<Record<ErrorCode, Row>> = {
  // Ollama's other surfaces say what Go's decoder says.
  'missing-body': {
    status: 400,
    words: (_detail, _endpoint, surface) => (surface === 'ollama' ? 'missing request body' : 'EOF'),
  },
  'bad-json': { status: 400 },
  'bad-field': { status: 400 },
  'body-too-large': { status: 413 },
  'body-timeout': { status: 408 },
  'model-missing': {
    status: (_detail, endpoint) => (namesAnEmptyModel(endpoint) ? 404 : 400),
    words: (_detail, endpoint) => missingWords(endpoint),
  },
  'model-name-invalid': { status: 400, words: () => 'invalid model name' },
  'model-not-found': { status: 404, words: notFoundWords },
  'holders-gone': { status: 503 },
  'import-failed': { status: 400 },
  'store-failed': { status: 500 },
  'no-space': { status: 507 },
  'transfer-failed': { status: 500 },
  'cloud-disabled': { status: 403, words: () => 'ollama cloud is disabled: remote model is unavailable' },
  'not-supported': { status: 400 },
  'invalid-format': { status: 500 },
  'not-found': { status: 404 },
  unauthorized: { status: 401 },
  'name-invalid': { status: 400 },
  'name-unknown': { status: 404 },
  'manifest-unknown': { status: 404 },
  'manifest-invalid': { status: 400 },
  'blob-unknown': { status: 404 },
  'digest-invalid': { status: 400 },
  'blob-upload-unknown': { status: 404 },
  'blob-upload-invalid': { status: 400 },
  'range-invalid': { status: 416 },
  // Refusals by a worker, or by every worker.
  busy: { status: 503, words: () => 'server busy, please try again.  maximum pending requests exceeded' },
  draining: { status: 503, words: () => 'this node is shutting down: send the request to another node' },
  'no-such-model': { status: 404, words: notFoundWords },
  'insufficient-memory': { status: 500 },
  'not-admitted': { status: 503 },
  // Failures of an accepted request. Ollama answers an option of the wrong type with 500.
  'invalid-request': {
    status: (detail, endpoint) => (endpoint === 'embeddings' || detail.startsWith('option "') ? 500 : 400),
  },
  'context-exceeded': {
    status: unlessLegacy(400),
    words: (detail, endpoint) => (endpoint === 'embed' ? 'the input length exceeds the context length' : detail),
  },
  'model-unusable': { status: 500 },
  'load-failed': { status: 500 },
  'engine-crashed': { status: 500 },
  cancelled: { status: 499, words: () => 'request canceled' },
  deadline: { status: unlessLegacy(504) },
  'link-lost': { status: unlessLegacy(502) },
  stalled: { status: unlessLegacy(504) },
  protocol: { status: unlessLegacy(502) },
  internal: { status: 500 },
}

/** Thrown by routes and by `ApiServices` for everything that a client should read as an error. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: ErrorCode
  /** The model's name for `model-*` and `no-such-model`; else the sentence for the client, where the table has none. */
  readonly detail: string

  constructor(code: ErrorCode, detail = '', options?: ErrorOptions) {
    super(rows[code].words?.(detail, 'other', 'ollama') ?? detail, options)
    this.code = code
    this.detail = detail
  }

  /** The HTTP status and the words that this endpoint answers. */
  on(endpoint: Endpoint, surface: Surface = 'ollama'): { readonly status: number; readonly words: string } {
    const { status, words } = rows[this.code]
    return {
      status: typeof status === 'number' ? status : status(this.detail, endpoint),
      words: words?.(this.detail, endpoint, surface) ?? this.detail,
    }
  }
}

/** What was thrown, for a stream that has begun: it can be answered only in its last line. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  return new ApiError('internal', error instanceof Error ? error.message : String(error))
}
