/** What survives a crash of the process: models, and whatever was synced. */
import type { ModelCatalog, ModelFile } from '../../actors/model-catalog.ts'
import type { HeldModel } from '../../protocols/report.ts'
import { chooseLife } from '../../src/store/life.ts'
import { DiskJournal } from './journal.ts'
import type { NodeWorld } from './node-world.ts'

/** Reading a folder. */
const readMs = 1

export class Disk {
  models: HeldModel[] = []
  readonly journal = new DiskJournal()
  #life = 0

  /** The number of the life that begins: on the disk before anybody hears of it, as `src/store/life.ts` has it. */
  beginLife(wallMs: number): number {
    this.#life = chooseLife(wallMs, this.#life)
    return this.#life
  }

  /** The catalogue as one life of the process has it: what the disk answers reaches nobody who has died. */
  catalog(world: NodeWorld): ModelCatalog {
    const read = <T>(value: () => T): Promise<T> =>
      new Promise((resolve) => {
        world.setTimeout(() => resolve(value()), readMs)
      })
    return {
      list: () => read(() => [...this.models]),
      find: (digest) => read(() => this.#file(digest)),
      show: () => Promise.resolve(undefined),
      copy: () => Promise.resolve(false),
      remove: () => Promise.resolve(false),
      importGguf: (name) => Promise.reject(new Error(`${name}: models reach this disk by the script`)),
    }
  }

  #file(digest: string): ModelFile | undefined {
    const held = this.models.find((model) => model.digest === digest)
    if (held === undefined) return undefined
    return { digest, name: held.name, path: '', sizeBytes: held.sizeBytes, parameters: {} }
  }

  /** A name means one version. */
  add(model: HeldModel): void {
    if (this.models.some(({ digest }) => digest === model.digest)) return
    this.remove(model.name)
    this.models = [model, ...this.models]
  }

  remove(name: string): void {
    this.models = this.models.filter((model) => model.name !== name)
  }
}
