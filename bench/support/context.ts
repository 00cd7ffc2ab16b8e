/** What every section has: how often to repeat, and everything that it starts ended with the benchmark. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NodeGroup } from './node-group.ts'
import { omxNode } from './node-process.ts'

export const tinyGguf = fileURLToPath(new URL('../../models/omx-tiny.gguf', import.meta.url))

export interface Killable {
  kill(): void
}

export class BenchContext {
  readonly rounds: number
  /** One quick round, to see that everything works; its numbers mean little. */
  readonly smoke: boolean
  /** Where the processes under load leave CPU profiles, if anywhere. */
  readonly profileFolder: string | undefined
  readonly #running = new Set<Killable>()
  #models: Promise<string> | undefined
  /** Keeps the models folder from section to section. */
  #keeper: NodeGroup | undefined

  constructor({ rounds, smoke, profileFolder }: Pick<BenchContext, 'rounds' | 'smoke' | 'profileFolder'>) {
    this.rounds = rounds
    this.smoke = smoke
    this.profileFolder = profileFolder
  }

  /** Milliseconds of load per arm and round. */
  loadMs(fullMs: number): number {
    return this.smoke ? fullMs / 5 : fullMs
  }

  track<T extends Killable>(running: T): T {
    this.#running.add(running)
    return running
  }

  newGroup(): NodeGroup {
    return this.track(new NodeGroup())
  }

  /** A models folder that holds the tiny model, for every node of the sim engine to read. */
  simModels(): Promise<string> {
    this.#models ??= this.#import()
    return this.#models
  }

  /** Words for a node that is to leave a CPU profile when it stops. */
  profiled(name: string): { readonly nodeFlags?: readonly string[] } {
    const folder = this.profileFolder
    if (folder === undefined) return {}
    return { nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}-${Date.now()}.cpuprofile`] }
  }

  /** Ends what a section started. A node that is profiled needs a proper stop to write its profile. */
  async endSection(): Promise<void> {
    const running = [...this.#running].filter((one) => one !== this.#keeper)
    const groups = running.filter((one) => one instanceof NodeGroup)
    if (this.profileFolder !== undefined) await Promise.all(groups.map((group) => group.stop()))
    for (const one of running) {
      one.kill()
      this.#running.delete(one)
    }
  }

  /** At once: for the end of this process. */
  kill(): void {
    for (const one of this.#running) one.kill()
  }

  /** For a failure: what the nodes logged. */
  logs(): string {
    return [...this.#running].map((one) => (one instanceof NodeGroup ? one.logs() : '')).join('')
  }

  async #import(): Promise<string> {
    const keeper = this.newGroup()
    this.#keeper = keeper
    const data = join(keeper.folder, 'store')
    await omxNode(['import', 'tiny', tinyGguf, '--data', data])
    return join(data, 'models')
  }
}
