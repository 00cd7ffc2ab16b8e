/** C.5, 5. Who is connected agrees on who holds what, and that is what the disks hold. */
import type { NodeId } from '../../../protocols/ref.ts'
import type { CheckerKind } from '../checker.ts'

export const agreement: CheckerKind = {
  name: 'agreement',
  invariant: 'all nodes of the core agree on which model versions each of them holds, and the disks hold just these',
  sometimes: ['a model came to a disk', 'a model vanished from a disk'],
  start: ({ cluster, sometimes }) => ({
    onFault: ({ kind }) => {
      if (kind === 'import') sometimes('a model came to a disk')
      if (kind === 'remove') sometimes('a model vanished from a disk')
    },
    pending: async (core) => {
      const onDisk = (node: NodeId): string => listed(cluster.place(node).disk.models)
      for (const node of core) {
        const view = await cluster.place(node).life?.cluster.view()
        for (const other of core) {
          const claimed = listed(view?.get(other)?.report?.models ?? [])
          if (claimed !== onDisk(other))
            return `${node} believes that ${other} holds [${claimed}]; its disk holds [${onDisk(other)}]`
        }
      }
      return undefined
    },
  }),
}

const listed = (models: ReadonlyArray<{ readonly digest: string }>): string =>
  models
    .map(({ digest }) => digest.slice(-4))
    .sort()
    .join(' ')
