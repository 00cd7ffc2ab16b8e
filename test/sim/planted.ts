/** Bugs that are planted through what a node is given from outside, and the checker that is to find each. */
import { accuses, type Claim } from '../../actors/claims.ts'
import { membershipMachine } from '../../actors/membership.ts'
import { modelsMachine } from '../../actors/models.ts'
import { claimOf, learn } from '../../actors/roster.ts'
import { schedulerMachine } from '../../actors/scheduler.ts'
import type { AcceptedTask } from '../../actors/task-journal.ts'
import type { TreeInit } from '../../actors/tree.ts'
import { decodeActorFrame } from '../../protocols/actor.ts'
import type { InferFrame, InferStream } from '../../protocols/infer.ts'
import type { HeldModel } from '../../protocols/report.ts'
import type { Host } from '../../src/net/host.ts'
import type { Spec } from '../../src/runtime/cell.ts'
import { here } from '../../src/runtime/here.ts'
import { assign, fromPromise } from '../../src/runtime/logic.ts'
import { defaultMailboxCapacity } from '../../src/runtime/mailbox.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { withAttempt } from './attempts.ts'
import type { Sabotage } from './cluster.ts'
import type { SimulatedHost } from './host.ts'
import { hooked, type OnStart } from './incarnations.ts'
import type { Alterations, SimulatedNodeInit } from './node.ts'
import type { NodeWorld } from './node-world.ts'

export interface PlantedBug {
  readonly name: string
  /** The checker that is to find it. */
  readonly checker: string
  readonly sabotage: Sabotage
}

/** True for the second of two, and so on. */
function everyOther(): () => boolean {
  let count = 0
  return () => ++count % 2 === 0
}

const altered = (init: SimulatedNodeInit, alter: Alterations): SimulatedNodeInit => ({ ...init, alter })

const withTree =
  (change: (init: TreeInit) => TreeInit): Sabotage =>
  (_, init) =>
    altered(init, { tree: change })

/** A host with some of its methods replaced. */
function withHost(change: (host: SimulatedHost) => Partial<Host>): Sabotage {
  const replaced = (host: SimulatedHost): Host => {
    const changed = change(host) as Record<PropertyKey, unknown>
    return new Proxy(host, {
      get: (target, name) => {
        const value = name in changed ? changed[name] : Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
  return (_, init) => altered(init, { host: replaced })
}

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

const forgetfulWorker: Sabotage = (_, init) => {
  const isForgotten = everyOther()
  const watchDriver: SimulatedNodeInit['watchDriver'] = (driver, world) => {
    const watched = init.watchDriver?.(driver, world) ?? driver
    return {
      name: driver.name,
      load: async (...args) => {
        const engine = await watched.load(...args)
        const infer = engine.infer.bind(engine)
        const forgetful = (request: Parameters<typeof infer>[0]) =>
          isForgotten() ? withoutEnd(infer(request), world) : infer(request)
        return new Proxy(engine, { get: (target, name) => (name === 'infer' ? forgetful : Reflect.get(target, name)) })
      },
    }
  }
  return { ...init, watchDriver }
}

/** The scheduler does not hear of every other task that ends. */
const lostNotice = withTree((init) => {
  const isLost = everyOther()
  const logic = schedulerMachine.provide({
    actions: {
      release: (given: never) => {
        if (!isLost()) schedulerMachine.implementations.actions.release?.(given, undefined as never)
      },
    },
  } as never)
  return { ...init, scheduler: { ...init.scheduler, logic } }
})

/** What was said of an earlier incarnation is taken for the present one. */
const staleClaim = withTree((init) => {
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

/** Who was out of reach once is never dialled again, nor let in. */
const partitionIsDeath: Sabotage = (_, init) => {
  const dead = new Set<string>()
  return {
    ...init,
    onRuntime: (runtime) => {
      init.onRuntime?.(runtime)
      const nodeDown = runtime.nodeDown.bind(runtime)
      runtime.nodeDown = (node) => {
        dead.add(node)
        nodeDown(node)
      }
      const receive = runtime.receive.bind(runtime)
      runtime.receive = (from, frame) => {
        if (!dead.has(from)) receive(from, frame)
      }
    },
  }
}

/** A disk that begins the same life again and again. */
const sameLife: Sabotage = (_, init) => {
  init.disk.beginLife = () => 1_000_000
  return init
}

/** Every other token that a client is given, it is given twice. */
const repeatedToken: Sabotage = (_, init) => ({
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

const unwrittenEnd: Sabotage = (_, init) => {
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

/** Every hundredth frame leaves with its last byte changed. */
const flippedByte = withHost((host) => {
  let frames = 0
  const send = (to: string, frame: Uint8Array): boolean => {
    if (++frames % 100 > 0) return host.carrier.send(to, frame)
    const flipped = frame.slice()
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 0x80
    return host.carrier.send(to, flipped)
  }
  return { carrier: { send } }
})

/** Whoever watches a task hears of its end twice. */
const echoedNotice: Sabotage = (_, init) => ({
  ...init,
  onRuntime: (runtime: Runtime) => {
    init.onRuntime?.(runtime)
    runtime.facts.observe(['exited'], ({ ref, epoch, exit }) => {
      if (!ref.includes('/tasks/')) return
      runtime.tell(`${runtime.node}/node/scheduler`, { type: 'actor.down', ref, epoch, exit })
    })
  },
})

/** A task's attempt goes on when its task has moved on. */
const attemptThatStays = withTree((init) =>
  withAttempt(init, (begin) => (given) => {
    begin(given)
    return undefined
  }),
)

/** What the worker of a lost attempt computed is taken when it comes, whoever computes it meanwhile. */
const lateCompletion: Sabotage = (node, init) => {
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
  return altered(
    withRuntime(init, (runtime) => void (running = runtime)),
    { tree },
  )
}

/** Every other end is written once more, as a new task's. */
const secondEnd: Sabotage = (_, init) => {
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

function withRuntime(init: SimulatedNodeInit, change: (runtime: Runtime) => void): SimulatedNodeInit {
  return {
    ...init,
    onRuntime: (runtime) => {
      init.onRuntime?.(runtime)
      change(runtime)
    },
  }
}

/** Every incarnation is given a door with something amiss. */
const withIncarnations =
  (change: OnStart): Sabotage =>
  (_, init) =>
    altered(init, { spec: hooked(change) })

/** Every other watch is lost. */
const forgottenWatch = withIncarnations(({ system }) => {
  const isForgotten = everyOther()
  const door = here(system)
  const { watch } = door
  Object.assign(door, { watch: (ref: string) => void (isForgotten() || watch(ref)) })
})

/** What an actor waits for comes also when it has ended. */
const keptTimers: Sabotage = (_, init) =>
  withRuntime(init, ({ world }) => {
    world.clearTimeout = () => {}
  })

/** A process whose end its world does not notice. */
const undeadProcess: Sabotage = (_, init) =>
  withRuntime(init, ({ world }) => {
    ;(world as NodeWorld).kill = () => {}
  })

const withSpecs = (change: (spec: Spec) => Partial<Spec>): Sabotage => {
  const changed = (spec: Spec): Spec => ({ ...spec, ...change(spec), children: (spec.children ?? []).map(changed) })
  return (_, init) => altered(init, { spec: changed })
}

const oneMore = withSpecs(({ mailboxCapacity = defaultMailboxCapacity }) => ({ mailboxCapacity: mailboxCapacity + 1 }))

/** Its root goes on restarting what ends again and again. */
const withoutIntensity = withSpecs(({ policy }) => ({ policy: { ...policy, intensity: 1000 } }))

/** Frames that a link gives back are dropped, every other time. */
const droppedFrames: Sabotage = (_, init) => {
  const isDropped = everyOther()
  return withRuntime(init, (runtime) => {
    const framesLost = runtime.framesLost.bind(runtime)
    runtime.framesLost = (node, frames) => {
      if (!isDropped()) framesLost(node, frames)
    }
  })
}

/** What is no frame is passed over without a word. */
const swallowedGarbage: Sabotage = (_, init) =>
  withRuntime(init, (runtime) => {
    const receive = runtime.receive.bind(runtime)
    runtime.receive = (from, frame) => {
      try {
        decodeActorFrame(frame)
      } catch {
        return
      }
      receive(from, frame)
    }
  })

/** The disk is read once in a life. */
const firstScan = withTree((init) => {
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
const unseenVersion = withTree((init) => {
  const { tellReporter } = modelsMachine.implementations.actions
  const namesOf = (models: readonly HeldModel[] = []): string => models.map(({ name }) => name).join()
  const tellNames = (given: { context: { models?: readonly HeldModel[] } }, told: { models: readonly HeldModel[] }) => {
    if (namesOf(given.context.models) !== namesOf(told.models)) tellReporter?.(given as never, told)
  }
  const logic = (init.models.logic as typeof modelsMachine).provide({ actions: { tellReporter: tellNames as never } })
  return { ...init, models: { ...init.models, logic } }
})

export const plantedBugs: readonly PlantedBug[] = [
  { name: 'a worker that forgets to end an answer', checker: 'lost-request', sabotage: forgetfulWorker },
  {
    name: 'a claim about an earlier incarnation that counts for the present one',
    checker: 'membership',
    sabotage: staleClaim,
  },
  { name: 'a notice of an end that is dropped', checker: 'supervision', sabotage: lostNotice },
  { name: 'a partition that is read as death', checker: 'membership', sabotage: partitionIsDeath },
  {
    name: 'a restart without a larger life',
    checker: 'membership',
    sabotage: sameLife,
  },
  { name: 'a token that is given twice', checker: 'one-end', sabotage: repeatedToken },
  { name: 'an end that the journal does not write', checker: 'lost-request', sabotage: unwrittenEnd },
  { name: 'a byte that changes on its way', checker: 'wire', sabotage: flippedByte },
  { name: 'a notice of an end that comes twice', checker: 'watches', sabotage: echoedNotice },
  { name: 'an attempt that goes on when its task has moved on', checker: 'fencing', sabotage: attemptThatStays },
  { name: 'a result that counts when its task has moved on', checker: 'fencing', sabotage: lateCompletion },
  { name: 'an end that is written twice', checker: 'fencing', sabotage: secondEnd },
  { name: 'a watch that is forgotten', checker: 'watches', sabotage: forgottenWatch },
  { name: 'timers that a restart does not cancel', checker: 'timers', sabotage: keptTimers },
  { name: 'a process that goes on after its death', checker: 'timers', sabotage: undeadProcess },
  { name: 'a supervisor that restarts without end', checker: 'supervision', sabotage: withoutIntensity },
  { name: 'a mailbox that takes one more than its capacity', checker: 'bounds', sabotage: oneMore },
  { name: 'lost frames that nobody buries', checker: 'books', sabotage: droppedFrames },
  { name: 'garbage that nobody rejects', checker: 'wire', sabotage: swallowedGarbage },
  { name: 'a disk that is read once', checker: 'agreement', sabotage: firstScan },
  { name: 'a new version that is taken for the old one', checker: 'agreement', sabotage: unseenVersion },
]
