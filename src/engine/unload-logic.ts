/** Unloads a version whose weights are in memory under another one: the engine that serves both. */
import type { UnloadRequest } from '../../actors/worker.ts'
import { here } from '../runtime/here.ts'
import { fromPromise } from '../runtime/logic.ts'
import type { Engines } from './engines.ts'

export function unloadLogic(engines: Engines) {
  return fromPromise<void, UnloadRequest>(async ({ input: { digest, replyTo }, system }) => {
    const { tell, local } = here(system)
    const { owner } = await engines.ownerOf(digest, {})
    if (owner === digest) tell(replyTo, { type: 'engine.unloaded', found: false })
    else tell(local('node/worker'), { type: 'engine.unload', digest: owner, replyTo })
  })
}
