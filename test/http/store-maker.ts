/** A real store behind a listener's blobs and new models; nobody else in the cluster hears of them. */
import type { ModelMaker } from '../../actors/model-catalog.ts'
import { clusterMaker } from '../../src/http/cluster-maker.ts'
import { openCatalog } from '../../src/store/catalog.ts'

export async function makerIn(folder: string): Promise<ModelMaker> {
  const cluster = { ask: async () => ({ type: 'models.refreshed' }) }
  return clusterMaker({ cluster, maker: await openCatalog(folder) })
}
