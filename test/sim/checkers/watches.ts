/** C.5, 9: whoever watches an actor hears of its end, once. Remote watches are `test/runtime/remote-watch.test.ts`'s. */
import { type NodeId, nodeOf, type Ref } from '../../../protocols/ref.ts'
import type { CheckerKind } from '../checker.ts'
import { typeOf } from './lost-request.ts'

/** What one incarnation watches, and how many notices of each ref are on their way to it. */
interface Book {
  readonly open: Set<Ref>
  readonly due: Map<Ref, number>
}

export const watches: CheckerKind = {
  name: 'watches',
  invariant: 'every watch yields exactly one notice of an end, whoever watches whom',
  sometimes: ['a watcher heard of an end'],
  start: ({ broken, sometimes }) => {
    const running = new Set<Ref>()
    const books = new Map<Ref, Book>()
    /** By the ref that is watched; an entry may be out of date, `books` is not. */
    const watchers = new Map<Ref, Set<Ref>>()

    const bookOf = (ref: Ref): Book => {
      const book = books.get(ref) ?? { open: new Set(), due: new Map() }
      books.set(ref, book)
      return book
    }
    const owe = ({ due }: Book, target: Ref): void => void due.set(target, (due.get(target) ?? 0) + 1)
    const watch = (ref: Ref, target: Ref): void => {
      const book = bookOf(ref)
      if (book.open.has(target)) return
      // Who watches what has ended hears so at once.
      if (!running.has(target)) {
        owe(book, target)
        return
      }
      book.open.add(target)
      const known = watchers.get(target) ?? new Set()
      watchers.set(target, known.add(ref))
    }
    const ended = (ref: Ref): void => {
      running.delete(ref)
      books.delete(ref)
      for (const watcher of watchers.get(ref) ?? []) {
        const book = books.get(watcher)
        if (book?.open.delete(ref)) owe(book, ref)
      }
      watchers.delete(ref)
    }
    const heard = (ref: Ref, target: Ref): void => {
      sometimes('a watcher heard of an end')
      // Whom the notice ended is asked no more.
      if (!running.has(ref)) return
      const due = books.get(ref)?.due.get(target) ?? 0
      if (due === 0) broken(`${ref} heard that ${target} ended, and has watched no such end`)
      else if (due === 1) books.get(ref)?.due.delete(target)
      else books.get(ref)?.due.set(target, due - 1)
    }
    const forget = (node: NodeId): void => {
      for (const refs of [running, books, watchers]) {
        for (const ref of [...refs.keys()]) if (nodeOf(ref) === node) refs.delete(ref)
      }
    }
    return {
      onLife: (place, what) => what === 'died' && forget(place.node),
      onSighting: (node, sighting) => {
        if (sighting.kind !== 'watched' && sighting.kind !== 'unwatched') return
        const { kind, ref, target } = sighting
        if (nodeOf(target) !== node || !running.has(ref)) return
        if (kind === 'watched') watch(ref, target)
        else books.get(ref)?.open.delete(target)
      },
      onFact: ({ node }, fact) => {
        if (fact.kind === 'started') running.add(fact.ref)
        else if (fact.kind === 'exited') ended(fact.ref)
        else if (fact.kind === 'handled' && typeOf(fact.message) === 'actor.down') {
          const target = fact.message.ref as Ref
          if (nodeOf(target) === node) heard(fact.ref, target)
        }
      },
      pending: async (core) => {
        for (const [ref, { due }] of books) {
          const [target] = due.keys()
          if (target !== undefined && core.includes(nodeOf(ref))) return `${ref} has not heard that ${target} ended`
        }
        return undefined
      },
    }
  },
}
