/** What the paths of `/v2` name. */
import type { FastifyRequest } from 'fastify'
import { parseDigest } from '../../../protocols/digest.ts'
import { displayName, parseModelName } from '../../../protocols/model-name.ts'
import { ApiError } from '../errors.ts'

interface RepositoryParams {
  readonly host?: string
  readonly namespace: string
  readonly model: string
}

/** `[host/]namespace/model`. Throws an ApiError for what no model can be called. */
export function repositoryOf({ params }: FastifyRequest): string {
  const { host, namespace, model } = params as RepositoryParams
  const repository = [...(host === undefined ? [] : [host]), namespace, model].join('/')
  if (parseModelName(repository) === undefined) throw new ApiError('name-invalid', `${repository} names no model`)
  return repository
}

/** The model's name as everything else in a node writes it. Throws an ApiError. */
export function taggedName(repository: string, tag: string): string {
  const name = parseModelName(`${repository}:${tag}`)
  if (name === undefined) throw new ApiError('name-invalid', `${repository}:${tag} names no model`)
  return displayName(name)
}

/** Throws an ApiError for a text that is no digest. */
export function digestIn(text: string | undefined): string {
  const digest = parseDigest(text ?? '')
  if (digest === undefined) throw new ApiError('digest-invalid', `${JSON.stringify(text ?? '')} is no SHA-256 digest`)
  return digest
}

/** An Ollama follows only what has a host. */
export function absolute({ headers, protocol }: FastifyRequest, path: string): string {
  const scheme = headers['x-forwarded-proto'] === 'https' ? 'https' : protocol
  return `${scheme}://${headers.host}${path}`
}

/** `/v2/…` of a repository's blob. */
export const blobPath = (repository: string, digest: string): string => `/v2/${repository}/blobs/${digest}`
