/** An Ollama that already runs on the host, behind this node: its models, its memory, its way with prompts. */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { ModelFile } from '../../../actors/model-catalog.ts'
import { type Driver, EngineError, type EngineSettings, type LoadedEngine } from '../driver.ts'
import { RemoteClient } from '../remote/client.ts'
import { RemoteEngine } from '../remote/engine.ts'
import { OllamaModel } from './model.ts'
import { tagsOf } from './tags.ts'

/** How long what the Ollama said of a name holds: a name that is pulled anew there is noticed as soon. */
const currentMs = 2000

const psCheck = Compile(
  Type.Object({
    models: Type.Array(
      Type.Object({
        name: Type.String(),
        size: Type.Optional(Type.Number()),
        size_vram: Type.Optional(Type.Number()),
        context_length: Type.Optional(Type.Integer()),
      }),
    ),
  }),
)

export class OllamaDriver implements Driver {
  readonly name = 'ollama'
  readonly #client: RemoteClient

  constructor(client: RemoteClient) {
    this.#client = client
  }

  async load(model: ModelFile, settings: EngineSettings, signal: AbortSignal): Promise<LoadedEngine> {
    const client = this.#client
    // An empty prompt loads; the worker decides how long it stays.
    await client
      .ask('POST', '/api/generate', { model: model.name, keep_alive: -1, stream: false }, signal)
      .catch((error: Error) => {
        throw new EngineError('load-failed', `cannot load ${model.name}: ${error.message}`, { cause: error })
      })
    const loaded = await this.#loaded(model.name)
    const remote = new OllamaModel({
      client,
      name: model.name,
      contextLength: loaded?.context_length ?? settings.contextTokens,
      sizeBytes: loaded?.size ?? model.sizeBytes,
      sizeVramBytes: loaded?.size_vram ?? 0,
      isCurrent: this.#current(model),
    })
    return new RemoteEngine({ model, settings, remote })
  }

  async #loaded(name: string) {
    const answer = await this.#client.ask('GET', '/api/ps').catch(() => undefined)
    return psCheck.Check(answer) ? answer.models.find((model) => model.name === name) : undefined
  }

  /** Never substitute: the name must still mean the version that was asked for. */
  #current({ name, digest }: ModelFile): () => Promise<boolean> {
    let checkedMs = Number.NEGATIVE_INFINITY
    let isCurrent = true
    return async () => {
      if (performance.now() - checkedMs < currentMs) return isCurrent
      const tags = await tagsOf(this.#client)
      isCurrent = tags.some((tag) => tag.name === name && tag.digest === digest)
      checkedMs = performance.now()
      return isCurrent
    }
  }
}

/** @param url such as `http://127.0.0.1:11434` */
export function ollamaAt(url: string): RemoteClient {
  return new RemoteClient({ kind: 'Ollama', url })
}
