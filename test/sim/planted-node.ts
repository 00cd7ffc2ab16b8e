/** Bugs in what a node does: its machines, its engines, its journal. */
import { accuses, type Claim } from '../../actors/claims.ts'
import { membershipMachine } from '../../actors/membership.ts'
import { modelsMachine } from '../../actors/models.ts'
import { claimOf, learn } from '../../actors/roster.ts'
import { schedulerMachine } from '../../actors/scheduler.ts'
import type { AcceptedTask } from '../../actors/task-journal.ts'
import type { TreeInit } from '../../actors/tree.ts'
import type { ClusterView } from '../../actors/view.ts'
import type { InferFrame, InferStream } from '../../protocols/infer.ts'
import type { HeldModel } from '../../protocols/report.ts'
import type { LoadedEngine } from '../../src/engine/driver.ts'
import { assign, fromPromise } from '../../src/runtime/logic.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { withAttempt } from './attempts.ts'
import type { Sabotage } from './cluster.ts'
import type { SimulatedNodeInit } from './node.ts'
import type { NodeWorld } from './node-world.ts'
import { altered, everyOther, withRuntime, withTree } from './planted-kit.ts'

const working: InferFrame = { kind: 'progress', phase: 'prefill', done: 0, total: 1 }

/** Works for ever on what it has finished. */
async function* withoutEnd(stream: InferStream, world: NodeWorld): AsyncGenerator<readonly InferFrame[]> {
  for await (const batch of stream) {
    if (batch.at(-1)?.kind === 'done') break
    yield batch
  }
  for (;;) {
    await new Promise<void>((resolve) => {
      world.setTimeout(resolve, 1000)
    })
    yield [working]
  }
}

type Infer = LoadedEngine['infer']

/** Engines that compute otherwise; what they really do is still looked at. */
function withEngines(init: SimulatedNodeInit, change: (infer: Infer, world: NodeWorld) => Infer): SimulatedNodeInit {
  const watchDriver: SimulatedNodeInit['watchDriver'] = (driver, world) => {
    const watched = init.watchDriver?.(driver, world) ?? driver
    return {
      name: driver.name,
      load: async (...args) => {
        const engine = await watched.load(...args)
        const infer = change(engine.infer.bind(engine), world)
        return new Proxy(engine, { get: (target, name) => (name === 'infer' ? infer : Reflect.get(target, name)) })
      },
    }
  }
  return { ...init, watchDriver }
}

export const forgetfulWorker: Sabotage = (_, init) => {
  const isForgotten = everyOther()
  return withEngines(
    init,
    (infer, world) => (request) => (isForgotten() ? withoutEnd(infer(request), world) : infer(request)),
  )
}

/** Engines that do not hear that nobody waits for an answer any more. */
export const deafEngine: Sabotage = (_, init) => {
  const deaf = (stream: InferStream): InferStream => ({
    [Symbol.asyncIterator]: () => {
      const frames = stream[Symbol.asyncIterator]()
      return { next: () => frames.next(), return: () => Promise.resolve({ done: true, value: undefined }) }
    },
  })
  return withEngines(init, (infer) => (request) => deaf(infer(request)))
}

const withScheduler = (actions: object): Sabotage =>
  withTree((init) => {
    const logic = schedulerMachine.provide({ actions } as never)
    return { ...init, scheduler: { ...init.scheduler, logic } }
  })

/** A scheduler that is told another view than the present one. */
const withView = (viewOf: (told: ClusterView, known: ClusterView) => ClusterView): Sabotage =>
  withScheduler({
    noteView: assign(({ context, event }: { context: unknown; event: unknown }) => {
      const { view: known } = context as { view: ClusterView }
      const { view: told } = event as { view: ClusterView }
      return { view: viewOf(told, known), heard: new Map() } as never
    }),
  })

/** A scheduler for which everybody is well. */
export const blindScheduler = withView(
  (told) => new Map([...told].map(([node, row]) => [node, { ...row, unfit: '' }] as const)),
)

/** A scheduler that believes for ever what it was told first. */
export const firstView = withView((told, known) => (known.size > 0 ? known : told))

/** The scheduler does not hear of every other task that ends. */
export const lostNotice: Sabotage = (node, init) => {
  const isLost = everyOther()
  const release = (given: never): void => {
    if (!isLost()) schedulerMachine.implementations.actions.release?.(given, undefined as never)
  }
  return withScheduler({ release })(node, init)
}

/** What was said of an earlier incarnation is taken for the present one. */
export const staleClaim = withTree((init) => {
  const logic = membershipMachine.provide({
    actions: {
      learnClaims: assign(({ context, event }: { context: unknown; event: unknown }) => {
        const { roster } = context as { roster: Parameters<typeof learn>[0] }
        const { claims = [], rows = [] } = event as { claims?: readonly Claim[]; rows?: readonly Claim[] }
        const present = [...claims, ...rows].map((claim) => {
          const incarnation = Math.max(claim.incarnation, claimOf(roster, claim.node)?.incarnation ?? 0)
          return accuses(claim) ? { ...claim, incarnation } : claim
        })
        return { roster: learn(roster, { type: 'members.claims', claims: present }, 0) } as never
      }),
    },
  } as never)
  return { ...init, membership: { ...init.membership, logic } }
})

/** Every other token that a client is given, it is given twice. */
export const repeatedToken: Sabotage = (_, init) => ({
  ...init,
  onResponses: (responses) => {
    const isRepeated = everyOther()
    const open = responses.open.bind(responses)
    responses.open = (id, onGone) => {
      const response = open(id, onGone)
      const push = response.push.bind(response)
      response.push = (frame) => {
        const hasRoom = push(frame)
        return frame.kind === 'token' && isRepeated() ? push(frame) : hasRoom
      }
      return response
    }
  },
})

export const unwrittenEnd: Sabotage = (_, init) => {
  const isUnwritten = everyOther()
  return altered(init, {
    journal: (journal) => ({
      accepted: (task) => journal.accepted(task),
      ended: (id, end) => {
        if (!isUnwritten()) journal.ended(id, end)
      },
    }),
  })
}

/** A task's attempt goes on when its task has moved on. */
export const attemptThatStays = withTree((init) =>
  withAttempt(init, (begin) => (given) => {
    begin(given)
    return undefined
  }),
)

/** What the worker of a lost attempt computed is taken when it comes, whoever computes it meanwhile. */
export const lateCompletion: Sabotage = (node, init) => {
  let running: Runtime | undefined
  const result = { promptTokens: 1, cachedTokens: 0, promptNs: 0, evalTokens: 0, evalNs: 0, loadNs: 0 }
  const frame: InferFrame = { kind: 'done', reason: 'stop', ...result }
  const tree = (given: TreeInit): TreeInit =>
    withAttempt(given, (begin) => (attempt) => {
      const task = `${node}/node/tasks/${attempt.input.request.id}`
      const sendBack: typeof attempt.sendBack = (event) => {
        attempt.sendBack(event)
        if (event.type === 'attempt.failed') running?.tell(task, { type: 'attempt.done', frame })
      }
      return begin({ ...attempt, sendBack })
    })
  const noted = withRuntime(init, (runtime) => {
    running = runtime
  })
  return altered(noted, { tree })
}

/** Every other end is written once more, as a new task's. */
export const secondEnd: Sabotage = (_, init) => {
  const isTwice = everyOther()
  const tasks = new Map<string, AcceptedTask>()
  return altered(init, {
    journal: (journal) => ({
      accepted: (task) => {
        tasks.set(task.id, task)
        journal.accepted(task)
      },
      ended: (id, end) => {
        journal.ended(id, end)
        const task = tasks.get(id)
        if (task === undefined || !isTwice()) return
        journal.accepted(task)
        journal.ended(id, end)
      },
    }),
  })
}

/** The disk is read once in a life. */
export const firstScan = withTree((init) => {
  const { scan } = (init.models.logic as typeof modelsMachine).implementations.actors
  const read = (scan as unknown as { config: (given: object) => Promise<readonly HeldModel[]> }).config
  let first: Promise<readonly HeldModel[]> | undefined
  const once = fromPromise((given) => {
    first ??= read(given)
    return first
  })
  const logic = (init.models.logic as typeof modelsMachine).provide({ actors: { scan: once as never } })
  return { ...init, models: { ...init.models, logic } }
})

/** Versions are told apart by their names. */
export const unseenVersion = withTree((init) => {
  const { tellReporter } = modelsMachine.implementations.actions
  const namesOf = (models: readonly HeldModel[] = []): string => models.map(({ name }) => name).join()
  const tellNames = (given: { context: { models?: readonly HeldModel[] } }, told: { models: readonly HeldModel[] }) => {
    if (namesOf(given.context.models) !== namesOf(told.models)) tellReporter?.(given as never, told)
  }
  const logic = (init.models.logic as typeof modelsMachine).provide({ actions: { tellReporter: tellNames as never } })
  return { ...init, models: { ...init.models, logic } }
})
