/** Blobs that are pushed: begun, sent in parts, and kept once their digest is what it should be. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { BlobUpload } from '../../../actors/model-catalog.ts'
import { ApiError } from '../errors.ts'
import type { RegistryServices } from '../services.ts'
import { announcedBytes, dropRest, uploadOf } from '../upload.ts'
import { absolute, blobPath, digestIn, repositoryOf } from './repository.ts'

/** Uploads at once; each holds an open file. */
const maxUploads = 128

/** An upload that nobody goes on with is forgotten: an Ollama's own pause before its last try is half a minute. */
const maxIdleMs = 10 * 60_000

const surface = 'registry' as const
const config = { surface, rawBody: true }

interface UploadQuery {
  readonly digest?: string
  readonly mount?: string
}

/** Adds the routes under a path; all paths share the uploads. */
export function uploadRoutes(app: FastifyInstance, registry: RegistryServices): (path: string) => void {
  const uploads = new Uploads()
  app.addHook('onClose', () => uploads.endAll())
  return (path) => {
    const about = {
      summary: 'Begins to send a file of a model, or says that it is here.',
      query: ['mount', 'from', 'digest'],
    }
    app.post(`${path}/blobs/uploads`, { config: { ...config, about } }, (request, reply) =>
      begin(uploads, registry, request, reply),
    )
    const url = `${path}/blobs/uploads/:upload`
    app.patch(url, { config: { ...config, about: { summary: 'The next part of a file.' } } }, (request, reply) =>
      uploads.during(uploadIn(request), async (upload) => {
        await take(upload, request)
        return accepted(request, reply, upload, 202)
      }),
    )
    app.put(
      url,
      { config: { ...config, about: { summary: 'The last part of a file, and its digest.', query: ['digest'] } } },
      (request, reply) => {
        const digest = digestIn((request.query as UploadQuery).digest)
        return uploads.last(uploadIn(request), (upload) => finish(upload, digest, request, reply))
      },
    )
    app.get(url, { config: { surface, about: { summary: 'How much of a file is here.' } } }, (request, reply) =>
      uploads.during(uploadIn(request), async (upload) => accepted(request, reply, upload, 204)),
    )
    app.delete(url, { config: { ...config, about: { summary: 'Forgets a file that was begun.' } } }, (request, reply) =>
      uploads.last(uploadIn(request), async () => reply.code(204).send()),
    )
  }
}

const uploadIn = ({ params }: FastifyRequest): string => (params as { readonly upload: string }).upload

async function begin(uploads: Uploads, registry: RegistryServices, request: FastifyRequest, reply: FastifyReply) {
  const repository = repositoryOf(request)
  const { digest, mount } = request.query as UploadQuery
  if (mount !== undefined && (await registry.hasBlob(digestIn(mount))))
    return kept(request, reply, repository, digestIn(mount))
  const whole = digest === undefined ? undefined : digestIn(digest)
  const id = await uploads.begin(registry)
  // Nobody else knows of an upload that is sent at once: it is over, however it ends.
  if (whole !== undefined)
    return uploads.last(id, (upload) => finish(upload, whole, request, reply)).finally(() => uploads.end(id))
  return uploads.during(id, async (upload) => accepted(request, reply, upload, 202))
}

interface Upload {
  readonly id: string
  readonly blob: BlobUpload
}

async function take({ blob }: Upload, request: FastifyRequest): Promise<void> {
  const { 'content-range': range } = request.headers
  const first = range === undefined ? blob.sizeBytes : Number(/^(?:bytes )?(\d+)-\d+/.exec(range)?.[1] ?? Number.NaN)
  if (!(first <= blob.sizeBytes))
    throw new ApiError('range-invalid', `${blob.sizeBytes} bytes are here: go on with the next`)
  try {
    await blob.append(first, uploadOf(request.raw), announcedBytes(request.raw))
  } finally {
    dropRest(request.raw)
  }
}

async function finish(upload: Upload, digest: string, request: FastifyRequest, reply: FastifyReply) {
  await take(upload, request)
  await upload.blob.keep(digest)
  return kept(request, reply, repositoryOf(request), digest)
}

function kept(request: FastifyRequest, reply: FastifyReply, repository: string, digest: string): FastifyReply {
  dropRest(request.raw)
  const location = absolute(request, blobPath(repository, digest))
  return reply.code(201).header('location', location).header('docker-content-digest', digest).send()
}

function accepted(request: FastifyRequest, reply: FastifyReply, { id, blob }: Upload, status: number): FastifyReply {
  dropRest(request.raw)
  return reply
    .code(status)
    .header('location', absolute(request, `/v2/${repositoryOf(request)}/blobs/uploads/${id}`))
    .header('docker-upload-uuid', id)
    .header('range', `0-${Math.max(0, blob.sizeBytes - 1)}`)
    .send()
}

/** The uploads that are under way. */
class Uploads {
  readonly #open = new Map<string, { readonly upload: Upload; timer: NodeJS.Timeout; isBusy: boolean }>()
  /** Those whose file is being created. */
  #beginning = 0

  async begin(registry: RegistryServices): Promise<string> {
    if (this.#open.size + this.#beginning >= maxUploads) throw new ApiError('busy')
    this.#beginning++
    try {
      const upload = { id: randomUUID(), blob: await registry.beginUpload() }
      this.#open.set(upload.id, { upload, timer: this.#expiry(upload.id), isBusy: false })
      return upload.id
    } finally {
      this.#beginning--
    }
  }

  /** Works on an upload, which goes on after it. One request at a time. */
  async during<T>(id: string, work: (upload: Upload) => Promise<T>): Promise<T> {
    const entry = this.#open.get(id)
    if (entry === undefined) throw new ApiError('blob-upload-unknown', 'there is no such upload: begin it anew')
    if (entry.isBusy) throw new ApiError('blob-upload-invalid', 'a part of this upload is still being sent')
    clearTimeout(entry.timer)
    entry.isBusy = true
    try {
      return await work(entry.upload)
    } finally {
      entry.isBusy = false
      if (this.#open.has(id)) entry.timer = this.#expiry(id)
    }
  }

  /** Works on an upload for the last time; but for a part that broke off, which may be sent again. */
  async last<T>(id: string, work: (upload: Upload) => Promise<T>): Promise<T> {
    let goesOn = false
    try {
      return await this.during(id, work)
    } catch (error) {
      goesOn = error instanceof ApiError && passing.has(error.code)
      throw error
    } finally {
      if (!goesOn) await this.end(id)
    }
  }

  async endAll(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.end(id)))
  }

  #expiry(id: string): NodeJS.Timeout {
    return setTimeout(() => {
      // What cannot be removed now goes when the folder is next opened.
      this.end(id).catch(() => undefined)
    }, maxIdleMs).unref()
  }

  /** Forgets what came of it, unless it was kept. */
  async end(id: string): Promise<void> {
    const entry = this.#open.get(id)
    if (entry === undefined) return
    this.#open.delete(id)
    clearTimeout(entry.timer)
    await entry.upload.blob[Symbol.asyncDispose]()
  }
}

/** What the same upload may go on after. */
const passing: ReadonlySet<string> = new Set(['cancelled', 'body-timeout', 'range-invalid', 'blob-upload-invalid'])
