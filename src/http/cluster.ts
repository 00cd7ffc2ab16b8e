/** What the routes need, by messages to this node's actors and, through them, to the others'. */
import type { TransferAnswer, TransferRequest } from '../../actors/courier.ts'
import type { ShownInstead } from '../../actors/model-catalog.ts'
import type { SubmitAnswer, SubmittedTask } from '../../actors/scheduler.ts'
import {
  type ClusterNode,
  type ClusterView,
  listLoaded,
  listModels,
  type Resolved,
  resolveModel,
  unresolved,
} from '../../actors/view.ts'
import type { Message, NodeId, Ref } from '../../protocols/ref.ts'
import { refOf } from '../../protocols/ref.ts'
import type { HeldModel, NodeReport } from '../../protocols/report.ts'
import { AskError } from '../runtime/asks.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { ApiError, type ErrorCode } from './errors.ts'
import { watchBoard } from './progress-lines.ts'
import type { Responses } from './responses.ts'
import { withSecondAttempt } from './second-attempt.ts'
import type { Answer, LoadedRow, NewRequest, Progress } from './services.ts'

/** An actor of this node answers within a turn or two; this is for one that is being restarted. */
const localAnswerMs = 5000
/** One of another node: a round trip, and reading a model's metadata from its disk. */
const remoteAnswerMs = 10_000
/** Characters of one model's metadata: some fifteen times the largest vocabulary in use. */
const maxShowLength = 128 * 1024 * 1024
/** Longest life of a request that names no deadline. */
const maxRequestMs = 24 * 60 * 60 * 1000

type SubmitRefused = Extract<SubmitAnswer, { type: 'task.refused' }>

/** What an ask that was not answered means to a client, where it is more than a defect of this node. */
const askRefusals: Partial<Record<AskError['reason'], ErrorCode>> = { full: 'busy', unreachable: 'link-lost' }

export interface ClusterInit {
  readonly runtime: Runtime
  readonly responses: Pick<Responses, 'open' | 'forget'>
  /** What is wrong with a model on this node's disk that is therefore not held; undefined when there is nothing. */
  readonly problemOf: (name: string) => string | undefined
}

/** Asks the actors; what an actor refuses is an ApiError. */
export class Cluster {
  readonly #runtime: Runtime
  readonly #responses: ClusterInit['responses']
  readonly #problemOf: ClusterInit['problemOf']

  constructor({ runtime, responses, problemOf }: ClusterInit) {
    this.#runtime = runtime
    this.#responses = responses
    this.#problemOf = problemOf
  }

  get self(): NodeId {
    return this.#runtime.node
  }

  async view(): Promise<ClusterView> {
    return (await this.ask('node/membership', { type: 'view.get' })).view as ClusterView
  }

  /** Asks an actor of this node. */
  ask(path: string, message: Message): Promise<Message> {
    return this.askRef(refOf(this.self, path), message, localAnswerMs)
  }

  async askRef(to: Ref, message: Message, timeoutMs = remoteAnswerMs): Promise<Message> {
    try {
      return await this.#runtime.ask(to, message, timeoutMs)
    } catch (error) {
      if (!(error instanceof AskError)) throw error
      const message = `${to.slice(to.indexOf('/') + 1)} did not answer (${error.reason}): try again`
      throw new ApiError(askRefusals[error.reason] ?? 'internal', message, { cause: error })
    }
  }

  async submit(request: NewRequest, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#submitOnce(request, signal)
    return withSecondAttempt(answer, () => this.#submitAgain(request, signal))
  }

  /** Nothing where nobody holds the name by now. */
  async #submitAgain(request: NewRequest, signal: AbortSignal): Promise<Answer | undefined> {
    const holders = resolveModel(await this.view(), request.model)?.holders ?? []
    await Promise.all(holders.map(({ node }) => this.#hear(node)))
    // Asked after what was heard: the scheduler knows it before it is asked in turn.
    if (resolveModel(await this.view(), request.model) === undefined) return undefined
    return await this.#submitOnce(request, signal)
  }

  async #submitOnce(request: NewRequest, signal: AbortSignal): Promise<Answer> {
    const id = this.#newId()
    const task = refOf(this.self, `node/tasks/${id}`)
    const response = this.#responses.open(id, () => this.#runtime.tell(task, { type: 'client.gone' }))
    const answer = (await this.ask('node/scheduler', { type: 'task.submit', task: submitted(request, id) }).catch(
      (error: unknown) => {
        this.#responses.forget(id)
        throw error
      },
    )) as SubmitAnswer & Message
    if (answer.type === 'task.refused') {
      this.#responses.forget(id)
      throw this.#refusal(answer, request.model)
    }
    if (signal.aborted) this.#runtime.tell(task, { type: 'client.gone' })
    return response
  }

  /** Unique in the cluster: this node's rising number and eight random bytes. */
  #newId(): string {
    return Buffer.from(this.#runtime.world.bytes(12)).toString('hex')
  }

  async find(name: string): Promise<HeldModel | undefined> {
    return resolveModel(await this.view(), name)?.model
  }

  async require(name: string): Promise<HeldModel> {
    const view = await this.view()
    const resolved = resolveModel(view, name)
    if (resolved === undefined) throw this.#refusal(unresolved(view, name), name)
    return resolved.model
  }

  #refusal({ code, message }: Pick<SubmitRefused, 'code' | 'message'>, model: string): ApiError {
    const problem = code === 'model-not-found' ? this.#problemOf(model) : undefined
    return problem === undefined ? new ApiError(code, message) : new ApiError('model-unusable', problem)
  }

  async models(): Promise<readonly HeldModel[]> {
    return listModels(await this.view())
  }

  async loaded(): Promise<readonly LoadedRow[]> {
    const view = await this.view()
    return listLoaded(view).flatMap(({ node, loaded }) => {
      const held = node.report?.models.find(({ digest }) => digest === loaded.digest)
      return held === undefined ? [] : [{ ...loaded, details: held.details }]
    })
  }

  /** The first holder that answers, this node first. */
  async show(name: string, verbose: boolean, instead: ShownInstead = {}): Promise<Record<string, unknown> | undefined> {
    const resolved = resolveModel(await this.view(), name)
    if (resolved === undefined) return undefined
    let failure: unknown
    for (const holder of nearestFirst(resolved)) {
      try {
        const text = await this.#showAt(holder, resolved.model, { verbose, ...instead })
        if (text !== undefined) return JSON.parse(text) as Record<string, unknown>
      } catch (error) {
        failure = error
      }
    }
    if (failure !== undefined) throw failure
    return undefined
  }

  /** The JSON from one holder, piece by piece; undefined when it does not hold the version after all. */
  async #showAt(
    { node, report }: ClusterNode,
    wanted: HeldModel,
    wishes: { readonly verbose: boolean } & ShownInstead,
  ): Promise<string | undefined> {
    // There the version may have other names, the one that was asked for among them or not.
    const same = report?.models.filter(({ digest }) => digest === wanted.digest) ?? []
    const name = (same.find((model) => model.name === wanted.name) ?? same[0])?.name
    let text = ''
    for (let totalLength = 1; text.length < totalLength; ) {
      const message = { type: 'models.show', name, ...wishes, offset: text.length }
      const answer = await this.askRef(refOf(node, 'node/models'), message)
      if (answer.problem !== undefined) throw new ApiError('store-failed', `${report?.name ?? node}: ${answer.problem}`)
      if (typeof answer.piece !== 'string' || answer.piece === '') return undefined
      text += answer.piece
      totalLength = Math.min(maxShowLength, answer.totalLength as number)
    }
    return text
  }

  async copy(source: string, destination: string): Promise<void> {
    const resolved = resolveModel(await this.view(), source)
    if (resolved === undefined) throw new ApiError('model-not-found', source)
    const message = { type: 'models.copy', source: resolved.model.name, destination }
    await this.#change(resolved.holders, message, source)
  }

  async remove(name: string): Promise<void> {
    const view = await this.view()
    const resolved = resolveModel(view, name)
    if (resolved === undefined) throw new ApiError('model-not-found', name)
    const holders = holdersOf(view, resolved.model.name)
    const digests = new Map(holders.map((holder) => [holder.node, digestOf(holder, resolved.model.name)]))
    await this.#change(holders, { type: 'models.delete', name: resolved.model.name }, name)
    for (const [node, digest] of digests) {
      if (digest !== undefined) await this.askRef(refOf(node, 'node/worker'), { type: 'engine.unload', digest })
    }
  }

  /** Asks every holder; found nowhere, it was not there. The first that could not says why, once all have been asked. */
  async #change(holders: readonly ClusterNode[], message: Message, name: string): Promise<void> {
    const answers = await Promise.all(
      holders.map(async ({ node, report }) => {
        const { found, problem } = await this.askRef(refOf(node, 'node/models'), message)
        return { found, problem: problem === null ? undefined : `${report?.name ?? node}: ${problem}` }
      }),
    )
    await Promise.all(holders.map(({ node }) => this.#hear(node)))
    const problem = answers.find((answer) => answer.problem !== undefined)?.problem
    if (problem !== undefined) throw new ApiError('store-failed', problem)
    if (!answers.some(({ found }) => found === true)) throw new ApiError('model-not-found', name)
  }

  /** Who changed something through this node sees it here at once: the report is fetched, where gossip would be late. */
  async #hear(node: NodeId): Promise<void> {
    if (node === this.self) return
    const answer = await this.askRef(refOf(node, 'node/reporter'), { type: 'report.request' }).catch(() => undefined)
    if (answer === undefined) return // Gossip brings it.
    const report = { ...(answer.report as NodeReport), node }
    this.#runtime.tell(refOf(this.self, 'node/membership'), { type: 'report.received', report })
  }

  async transfer(request: TransferRequest, signal: AbortSignal): Promise<Progress> {
    const listener = this.#newId()
    const answer = (await this.ask('node/courier', { type: 'transfer.join', request, listener })) as TransferAnswer &
      Message
    if (answer.type === 'transfer.refused') throw new ApiError('transfer-failed', answer.message)
    const { transfer, board } = answer
    const leave = () =>
      void this.#runtime.tell(refOf(this.self, 'node/courier'), { type: 'transfer.leave', transfer, listener })
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
    return watchBoard(board, signal)
  }

  async bring(name: string, signal: AbortSignal): Promise<Progress> {
    const resolved = resolveModel(await this.view(), name)
    if (resolved?.holders.some(({ node }) => node === this.self)) return nothingToTell()
    const direction = resolved === undefined ? 'pull' : 'fetch'
    return this.transfer({ direction, model: resolved?.model.name ?? name, insecure: false }, signal)
  }

  async unload(name: string): Promise<void> {
    const view = await this.view()
    const resolved = resolveModel(view, name)
    if (resolved === undefined) throw new ApiError('model-not-found', name)
    const { digest } = resolved.model
    const message = { type: 'engine.unload', digest }
    await Promise.all(resolved.holders.map(({ node }) => this.askRef(refOf(node, 'node/worker'), message)))
    await Promise.all(resolved.holders.map(({ node }) => this.#hear(node)))
  }
}

async function* nothingToTell(): Progress {}

const digestOf = ({ report }: ClusterNode, name: string): string | undefined =>
  report?.models.find((model) => model.name === name)?.digest

/** Every node in reach whose disk has this name, whatever version it means there. */
function holdersOf(view: ClusterView, name: string): ClusterNode[] {
  return [...view.values()].filter(
    ({ state, report }) =>
      (state === 'self' || state === 'healthy') &&
      report?.models.some((model) => model.name.toLowerCase() === name.toLowerCase()),
  )
}

function nearestFirst({ holders }: Resolved): ClusterNode[] {
  return holders.toSorted((a, b) => Number(b.state === 'self') - Number(a.state === 'self'))
}

function submitted({ keepAliveMs, deadlineMs, ...request }: NewRequest, id: string): SubmittedTask {
  const keepAlive = keepAliveMs === undefined ? {} : { keepAliveMs: Number.isFinite(keepAliveMs) ? keepAliveMs : -1 }
  return { ...request, id, traceId: id, limitMs: deadlineMs ?? maxRequestMs, ...keepAlive }
}
