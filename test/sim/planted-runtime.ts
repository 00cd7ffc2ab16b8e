/** Bugs in what carries a node: its runtime, its network, its process. */
import { actorProtocol, decodeActorFrame } from '../../protocols/actor.ts'
import { here } from '../../src/runtime/here.ts'
import { defaultMailboxCapacity } from '../../src/runtime/mailbox.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import type { Sabotage } from './cluster.ts'
import type { Listening } from './network.ts'
import type { NodeWorld } from './node-world.ts'
import { everyOther, withHost, withIncarnations, withRuntime, withSpecs } from './planted-kit.ts'
import type { SimulatedStream } from './stream.ts'

/** How soon what was refused is offered again. */
const retryMs = 50

/** Who was out of reach once is never dialled again, nor let in. */
export const partitionIsDeath: Sabotage = (_, init) => {
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
export const sameLife: Sabotage = (_, init) => {
  init.disk.beginLife = () => 1_000_000
  return init
}

/** Every hundredth frame leaves with its last byte changed. */
export const flippedByte = withHost((host) => {
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
export const echoedNotice: Sabotage = (_, init) => ({
  ...init,
  onRuntime: (runtime: Runtime) => {
    init.onRuntime?.(runtime)
    runtime.facts.observe(['exited'], ({ ref, epoch, exit }) => {
      if (!ref.includes('/tasks/')) return
      runtime.tell(`${runtime.node}/node/scheduler`, { type: 'actor.down', ref, epoch, exit })
    })
  },
})

/** Every other watch is lost. */
export const forgottenWatch = withIncarnations(({ system }) => {
  const isForgotten = everyOther()
  const door = here(system)
  const { watch } = door
  Object.assign(door, { watch: (ref: string) => void (isForgotten() || watch(ref)) })
})

/** What an actor waits for comes also when it has ended. */
export const keptTimers: Sabotage = (_, init) =>
  withRuntime(init, ({ world }) => {
    world.clearTimeout = () => {}
  })

/** A process whose end its world does not notice. */
export const undeadProcess: Sabotage = (_, init) =>
  withRuntime(init, ({ world }) => {
    ;(world as NodeWorld).kill = () => {}
  })

export const oneMore = withSpecs(({ mailboxCapacity = defaultMailboxCapacity }) => ({
  mailboxCapacity: mailboxCapacity + 1,
}))

/** Its root goes on restarting what ends again and again. */
export const withoutIntensity = withSpecs(({ policy }) => ({ policy: { ...policy, intensity: 1000 } }))

/** Frames that a link gives back are dropped, every other time. */
export const droppedFrames: Sabotage = (_, init) => {
  const isDropped = everyOther()
  return withRuntime(init, (runtime) => {
    const framesLost = runtime.framesLost.bind(runtime)
    runtime.framesLost = (node, frames) => {
      if (!isDropped()) framesLost(node, frames)
    }
  })
}

/** What a carrier refuses waits here until it takes it, however much that is. */
export const endlessOutbox: Sabotage = (node, init) => {
  const { world } = init.network
  const sabotage = withHost((host) => {
    const send = (to: string, frame: Uint8Array): boolean => {
      if (host.carrier.send(to, frame)) return true
      if (!host.connected(to)) return false
      world.setTimeout(() => void send(to, frame), retryMs)
      return true
    }
    return { carrier: { send } }
  })
  return sabotage(node, init)
}

/** Now and then a link loses what its stream has brought, and its connection stands. */
export const leakyLink: Sabotage = (_, init) => {
  let messages = 0
  const leaky = (stream: SimulatedStream): SimulatedStream => {
    const listen = stream.addEventListener.bind(stream)
    const isLost = (): boolean => ++messages % 50 === 0
    const leak = (type: string, listener: (event: unknown) => void): void =>
      listen(type as 'message', (event) => {
        if (type !== 'message' || !isLost()) listener(event)
      })
    return stream.protocol === actorProtocol ? Object.assign(stream, { addEventListener: leak }) : stream
  }
  const listen = ({ init: given, onAccepted }: Listening): (() => void) =>
    init.network.listen({
      onAccepted,
      init: { ...given, onStream: (stream, end) => given.onStream(leaky(stream), end) },
    })
  const network = new Proxy(init.network, {
    get: (target, name) => {
      const value = name === 'listen' ? listen : Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { ...init, network }
}

/** What is no frame is passed over without a word. */
export const swallowedGarbage: Sabotage = (_, init) =>
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
