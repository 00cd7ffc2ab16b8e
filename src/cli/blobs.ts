/** Brings the files of a model to a node: each is hashed, and sent unless the node has it already. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { basename } from 'node:path'
import { json } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { Check } from 'typebox/value'
import { ErrorAnswer } from '../../protocols/operations.ts'
import { type NodeAccess, unreachable } from './client.ts'
import { CommandError } from './command-error.ts'
import { progressBar } from './progress.ts'
import type { Terminal } from './terminal.ts'

/** A node that takes and tells nothing for this long is gone. */
const maxSilenceMs = 120_000

/** Read at once: a file of many gigabytes in small chunks takes longer to hand on than to hash. */
const readBytes = 1024 * 1024

/** The digest of a file that the node has from now on. Throws a CommandError. */
export async function bringBlob(node: NodeAccess, file: string, terminal: Terminal): Promise<string> {
  const { size } = await stat(file)
  const digest = `sha256:${await hashed(file, size, terminal)}`
  const url = `${node.url}/api/blobs/${digest}`
  const known = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(maxSilenceMs) }).catch((error) => {
    throw unreachable(node.url, error)
  })
  if (!known.ok) await sendBlob(node, url, file, size, terminal)
  return digest
}

async function hashed(file: string, size: number, terminal: Terminal): Promise<string> {
  const hash = createHash('sha256')
  const bar = progressBar(`hashing ${basename(file)}`, size, terminal)
  let done = 0
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: readBytes })) {
      hash.update(chunk)
      done += chunk.length
      bar.update(done)
    }
  } catch (error) {
    throw new CommandError(`${file} cannot be read: ${(error as Error).message}.`)
  } finally {
    bar.end()
  }
  return hash.digest('hex')
}

/** `fetch` would send it without a length, by which the node asks its disk. */
async function sendBlob(node: NodeAccess, url: string, file: string, size: number, terminal: Terminal): Promise<void> {
  const post = request(url, { method: 'POST', timeout: maxSilenceMs, headers: { 'content-length': size } })
  post.on('timeout', () => post.destroy(new Error(`it was silent for ${maxSilenceMs / 1_000} s`)))
  const answered = new Promise<IncomingMessage>((resolve, reject) =>
    post.once('response', resolve).once('error', reject),
  )
  const bar = progressBar(`sending ${basename(file)}`, size, terminal)
  let done = 0
  const source = createReadStream(file, { highWaterMark: readBytes }).on('data', (chunk) => {
    done += chunk.length
    bar.update(done)
  })
  // A node that refuses answers before it has read everything: its answer says why.
  const sent = pipeline(source, post).catch(() => undefined)
  try {
    const answer = await answered.catch((error: unknown) => {
      throw unreachable(node.url, error)
    })
    if (answer.statusCode === 200 || answer.statusCode === 201) return
    const body: unknown = await json(answer).catch(() => undefined)
    throw new CommandError(Check(ErrorAnswer, body) ? body.error : `${url} answers ${answer.statusCode}.`)
  } finally {
    bar.end()
    post.destroy()
    await sent
  }
}
