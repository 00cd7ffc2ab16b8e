/** The models of an OpenAI-compatible server, as the node's own: what there is, is decided there. */
import type { ModelCatalog, ModelFile, ModelMaker } from '../../../actors/model-catalog.ts'
import { parseModelName, sameName } from '../../../protocols/model-name.ts'
import type { HeldModel } from '../../../protocols/report.ts'
import { type RemoteClient, RemoteError } from '../remote/client.ts'
import { Listing, type Unnamed } from './listing.ts'

/** No answer, or that of a proxy before a server which is starting, or of a server which is asked too much. */
const notNow: ReadonlySet<number> = new Set([0, 429, 502, 503, 504])

function noneNow(error: RemoteError): readonly HeldModel[] {
  if (notNow.has(error.status)) return []
  throw error
}

export class OpenaiCatalog implements ModelCatalog, ModelMaker {
  readonly #client: RemoteClient
  readonly #listing: Listing
  #last: readonly HeldModel[] = []

  constructor(client: RemoteClient) {
    this.#client = client
    this.#listing = new Listing(client)
  }

  /** Looks for the first time. Rejects with a RemoteError where the server answers and will never do: a key, or a URL. */
  async open(): Promise<void> {
    this.#last = await this.#held().catch(noneNow)
  }

  /**
   * None while the server does not answer: it may be starting, and is asked again soon. What it listed stands while it
   * answers with an error: who asks for one of these models then hears what is wrong.
   */
  async list(): Promise<readonly HeldModel[]> {
    this.#last = await this.#held()
      .catch(noneNow)
      .catch(() => this.#last)
    return this.#last
  }

  async find(digest: string): Promise<ModelFile | undefined> {
    const held = (await this.#held()).find((model) => model.digest === digest)
    if (held === undefined) return undefined
    return { digest, name: held.name, path: '', sizeBytes: held.sizeBytes, parameters: {} }
  }

  /** What can be known from outside: neither template nor parameters. */
  async show(name: string): Promise<Record<string, unknown> | undefined> {
    const wanted = parseModelName(name)
    const served = (await this.#listing.models()).find(({ held }) => {
      const parsed = parseModelName(held.name)
      return wanted !== undefined && parsed !== undefined && sameName(parsed, wanted)
    })
    if (served === undefined) return undefined
    const { id, held } = served
    return {
      modelfile: `# ${id} of ${this.#client.url}\nFROM ${held.name}\n`,
      template: '',
      details: held.details,
      // Clients look for the context under the architecture's name; which one it is, nobody says.
      model_info: {
        'general.architecture': 'openai',
        'general.basename': id,
        ...(held.contextLength === 0 ? {} : { 'openai.context_length': held.contextLength }),
        ...(held.embeddingLength === 0 ? {} : { 'openai.embedding_length': held.embeddingLength }),
      },
      capabilities: held.capabilities,
      modified_at: new Date(held.modifiedAtMs).toISOString(),
    }
  }

  copy(source: string): Promise<boolean> {
    return this.#refuse(`copy ${source}`)
  }

  remove(name: string): Promise<boolean> {
    return this.#refuse(`delete ${name}`)
  }

  importGguf(name: string): Promise<HeldModel> {
    return this.#refuse(`create ${name}`)
  }

  hasBlob(): Promise<boolean> {
    return this.#refuse('put the file')
  }

  writeBlob(): Promise<void> {
    return this.#refuse('put the file')
  }

  create({ name }: { readonly name: string }): Promise<void> {
    return this.#refuse(`create ${name}`)
  }

  problems(): readonly Unnamed[] {
    return this.#listing.unnamed
  }

  async #held(): Promise<readonly HeldModel[]> {
    return (await this.#listing.models()).map(({ held }) => held)
  }

  #refuse(todo: string): Promise<never> {
    const where = `the models of this node are those of the server at ${this.#client.url}`
    return Promise.reject(new RemoteError(400, `${where}: ${todo} there`))
  }
}
