/** Whole nodes on a simulated network, asked as the routes ask them. */
import type { ModelCatalog } from '../../actors/model-catalog.ts'
import type { NodeId } from '../../protocols/ref.ts'
import { Cluster } from '../../src/http/cluster.ts'
import { clusterOperations } from '../../src/http/cluster-operations.ts'
import type { NewRequest, OperationsServices } from '../../src/http/services.ts'
import { Lan } from '../actors/support/lan.ts'
import { Site, type SiteInit } from '../actors/support/site.ts'
import { SimulatedWorld } from '../sim/world.ts'

/** Far more than any answer takes, of virtual time. */
const patienceMs = 30_000

export const newRequest = (rest: Partial<NewRequest> = {}): NewRequest => ({
  model: 'm',
  work: { kind: 'generate', prompt: 'a b c', raw: true },
  options: { num_predict: 3 },
  priority: 0,
  ...rest,
})

export class SiteCluster {
  readonly world = new SimulatedWorld(1)
  readonly lan = new Lan(this.world)
  readonly sites = new Map<NodeId, Site>()
  readonly clusters = new Map<NodeId, Cluster>()

  /** Starts nodes in this order; all but the first join the first. */
  static async of(nodes: Readonly<Record<NodeId, SiteInit>>): Promise<SiteCluster> {
    const started = new SiteCluster()
    const first = Object.keys(nodes)[0] as NodeId
    for (const [node, init] of Object.entries(nodes)) {
      const site = new Site(started.lan, node, node === first ? init : { join: [first], ...init })
      started.sites.set(node, site)
      started.clusters.set(
        node,
        new Cluster({ runtime: site.runtime, responses: site.responses, problemOf: () => undefined }),
      )
    }
    await started.world.run(4000)
    return started
  }

  site(node: NodeId): Site {
    return this.sites.get(node) as Site
  }

  at(node: NodeId): Cluster {
    return this.clusters.get(node) as Cluster
  }

  operations(node: NodeId, catalog: Partial<ModelCatalog> = {}): OperationsServices {
    const { runtime } = this.site(node)
    const cluster = this.at(node)
    return clusterOperations({
      cluster,
      runtime,
      catalog: catalog as ModelCatalog,
      models: undefined,
      token: 'secret',
      startedMs: 0,
    })
  }

  /** Lets the world run until the promise is settled. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const note = (): void => {
      settled = true
    }
    promise.then(note, note)
    for (let ms = 0; ms < patienceMs && !settled; ms += 5) await this.world.run(5)
    if (!settled) throw new Error(`nothing within ${patienceMs} ms of virtual time`)
    return promise
  }
}
