/** Nodes of one demonstration or measurement, in a temporary folder; all end together, whatever happens. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../test/support/eventually.ts'
import { NodeProcess, type NodeProcessInit } from './node-process.ts'

export class NodeGroup {
  readonly folder = mkdtempSync(join(tmpdir(), 'omx-'))
  readonly #nodes: NodeProcess[] = []

  /** Starts a process; await its `ready()`. */
  spawn(name: string, options: Omit<NodeProcessInit, 'name' | 'data'> = {}): NodeProcess {
    const node = new NodeProcess({ ...options, name, data: join(this.folder, name) })
    this.#nodes.push(node)
    return node
  }

  /** Resolves when every node sees all the others healthy. */
  async joined(): Promise<void> {
    await Promise.all(
      this.#nodes.map((node) =>
        eventually(`${node.name} sees ${this.#nodes.length - 1} healthy nodes`, async () => {
          const healthy = (await node.peers()).filter(({ state, name }) => state === 'healthy' && name !== '')
          return healthy.length === this.#nodes.length - 1
        }),
      ),
    )
  }

  /** Resolves when every node knows who holds a model. */
  async know(model: string, holder: NodeProcess): Promise<void> {
    await Promise.all(
      this.#nodes.map((node) =>
        eventually(`${node.name} knows that ${holder.name} holds ${model}`, async () => {
          const row = (await node.models()).find(({ name }) => name === `${model}:latest`)
          return row?.holders.some(({ node: id }) => id === holder.id)
        }),
      ),
    )
  }

  /** For a failure: who has ended already, and the end of each node's log where it wrote one. */
  logs(): string {
    const dead = this.#nodes.filter(({ running }) => !running).map(({ name, end }) => `${name} has ended: ${end}\n`)
    const written = this.#nodes.filter(({ log }) => log !== '')
    return [...dead, ...written.map(({ name, log }) => `--- log of ${name}\n${log}`)].join('')
  }

  /** Stops every node. Resolves with each one's exit code, 0 when it drained. */
  async stop(): Promise<ReadonlyMap<string, number | null>> {
    const codes = await Promise.all(this.#nodes.map(async (node) => [node.name, await node.stop()] as const))
    rmSync(this.folder, { recursive: true, force: true })
    return new Map(codes)
  }

  /** At once and without waiting: for the end of this process. */
  kill(): void {
    for (const node of this.#nodes) node.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
