/** Looks into a node for `/omx/v1`: pulls its actors page by page, its facts, who waits for whom, and follows one actor. */
import type { Static } from 'typebox'
import { followerMachine } from '../../actors/follower.ts'
import type { TransitionNews } from '../../actors/inspector.ts'
import { findDeadlocks, type NodeWaits, nodesWaitedFor } from '../../actors/wait-graph.ts'
import type { inspectorNews, inspectorTree, inspectorWaiting } from '../../protocols/inspection.ts'
import type { FactsAnswer, InspectAnswer, TransitionLine } from '../../protocols/operations.ts'
import { type Message, type NodeId, refOf } from '../../protocols/ref.ts'
import { AskError } from '../runtime/asks.ts'
import { Channel } from '../runtime/channel.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Cluster } from './cluster.ts'
import { ApiError } from './errors.ts'

/** Transitions that wait for a slow reader; beyond it the stream ends, because a gap would mislead. */
const maxWaitingTransitions = 1024
/** Pages of one node: some 64,000 actors. */
const maxPages = 64
/** Nodes that one search for circles of waits looks into. */
const maxSearchedNodes = 64
/** A node that does not say in time what it waits for is left out of the search. */
const searchedAnswerMs = 2000

type Tree = Static<typeof inspectorTree>
type Waiting = Static<typeof inspectorWaiting>

/** What an inspector's answers hold, checked when they crossed the link. */
const askInspector = <Answer>(cluster: Cluster, node: NodeId, message: Message, timeoutMs?: number) =>
  cluster.askRef(refOf(node, 'node/inspector'), message, timeoutMs) as Promise<unknown> as Promise<Answer>

/** One node's actors and counters, and the circles of waits that it takes part in. */
export async function inspect(cluster: Cluster, node: NodeId): Promise<Omit<InspectAnswer, 'node' | 'name'>> {
  const { actors, counters, dead } = await pullTree(cluster, node)
  // A node of an earlier version has neither counters nor anything to say of its asks.
  if (counters === undefined) return { actors }
  const searched = await search(cluster, node)
  const asks = searched.find((waits) => waits.node === node)?.asks ?? []
  return { actors, counters, dead: dead ?? [], asks: [...asks], deadlocks: findDeadlocks(searched) }
}

async function pullTree(cluster: Cluster, node: NodeId): Promise<Tree> {
  const actors: Tree['actors'] = []
  let after: number | undefined
  for (let pages = 0; pages < maxPages; pages++) {
    const message = { type: 'inspector.snapshot', ...(after === undefined ? {} : { after }) }
    const page = await askInspector<Tree>(cluster, node, message)
    actors.push(...page.actors)
    if (page.next === undefined) return { ...page, actors }
    after = page.next
  }
  return { actors }
}

/** What `node` waits for, and what those wait for that it waits for, and so on. */
async function search(cluster: Cluster, node: NodeId): Promise<NodeWaits[]> {
  const searched: NodeWaits[] = []
  const known = new Set([node])
  for (let wave = [node]; wave.length > 0; ) {
    const found = await Promise.all(wave.map((next) => waitsOf(cluster, next)))
    searched.push(...found)
    wave = [...new Set(found.flatMap(nodesWaitedFor))].filter((next) => !known.has(next))
    wave = wave.slice(0, maxSearchedNodes - known.size)
    for (const next of wave) known.add(next)
  }
  return searched
}

async function waitsOf(cluster: Cluster, node: NodeId): Promise<NodeWaits> {
  const message = { type: 'inspector.waits' }
  const answer = askInspector<Waiting>(cluster, node, message, searchedAnswerMs)
  return answer.then(
    ({ asks, owed }) => ({ node, asks, owed }),
    () => ({ node, asks: [], owed: [] }),
  )
}

/** What happened on a node after `cursor`; without one, what is kept. */
export async function recentFacts(
  cluster: Cluster,
  node: NodeId,
  cursor: number | undefined,
): Promise<Omit<FactsAnswer, 'node' | 'name'>> {
  const message = { type: 'inspector.recent', ...(cursor === undefined ? {} : { cursor }) }
  const answer = askInspector<Static<typeof inspectorNews>>(cluster, node, message)
  const {
    facts,
    cursor: next,
    missed,
  } = await answer.catch((error: Error) => {
    if (!(error.cause instanceof AskError) || error.cause.reason !== 'invalid') throw error
    throw new ApiError('not-found', 'that node runs an earlier version, which keeps no facts: update it')
  })
  return { facts, cursor: next, missed }
}

/** Starts an actor that follows `target` and ends with the signal; its transitions are the stream. */
export function follow(runtime: Runtime, target: string, signal: AbortSignal): Promise<AsyncIterable<TransitionLine>> {
  const id = `follower-${Buffer.from(runtime.world.bytes(6)).toString('hex')}`
  const follower = refOf(runtime.node, `node/inspector/${id}`)
  const stop = (): void => void runtime.tell(follower, { type: 'follower.stop' })
  const channel = new Channel<TransitionLine>({ highWater: maxWaitingTransitions, onCancel: stop })
  return new Promise((resolve, reject) => {
    const sink = {
      onFollowing: (found: boolean) => {
        if (found) resolve(linesOf(channel))
        else
          reject(
            new ApiError(
              'not-found',
              `there is no actor ${target.slice(target.indexOf('/') + 1)} to follow: omx-node inspect lists them`,
            ),
          )
      },
      push: ({ path, before, after, event, atMs }: TransitionNews) => {
        if (!channel.push({ path, from: before, to: after, event, at: atMs })) stop()
      },
      end: () => {
        channel.end()
        reject(new ApiError('not-found', 'the followed node does not answer'))
      },
    }
    signal.addEventListener('abort', stop, { once: true })
    runtime.spawn(
      { id, logic: followerMachine, input: { target, sink }, restart: 'temporary' },
      refOf(runtime.node, 'node/inspector'),
    )
  })
}

async function* linesOf(channel: Channel<TransitionLine>): AsyncGenerator<TransitionLine> {
  for await (const batch of channel) yield* batch
}
