/** Images of a request: base64 in JSON, bytes for whoever looks at them. */
import { ApiError } from './errors.ts'

/** What web clients put before the base64; Ollama refuses it, and nobody relies on that. */
const dataUri = /^data:[^;,]*;base64,/

const alphabet = /[^A-Za-z0-9+/]/

/** Throws ApiError `bad-field` in the words of Go's decoder, which clients know. */
export function imageBytes(text: string): Uint8Array {
  const base64 = text.replace(dataUri, '').replaceAll(/[\r\n]/g, '')
  const unpadded = base64.replace(/={1,2}$/, '')
  const wrong = unpadded.search(alphabet)
  if (wrong >= 0 || base64.length % 4 !== 0) {
    throw new ApiError('bad-field', `illegal base64 data at input byte ${wrong >= 0 ? wrong : unpadded.length}`)
  }
  return Buffer.from(base64, 'base64')
}
