/** Any OpenAI-compatible server behind this node: vLLM, SGLang, LM Studio, llama.cpp's. */
import type { ModelFile } from '../../../actors/model-catalog.ts'
import { type Driver, EngineError, type EngineSettings, type LoadedEngine } from '../driver.ts'
import { RemoteClient } from '../remote/client.ts'
import { RemoteEngine } from '../remote/engine.ts'
import { Listing } from './listing.ts'
import { OpenaiModel } from './model.ts'

export class OpenaiDriver implements Driver {
  readonly name = 'openai'
  readonly #client: RemoteClient

  constructor(client: RemoteClient) {
    this.#client = client
  }

  /** The server has its models in memory, or brings them there when they are asked: only its list is looked at. */
  async load(model: ModelFile, settings: EngineSettings): Promise<LoadedEngine> {
    const client = this.#client
    const models = await new Listing(client).models().catch((error: Error) => {
      throw new EngineError('load-failed', `cannot load ${model.name}: ${error.message}`, { cause: error })
    })
    const served = models.find(({ held }) => held.digest === model.digest)
    if (served === undefined) {
      throw new EngineError('load-failed', `cannot load ${model.name}: the server at ${client.url} does not list it`)
    }
    const remote = new OpenaiModel({ client, id: served.id, contextLength: served.held.contextLength })
    return new RemoteEngine({ model, settings, remote })
  }
}

/** @param url with its path, such as `http://127.0.0.1:8000/v1` */
export function openaiAt(url: string, key: string): RemoteClient {
  const onUnknown = `give the node the key of ${url} with --openai-key or OMX_OPENAI_KEY`
  return new RemoteClient({ kind: 'server', url, key, onUnknown })
}
