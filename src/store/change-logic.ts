/** Carries out `models.copy` and `models.delete` in the models folder, and has it looked at again. */
import type { ModelCatalog } from '../../actors/model-catalog.ts'
import type { ChangeRequest } from '../../actors/models.ts'
import { maxProblemLength } from '../../protocols/messages.ts'
import { here } from '../runtime/here.ts'
import { fromPromise } from '../runtime/logic.ts'

/** What cannot be changed is answered with why. */
export function changeLogic(catalog: ModelCatalog) {
  const change = (request: ChangeRequest): Promise<boolean> =>
    request.type === 'models.copy' ? catalog.copy(request.source, request.destination) : catalog.remove(request.name)
  return fromPromise<void, ChangeRequest>(async ({ input, system }) => {
    const { tell, ask, local } = here(system)
    const outcome = await change(input).then(
      (found) => ({ found, problem: null }),
      (error: Error) => ({ found: true, problem: error.message.slice(0, maxProblemLength) }),
    )
    // Whoever is answered may list what there is now.
    await ask(local('node/models'), { type: 'models.refresh' }, refreshMs).catch(() => undefined)
    tell(input.replyTo, { type: 'models.changed', ...outcome })
  })
}

/** A folder that takes longer to read is seen by the next regular look. */
const refreshMs = 5000
