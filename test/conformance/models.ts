/** Which models a server has for the rows: told apart by what it says of them, and by what they do. */
import type { ModelKind } from './row.ts'
import type { Server } from './server.ts'

export interface Models {
  /** A kind that is missing here is not on the server. */
  readonly names: { readonly [kind in ModelKind]?: string }
}

interface Listed {
  readonly name: string
  readonly size: number
  readonly capabilities: readonly string[]
}

/** Models that are looked at; a server may hold thousands. */
const maxModels = 64

/**
 * Finds a model of each kind, the smallest of several. `preferred` are names that are taken where they fit; with `only`,
 * no other model is touched.
 */
export async function findModels(server: Server, preferred: readonly string[], only = false): Promise<Models> {
  const listed = (await listModels(server)).filter(({ name }) => !only || isOneOf(name, preferred))
  const ranked = listed.toSorted((left, right) => rank(left, preferred) - rank(right, preferred))
  const named = (fits: (capabilities: ReadonlySet<string>) => boolean) =>
    ranked.find(({ capabilities }) => fits(new Set(capabilities)))?.name.replace(/:latest$/, '')
  const completion = named((has) => has.has('completion') && !has.has('tools') && !has.has('thinking'))
  const names: { [kind in ModelKind]?: string | undefined } = {
    completion: completion ?? named((has) => has.has('completion')),
    plain: named((has) => has.has('completion') && has.size === 1),
    embedding: named((has) => has.has('embedding')),
    tools: named((has) => has.has('tools')),
    thinking: named((has) => has.has('thinking')),
    insert: named((has) => has.has('insert')),
    vision: named((has) => has.has('vision')),
    stocked: listed.some(({ name }) => name === 'stocked:latest') ? 'stocked' : undefined,
  }
  names.vectors = names.embedding ?? names.completion
  const isTold = names.completion !== undefined && (await saysWhatItIsTold(server, names.completion))
  if (isTold) {
    Object.assign(names, { told: names.completion, 'told-tools': names.tools, 'told-thinking': names.thinking })
  }
  return { names: Object.fromEntries(Object.entries(names).filter(([, name]) => name !== undefined)) }
}

async function listModels(server: Server): Promise<Listed[]> {
  const { json } = await server.send({ method: 'GET', path: '/api/tags' })
  const { models } = json as { models: readonly (Omit<Listed, 'capabilities'> & Partial<Listed>)[] }
  const listed: Listed[] = []
  for (const { name, size, capabilities } of models.slice(0, maxModels)) {
    listed.push({ name, size, capabilities: capabilities ?? (await shownCapabilities(server, name)) })
  }
  return listed
}

/** Older releases say it only when asked for one model. */
async function shownCapabilities(server: Server, model: string): Promise<readonly string[]> {
  const { json } = await server.send({ method: 'POST', path: '/api/show', body: { model } })
  return (json as { capabilities?: readonly string[] } | undefined)?.capabilities ?? []
}

function isOneOf(name: string, names: readonly string[]): boolean {
  return names.some((one) => name === one || name === `${one}:latest`)
}

/** The preferred ones first, in their order, then by size. */
function rank({ name, size }: Listed, preferred: readonly string[]): number {
  const place = preferred.findIndex((one) => isOneOf(name, [one]))
  return place < 0 ? size : place - preferred.length
}

async function saysWhatItIsTold(server: Server, model: string): Promise<boolean> {
  const body = { model, prompt: '⟦told⟧', raw: true, stream: false, options: { num_predict: 8 } }
  const { json } = await server.send({ method: 'POST', path: '/api/generate', body })
  return (json as { response?: string } | undefined)?.response === 'told'
}
