/**
 * C.5, 5. Who is connected agrees on who holds what and on what each name means, and that is what the disks hold. The
 * disks here have no bytes: that a blob hashes to its name is `test/store`'s to show.
 */
import { type ClusterView, resolveModel } from '../../../actors/view.ts'
import type { NodeId } from '../../../protocols/ref.ts'
import type { HeldModel } from '../../../protocols/report.ts'
import type { CheckerKind } from '../checker.ts'
import { models } from '../cluster.ts'

const names = [...new Set(Object.values(models).map(({ name }) => name))]

export const agreement: CheckerKind = {
  name: 'agreement',
  invariant: 'all nodes of the core agree on who of them holds which version, and on the version that each name means',
  sometimes: [
    'a model came to a disk',
    'a model vanished from a disk',
    'a newer version came under an old name',
    'a name meant two versions on two nodes',
  ],
  start: ({ cluster, sometimes }) => {
    const disk = (node: NodeId): readonly HeldModel[] => cluster.place(node).disk.models
    /** Its own version of it, else the newest of the core, as `actors/view.ts` promises. */
    const meaning = (node: NodeId, name: string, core: readonly NodeId[]): string | undefined => {
      const isNamed = (model: HeldModel): boolean => model.name === name
      const newestFirst = (a: HeldModel, b: HeldModel): number => b.modifiedAtMs - a.modifiedAtMs
      const own = disk(node).find(isNamed)
      return (own ?? core.flatMap(disk).filter(isNamed).toSorted(newestFirst)[0])?.digest
    }
    /** What one node has wrong. */
    const wrong = (node: NodeId, view: ClusterView | undefined, core: readonly NodeId[]): string | undefined => {
      for (const other of core) {
        const claimed = listed(view?.get(other)?.report?.models ?? [])
        const held = listed(disk(other))
        if (claimed !== held) return `${node} believes that ${other} holds [${claimed}]; its disk holds [${held}]`
      }
      for (const name of names) {
        const found = view === undefined ? undefined : resolveModel(view, name)?.model.digest
        const meant = meaning(node, name, core)
        if (found !== meant) return `on ${node} ${name} means ${short(found)}, and it should be ${short(meant)}`
      }
      return undefined
    }
    return {
      onFault: (command) => {
        if (command.kind === 'remove') sometimes('a model vanished from a disk')
        if (command.kind !== 'import') return
        sometimes('a model came to a disk')
        if (command.model === 'm2') sometimes('a newer version came under an old name')
      },
      pending: async (core) => {
        for (const node of core) {
          const problem = wrong(node, await cluster.place(node).life?.cluster.view(), core)
          if (problem !== undefined) return problem
        }
        return undefined
      },
      atRest: async (core) => {
        for (const name of names) {
          const versions = new Set(core.map((node) => meaning(node, name, core)))
          if (versions.size > 1) sometimes('a name meant two versions on two nodes')
        }
      },
    }
  },
}

const short = (digest: string | undefined): string => digest?.slice(-4) ?? 'nothing'

const listed = (held: readonly HeldModel[]): string =>
  held
    .map(({ name, digest }) => `${name} ${short(digest)}`)
    .sort()
    .join(', ')
