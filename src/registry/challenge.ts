/**
 * How Ollama's registry asks who somebody is: it names a realm, and gives a token there for a URL that was signed with an
 * Ed25519 key. The key is the node's own, shown in OpenSSH's form.
 */
import { createHash } from 'node:crypto'
import { RegistryError } from './errors.ts'

export interface Signer {
  /** The 32 bytes of an Ed25519 key. */
  readonly publicKey: Uint8Array
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>
}

export interface Challenge {
  readonly realm: string
  readonly service: string
  readonly scopes: readonly string[]
}

/** Longest `WWW-Authenticate` that is looked at. */
const maxChallengeLength = 4096

const keyType = 'ssh-ed25519'

/** Reads `Bearer realm="…",service="…",scope="…"`; undefined when it asks for something else. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined || header.length > maxChallengeLength || !/^bearer\s/i.test(header)) return undefined
  const fields = new Map(
    [...header.matchAll(/([a-z]+)="([^"]*)"/gi)].map(([, key = '', text = '']) => [key.toLowerCase(), text]),
  )
  const realm = fields.get('realm')
  if (realm === undefined) return undefined
  const scopes = (fields.get('scope') ?? '').split(' ').filter((scope) => scope !== '')
  return { realm, service: fields.get('service') ?? '', scopes }
}

/**
 * Where the token is, if the realm is the registry's own: a registry that sends a signature elsewhere would let another
 * one use it. Throws a RegistryError `unauthorized`.
 */
export function tokenUrl({ realm, service, scopes }: Challenge, registry: URL, nowMs: number, nonce: string): URL {
  const url = URL.canParse(realm) ? new URL(realm) : undefined
  if (url === undefined || url.host !== registry.host || url.protocol !== registry.protocol) {
    const words = `the registry ${registry.host} sends to ${JSON.stringify(realm)} to sign in, which is another place`
    throw new RegistryError('unauthorized', `${words}: nothing was signed`, { status: 401 })
  }
  url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  url.searchParams.set('ts', String(Math.floor(nowMs / 1000)))
  url.searchParams.set('nonce', nonce)
  return url
}

/** The `Authorization` of a `GET` of that URL: public key and signature, both in base64. */
export async function authorizationOf(url: URL, signer: Signer): Promise<string> {
  const emptyBody = Buffer.from(createHash('sha256').digest('hex')).toString('base64')
  const signature = await signer.sign(Buffer.from(`GET,${url.href},${emptyBody}`))
  return `${sshBlob(signer.publicKey).toString('base64')}:${Buffer.from(signature).toString('base64')}`
}

/** The line that a person adds to an account at the registry. */
export function sshKeyLine({ publicKey }: Signer): string {
  return `${keyType} ${sshBlob(publicKey).toString('base64')}`
}

/** Two strings with their lengths before them. */
function sshBlob(publicKey: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(keyType), Buffer.from(publicKey)].flatMap((part) => [lengthOf(part), part]))
}

function lengthOf(part: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(part.length)
  return length
}
