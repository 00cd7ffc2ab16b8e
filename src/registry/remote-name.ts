/** What a model's name means to a registry: where it is, and what to ask it for. */
import { fullName, type ModelName, parseModelName } from '../../protocols/model-name.ts'
import { RegistryError } from './errors.ts'

export interface RemoteName {
  readonly name: ModelName
  /** `https://host[:port]`. */
  readonly origin: string
  /** `namespace/model`. */
  readonly repository: string
  readonly tag: string
}

/**
 * Reads `[scheme://][host/][namespace/]model[:tag]`. `insecure` turns https into http, as Ollama does, and is needed for
 * names that begin with `http://`. Throws a RegistryError `invalid-name` or `insecure`.
 */
export function parseRemoteName(text: string, insecure: boolean): RemoteName {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase() ?? 'https'
  const name = parseModelName(text)
  if (name === undefined || (scheme !== 'https' && scheme !== 'http'))
    throw new RegistryError('invalid-name', 'invalid model name')
  if (scheme === 'http' && !insecure) throw new RegistryError('insecure', 'insecure protocol http')
  const origin = `${insecure ? 'http' : 'https'}://${name.host}`
  if (!URL.canParse(origin)) throw new RegistryError('invalid-name', `${fullName(name)} names no host`)
  return { name, origin: new URL(origin).origin, repository: `${name.namespace}/${name.model}`, tag: name.tag }
}
