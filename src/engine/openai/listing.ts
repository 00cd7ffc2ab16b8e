/** What an OpenAI-compatible server says that it serves. */
import { createHash } from 'node:crypto'
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { displayName, parseModelName } from '../../../protocols/model-name.ts'
import type { HeldModel } from '../../../protocols/report.ts'
import { type RemoteClient, RemoteError } from '../remote/client.ts'

const count = Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]))

const Row = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 1024 }),
  created: Type.Optional(Type.Number({ minimum: 0 })),
  owned_by: Type.Optional(Type.Union([Type.String({ maxLength: 256 }), Type.Null()])),
  /** vLLM's and SGLang's. */
  max_model_len: count,
  /** llama.cpp's. */
  meta: Type.Optional(
    Type.Union([Type.Object({ n_ctx: count, n_ctx_train: count, n_embd: count, size: count }), Type.Null()]),
  ),
})

const listCheck = Compile(Type.Object({ data: Type.Array(Row) }))

/** A model of the server under a name that Ollama's clients can ask for. */
export interface ServedModel {
  /** What the server calls it. */
  readonly id: string
  readonly held: HeldModel
}

/** A model that has no name here, and why. */
export interface Unnamed {
  readonly name: string
  readonly path: string
  readonly message: string
}

export class Listing {
  readonly #client: RemoteClient
  /** By version: some servers say that a model was created at the moment of asking. */
  #createdMs: ReadonlyMap<string, number> = new Map()
  #unnamed: readonly Unnamed[] = []

  constructor(client: RemoteClient) {
    this.#client = client
  }

  /** Newest first. Rejects with a RemoteError. */
  async models(): Promise<readonly ServedModel[]> {
    const { url } = this.#client
    const answer = await this.#client.ask('GET', '/models')
    if (!listCheck.Check(answer)) throw new RemoteError(500, `${url}/models answered with something else than models`)
    const served = new Map<string, ServedModel>()
    const unnamed: Unnamed[] = []
    for (const row of answer.data) {
      const name = nameOf(row.id)
      const other = name === undefined ? undefined : served.get(name.toLowerCase())?.id
      if (name !== undefined && other === undefined) served.set(name.toLowerCase(), this.#servedOf(row, name))
      else {
        const reason = other === undefined ? 'it cannot be made a model name' : `${other} has that name here already`
        unnamed.push({ name: row.id, path: url, message: `${row.id} of ${url} is not offered: ${reason}` })
      }
    }
    const models = [...served.values()]
    this.#createdMs = new Map(models.map(({ held }) => [held.digest, held.modifiedAtMs]))
    this.#unnamed = unnamed
    return models.sort((left, right) => right.held.modifiedAtMs - left.held.modifiedAtMs)
  }

  /** What the last `models` left out. */
  get unnamed(): readonly Unnamed[] {
    return this.#unnamed
  }

  #servedOf(row: Static<typeof Row>, name: string): ServedModel {
    const { id, created = 0, owned_by, max_model_len, meta } = row
    const digest = createHash('sha256')
      .update(`openai\n${id}\n${owned_by ?? ''}`)
      .digest('hex')
    const held = {
      name,
      digest,
      sizeBytes: meta?.size ?? 0,
      modifiedAtMs: this.#createdMs.get(digest) ?? Math.round(created * 1000),
      details: noDetails,
      contextLength: max_model_len ?? meta?.n_ctx ?? meta?.n_ctx_train ?? 0,
      embeddingLength: meta?.n_embd ?? 0,
      capabilities: capabilitiesOf(id),
    }
    return { id, held }
  }
}

const noDetails = {
  ...{ parent_model: '', format: '', family: '', families: null, parameter_size: '', quantization_level: '' },
}

/** Of models that embed and do nothing else, as their makers call them. */
const embeds = /(^|[^a-z])(embed|embedding|embeddings|bge|gte|e5|minilm|nomic-embed-text|arctic-embed)($|[^a-z])/i

/**
 * No server says whether a model embeds: only its name tells. Nor whether it knows tools, sees or thinks: what it cannot
 * do, it refuses itself, in its own words. That it cannot fill in the middle is certain: chats are all that it is asked.
 */
function capabilitiesOf(id: string): readonly string[] {
  return embeds.test(id) ? ['embedding'] : ['completion', 'tools', 'vision', 'thinking']
}

/** The id itself where Ollama's clients can ask for it, else its last part, with dashes for what may not stand there. */
function nameOf(id: string): string | undefined {
  const last = id.split('/').findLast((part) => part !== '') ?? ''
  const made = last
    .replace(/\.gguf$/i, '')
    .replaceAll(/[^\w.-]+/g, '-')
    .replace(/^[^\w]+/, '')
  const name = parseModelName(id) ?? parseModelName(made)
  return name === undefined ? undefined : displayName(name)
}
