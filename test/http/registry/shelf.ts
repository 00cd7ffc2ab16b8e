/** A real store behind a listener's `/v2`: a cluster of one node that holds what its folder has. */
import type { ClusterView } from '../../../actors/view.ts'
import { clusterFiles, type FilesInit } from '../../../src/http/cluster-files.ts'
import { ApiError } from '../../../src/http/errors.ts'
import type { RegistryServices } from '../../../src/http/services.ts'
import { openCatalog } from '../../../src/store/catalog.ts'
import { localFiles } from '../../../src/store/local-file.ts'
import { report } from '../../protocols/examples.ts'

const self = 'self'

/** `openFile`: what a holder answers that is none of ours. */
export async function registryIn(folder: string, openFile?: FilesInit['openFile']): Promise<RegistryServices> {
  const models = await openCatalog(folder)
  const view = async (): Promise<ClusterView> => {
    const held = { ...report, node: self, models: await models.list() }
    const row = { state: 'self', sinceMs: 0, reason: '', unfit: '', addresses: [], rttMs: null } as const
    return new Map([[self, { ...row, node: self, report: held }]])
  }
  const own = localFiles(models, () => {})
  const remove = async (name: string) => {
    if (!(await models.remove(name))) throw new ApiError('model-not-found', name)
  }
  const cluster = { self, view, remove, ask: async () => ({ type: 'models.refreshed' }) }
  return clusterFiles({ cluster, models, openFile: openFile ?? ((_, file) => own(file)) })
}
