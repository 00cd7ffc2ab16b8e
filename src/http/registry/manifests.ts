/** Manifests under their tags, and the tags of a repository. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { parseDigest } from '../../../protocols/digest.ts'
import { manifestType, maxManifestBytes } from '../../../protocols/manifest.ts'
import { clientSignal } from '../answer.ts'
import { ApiError } from '../errors.ts'
import type { RegistryServices, SharedManifest } from '../services.ts'
import { dropRest, uploadOf } from '../upload.ts'
import { sendJson } from '../wire.ts'
import { repositoryOf, taggedName } from './repository.ts'

/** Tags in one answer, where a client asks for no fewer. */
const maxTags = 1_000

const surface = 'registry' as const
const aboutRead = { summary: 'The manifest of a model that some node of the cluster holds.' }
const aboutWrite = { summary: 'Names a model whose blobs have been sent to this node.' }
const aboutDelete = { summary: 'Removes a tag, or all tags of a digest, from every node in reach.' }
const aboutTags = { summary: 'The tags of a model.', query: ['n', 'last'] }

export function manifestRoutes(app: FastifyInstance, path: string, registry: RegistryServices): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: `${path}/manifests/:reference`,
    config: { surface, about: aboutRead },
    handler: async (request, reply) => {
      const repository = repositoryOf(request)
      const reference = referenceOf(request)
      const found = await find(registry, repository, reference, clientSignal(reply.raw))
      if (found !== undefined) return sendManifest(request, reply, found)
      throw new ApiError('manifest-unknown', `no node of this cluster holds ${repository}:${reference}`)
    },
  })
  app.put(
    `${path}/manifests/:reference`,
    { config: { surface, rawBody: true, about: aboutWrite } },
    async (request, reply) => {
      const repository = repositoryOf(request)
      const reference = referenceOf(request)
      if (parseDigest(reference) !== undefined)
        throw new ApiError('not-supported', 'a manifest is kept under a tag: push it as name:tag')
      const digest = await registry.keepManifest(taggedName(repository, reference), await wholeBody(request))
      return reply
        .code(201)
        .header('location', `/v2/${repository}/manifests/${reference}`)
        .header('docker-content-digest', digest)
        .send()
    },
  )
  app.delete(`${path}/manifests/:reference`, { config: { surface, about: aboutDelete } }, async (request, reply) => {
    const repository = repositoryOf(request)
    const reference = referenceOf(request)
    const digest = parseDigest(reference)
    const names =
      digest === undefined ? [taggedName(repository, reference)] : await registry.namesOf(repository, digest)
    if (names.length === 0)
      throw new ApiError('manifest-unknown', `no node of this cluster holds ${repository}@${digest}`)
    for (const name of names) await registry.remove(name)
    return reply.code(202).send()
  })
  app.get(`${path}/tags/list`, { config: { surface, about: aboutTags } }, async (request, reply) => {
    const repository = repositoryOf(request)
    const tags = await registry.tags(repository)
    if (tags.length === 0) throw new ApiError('name-unknown', `no node of this cluster holds ${repository}`)
    return sendJson(reply, { name: repository, tags: pageOf(tags, request.query as TagsQuery) })
  })
}

const referenceOf = ({ params }: FastifyRequest): string => (params as { readonly reference: string }).reference

function find(registry: RegistryServices, repository: string, reference: string, signal: AbortSignal) {
  const digest = parseDigest(reference)
  if (digest !== undefined) return registry.manifestOf(repository, digest, signal)
  return registry.manifest(taggedName(repository, reference), signal)
}

function sendManifest({ method }: FastifyRequest, reply: FastifyReply, { bytes, digest }: SharedManifest) {
  reply
    .header('content-type', mediaTypeOf(bytes))
    .header('content-length', bytes.length)
    .header('docker-content-digest', digest)
    .header('etag', `"${digest}"`)
  return reply.send(method === 'HEAD' ? null : Buffer.from(bytes))
}

/** As it says itself: what has its digest is what a store took, and none takes what is no JSON. */
function mediaTypeOf(bytes: Uint8Array): string {
  const { mediaType } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { readonly mediaType?: unknown }
  return typeof mediaType === 'string' && /^[\w.+/-]{1,200}$/.test(mediaType) ? mediaType : manifestType
}

async function wholeBody({ raw }: FastifyRequest): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of uploadOf(raw)) {
      bytes += chunk.length
      if (bytes > maxManifestBytes)
        throw new ApiError('body-too-large', `a manifest has at most ${maxManifestBytes} bytes`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } finally {
    dropRest(raw)
  }
}

interface TagsQuery {
  readonly n?: string
  readonly last?: string
}

/** The tags that follow `last`, at most `n`. */
function pageOf(tags: readonly string[], { n, last }: TagsQuery): readonly string[] {
  const most = n === undefined ? maxTags : Number(n)
  if (!Number.isSafeInteger(most) || most < 0) throw new ApiError('bad-field', 'n must be a whole number of tags')
  const sorted = [...tags].sort()
  return sorted.filter((tag) => last === undefined || tag > last).slice(0, Math.min(most, maxTags))
}
