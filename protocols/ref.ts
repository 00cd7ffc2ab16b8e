/**
 * Refs and messages: the plain data that names an actor and what it is told, the same on every node.
 * A ref is `<peerId>/<path>`; it fits in a machine's context, a snapshot or a frame.
 */

/** What actors exchange: a plain object with a type. Only what `messages.ts` declares may cross a link. */
export interface Message {
  readonly type: string
  readonly [key: string]: unknown
}

/** A libp2p peer id in its text form. */
export type NodeId = string

/** `<peerId>/<path>`: an address. An incarnation is an address plus an epoch; a restart begins a new one. */
export type Ref = string

/** Longest path accepted from a link: deeper than any tree in use, short enough to index freely. */
export const maxPathLength = 256

/** The node part of a ref. */
export function nodeOf(ref: Ref): NodeId {
  const slash = ref.indexOf('/')
  return slash < 0 ? ref : ref.slice(0, slash)
}

/** The path part of a ref, without the node. */
export function pathOf(ref: Ref): string {
  const slash = ref.indexOf('/')
  return slash < 0 ? '' : ref.slice(slash + 1)
}

/** The ref of `path` on `node`. */
export function refOf(node: NodeId, path: string): Ref {
  return `${node}/${path}`
}
