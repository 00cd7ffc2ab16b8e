/** The address of an actor, its mailbox and its restart history. The XState actor inside comes and goes. */
import type { Exit } from '../../protocols/exit.ts'
import type { Message, NodeId, Ref } from '../../protocols/ref.ts'
import type { AnyActor, AnyActorLogic } from './logic.ts'
import { defaultMailboxCapacity, Mailbox } from './mailbox.ts'
import { defaultPolicy, type Policy, type Restart } from './supervise.ts'

/** An actor as data: what it is, how it is restarted, who it starts. A tree of these is a supervision tree. */
export interface Spec {
  /** Name under its parent: no `/`, not empty, unique among its siblings. */
  readonly id: string
  readonly logic: AnyActorLogic
  readonly input?: unknown
  /** Default transient. */
  readonly restart?: Restart
  /** How this actor supervises its children. */
  readonly policy?: Partial<Policy>
  /** Messages that may wait. */
  readonly mailboxCapacity?: number
  /**
   * How long it may take to end by itself after a `shutdown` message before it is stopped. 0 (the default): stopped at
   * once, without the message.
   */
  readonly shutdownMs?: number
  /** Started in order after the actor itself, stopped in reverse. */
  readonly children?: readonly Spec[]
}

/** A message in a mailbox, with what came with it. */
export interface Envelope {
  readonly message: Message
  readonly traceId: string
  /** Monotonic time after which nobody waits for the answer any more; 0: none. */
  readonly deadlineMs: number
  /** Monotonic time when it was put into its mailbox; 0 where nobody looked at that moment. */
  arrivedMs: number
}

/** Who hears of an incarnation's end: an actor here, a watch that another node asked for, or a pending stop. */
export type Watcher =
  | { readonly ref: Ref }
  | { readonly node: NodeId; readonly watch: number }
  | { readonly onEnded: () => void }

/** Hears each change of a followed machine's state. */
export type Follower = (from: string, to: string, event: string) => void

/** waiting: between two incarnations; stopping: told to end, still handling messages; gone: the address is free again. */
export type Phase = 'running' | 'waiting' | 'stopping' | 'gone'

export interface Cell {
  readonly ref: Ref
  /** Rises from cell to cell: a place in the list of all that does not move when others come and go. */
  readonly born: number
  readonly spec: Spec
  readonly parent: Cell | undefined
  readonly policy: Policy
  readonly mailbox: Mailbox<Envelope>
  // Each of these is made when it is first needed: most actors are leaves that nobody watches, and an empty map weighs
  // as much as all the rest of the cell.
  children: Map<string, Cell> | undefined
  /** Keyed by watcher, so that watching twice is watching once. */
  watchers: Map<string, Watcher> | undefined
  /** What this incarnation watches, with the id of the watch where the target is on another node, else 0. */
  watching: Map<Ref, number> | undefined
  /** One-shot refs of asks that this incarnation has not answered. */
  owes: Set<Ref> | undefined
  followers: Set<Follower> | undefined
  /** Ends the inspection that feeds the followers; undefined while nobody follows. */
  unfollow: (() => void) | undefined
  actor: AnyActor | undefined
  phase: Phase
  epoch: number
  restarts: number
  /** Times of the restarts that this cell ordered as a supervisor. */
  history: number[]
  lastExit: Exit | undefined
  /** Messages handed to its incarnations. */
  handled: number
  /** Messages to this address that became dead letters: full, expired, another incarnation meant. */
  refused: number
  /** The longest of the handlers that were timed, which they are only while somebody looks. */
  longestMs: number
  /** The restart that it waits for: one that was ordered earlier no longer counts. */
  restartOrder: number
  /** Whether it stands in the list of cells with work. */
  ready: boolean
  /** Pending graceful stop, shared by all who asked for it. */
  stopped: Promise<void> | undefined
}

export function createCell(ref: Ref, spec: Spec, parent: Cell | undefined, born: number): Cell {
  if (spec.id === '' || spec.id.includes('/') || spec.id.startsWith('$')) {
    throw new Error(`actor id "${spec.id}" must not be empty, contain "/" or start with "$"`)
  }
  return {
    ref,
    born,
    spec,
    parent,
    policy: spec.policy === undefined ? defaultPolicy : { ...defaultPolicy, ...spec.policy },
    mailbox: new Mailbox(spec.mailboxCapacity ?? defaultMailboxCapacity),
    children: undefined,
    watchers: undefined,
    watching: undefined,
    owes: undefined,
    followers: undefined,
    unfollow: undefined,
    actor: undefined,
    phase: 'waiting',
    epoch: 0,
    restarts: 0,
    history: [],
    lastExit: undefined,
    handled: 0,
    refused: 0,
    longestMs: 0,
    restartOrder: 0,
    ready: false,
    stopped: undefined,
  }
}

export function addWatcher(cell: Cell, key: string, watcher: Watcher): void {
  cell.watchers ??= new Map()
  cell.watchers.set(key, watcher)
}

export function addChild(parent: Cell, child: Cell): void {
  parent.children ??= new Map()
  parent.children.set(child.spec.id, child)
}

/** The children in reverse order of their start. */
export const newestFirst = (cell: Cell): Cell[] => [...(cell.children?.values() ?? [])].reverse()

export const isLive = (cell: Cell): boolean => cell.phase === 'running' || cell.phase === 'stopping'

/** The machine's state as text (`healthy`, `serving.idle`), or the phase where the actor has no states. */
export function stateOf(cell: Cell): string {
  if (!isLive(cell)) return cell.phase
  const snapshot = cell.actor?.getSnapshot() as { value?: unknown } | undefined
  return snapshot?.value === undefined ? cell.phase : stateText(snapshot.value)
}

/** XState's state value as text: nested states by dots, parallel ones by bars. */
export function stateText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([region, inner]) => `${region}.${stateText(inner)}`)
    .join('|')
}
