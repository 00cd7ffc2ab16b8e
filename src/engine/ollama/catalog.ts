/** The models of an Ollama behind this node, as the node's own: what is changed here is changed there. */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { ModelCatalog, ModelFile, ModelMaker, ShownInstead } from '../../../actors/model-catalog.ts'
import type { HeldModel } from '../../../protocols/report.ts'
import { type RemoteClient, RemoteError } from '../remote/client.ts'
import { tagsOf } from './tags.ts'

const showCheck = Compile(Type.Record(Type.String(), Type.Unknown()))

export class OllamaCatalog implements ModelCatalog, ModelMaker {
  readonly #client: RemoteClient

  constructor(client: RemoteClient) {
    this.#client = client
  }

  /** None while the Ollama does not answer: it may be starting, and is asked again soon. */
  list(): Promise<readonly HeldModel[]> {
    return tagsOf(this.#client).catch((error: RemoteError) => {
      if (error.status === 0) return []
      throw error
    })
  }

  async find(digest: string): Promise<ModelFile | undefined> {
    const held = (await tagsOf(this.#client)).find((model) => model.digest === digest)
    if (held === undefined) return undefined
    // Its parameters and its system text are merged there.
    return { digest, name: held.name, path: '', sizeBytes: held.sizeBytes, parameters: {} }
  }

  async show(name: string, verbose: boolean, instead: ShownInstead = {}): Promise<Record<string, unknown> | undefined> {
    const answer = await this.#found(this.#client.ask('POST', '/api/show', { model: name, verbose, ...instead }))
    return showCheck.Check(answer) ? answer : undefined
  }

  async copy(source: string, destination: string): Promise<boolean> {
    return (await this.#found(this.#client.ask('POST', '/api/copy', { source, destination }).then(() => true))) === true
  }

  async remove(name: string): Promise<boolean> {
    return (await this.#found(this.#client.ask('DELETE', '/api/delete', { model: name }).then(() => true))) === true
  }

  importGguf(name: string): Promise<HeldModel> {
    return Promise.reject(this.#elsewhere(`create ${name} there`))
  }

  hasBlob(): Promise<boolean> {
    return Promise.reject(this.#elsewhere('send the file there'))
  }

  writeBlob(): Promise<void> {
    return Promise.reject(this.#elsewhere('send the file there'))
  }

  create({ name }: { readonly name: string }): Promise<void> {
    return Promise.reject(this.#elsewhere(`create ${name} there`))
  }

  #elsewhere(todo: string): RemoteError {
    const where = `the models of this node are those of the Ollama at ${this.#client.url}`
    return new RemoteError(400, `${where}: ${todo}, with "ollama create"`)
  }

  /** What that Ollama cannot use, it does not list. */
  problems(): readonly [] {
    return []
  }

  /** Undefined for what is not there. */
  async #found<T>(answer: Promise<T>): Promise<T | undefined> {
    try {
      return await answer
    } catch (error) {
      if (error instanceof RemoteError && error.status === 404) return undefined
      throw error
    }
  }
}
