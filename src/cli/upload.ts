/** Sends a model file to a node and follows its progress. */
import { createReadStream } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { ImportLine, importRoute } from '../../protocols/operations.ts'
import { type NodeAccess, parseLines, unreachable } from './client.ts'
import { CommandError } from './command-error.ts'

/** A node that takes and tells nothing for this long is gone; hashing a large file on a slow disk is told on the way. */
const maxSilenceMs = 120_000

/**
 * `PUT`s the file. `fetch` would send it without a length, which the node needs to tell progress.
 * Throws a CommandError with the node's own words where it refuses.
 */
export async function upload(
  { url, token }: NodeAccess,
  name: string,
  file: string,
  sizeBytes: number,
  onProgress: (completed: number) => void,
): Promise<{ name: string; digest: string; size: number }> {
  const put = request(url + importRoute(name), {
    method: 'PUT',
    timeout: maxSilenceMs,
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': sizeBytes,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
  })
  put.on('timeout', () => put.destroy(new Error(`it was silent for ${maxSilenceMs / 1_000} s`)))
  const answered = new Promise<IncomingMessage>((resolve, reject) =>
    put.once('response', resolve).once('error', reject),
  )
  // A node that refuses answers before it has read everything, and breaks the upload: its answer says why.
  const sent = pipeline(createReadStream(file), put).catch(() => undefined)
  try {
    const answer = await answered.catch((error: unknown) => {
      throw unreachable(url, error)
    })
    for await (const line of parseLines(answer, ImportLine)) {
      if ('model' in line) return line.model
      if ('error' in line) throw new CommandError(line.error)
      onProgress(line.completed)
    }
    throw new CommandError(`The node at ${url} ended the import without a result. Nothing was kept; import it again.`)
  } finally {
    put.destroy()
    await sent
  }
}
