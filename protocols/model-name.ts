/**
 * Ollama's model names: `[scheme://][host/][namespace/]model[:tag]`.
 * Every part is one safe path component, because the store keeps a manifest at `host/namespace/model/tag`.
 */

export interface ModelName {
  readonly host: string
  readonly namespace: string
  readonly model: string
  readonly tag: string
}

const defaultHost = 'registry.ollama.ai'
const defaultNamespace = 'library'
const defaultTag = 'latest'

/** Longest namespace, model and tag in characters; Ollama's own limit. */
const maxPartLength = 80
/** Longest host in characters, port included; Ollama's own limit. */
const maxHostLength = 350

const hostPattern = /^\w[\w.:-]*$/
const namespacePattern = /^\w[\w-]*$/
const modelPattern = /^\w[\w.-]*$/

/** The name that a text means, with Ollama's defaults filled in; undefined when it is not a name. */
export function parseModelName(text: string): ModelName | undefined {
  const [path, tag] = splitTag(text)
  const [beforeModel, model] = splitLast(path)
  const [beforeNamespace, namespace = defaultNamespace] = beforeModel === undefined ? [] : splitLast(beforeModel)
  const host = beforeNamespace === undefined ? defaultHost : withoutScheme(beforeNamespace)
  const name = { host, namespace, model, tag: tag ?? defaultTag }
  return isModelName(name) ? name : undefined
}

/** Whether every part keeps to the grammar: what may become a path in the store. */
export function isModelName(name: ModelName): boolean {
  return (
    name.host.length <= maxHostLength &&
    hostPattern.test(name.host) &&
    isPart(name.namespace, namespacePattern) &&
    isPart(name.model, modelPattern) &&
    isPart(name.tag, modelPattern)
  )
}

/** The shortest form that means the same, always with the tag: what lists and messages show. */
export function displayName(name: ModelName): string {
  const short = `${name.model}:${name.tag}`
  if (!sameText(name.host, defaultHost)) return `${name.host}/${name.namespace}/${short}`
  return sameText(name.namespace, defaultNamespace) ? short : `${name.namespace}/${short}`
}

/** All four parts. */
export function fullName(name: ModelName): string {
  return `${name.host}/${name.namespace}/${name.model}:${name.tag}`
}

/** Whether two names mean the same model: case does not matter. */
export function sameName(left: ModelName, right: ModelName): boolean {
  return sameText(fullName(left), fullName(right))
}

/** A `:` before the last `/` belongs to a host's port or a scheme. */
function splitTag(text: string): [path: string, tag: string | undefined] {
  const colon = text.lastIndexOf(':')
  if (colon < 0 || colon < text.lastIndexOf('/')) return [text, undefined]
  return [text.slice(0, colon), text.slice(colon + 1)]
}

function splitLast(path: string): [before: string | undefined, last: string] {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? [undefined, path] : [path.slice(0, slash), path.slice(slash + 1)]
}

function withoutScheme(host: string): string {
  const separator = host.indexOf('://')
  return separator < 0 ? host : host.slice(separator + '://'.length)
}

function isPart(part: string, pattern: RegExp): boolean {
  return part.length <= maxPartLength && pattern.test(part)
}

function sameText(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase()
}
