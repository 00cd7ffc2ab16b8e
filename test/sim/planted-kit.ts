/** How a bug is planted: through what a node is given from outside, never by a flag in the product. */
import type { TreeInit } from '../../actors/tree.ts'
import type { Host } from '../../src/net/host.ts'
import type { Spec } from '../../src/runtime/cell.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import type { Sabotage } from './cluster.ts'
import type { SimulatedHost } from './host.ts'
import { hooked, type OnStart } from './incarnations.ts'
import type { Alterations, SimulatedNodeInit } from './node.ts'

/** True for the second of two, and so on. */
export function everyOther(): () => boolean {
  let count = 0
  return () => ++count % 2 === 0
}

export const altered = (init: SimulatedNodeInit, alter: Alterations): SimulatedNodeInit => ({ ...init, alter })

export const withTree =
  (change: (init: TreeInit) => TreeInit): Sabotage =>
  (_, init) =>
    altered(init, { tree: change })

/** A host with some of its methods replaced. */
export function withHost(change: (host: SimulatedHost) => Partial<Host>): Sabotage {
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

export function withRuntime(init: SimulatedNodeInit, change: (runtime: Runtime) => void): SimulatedNodeInit {
  return {
    ...init,
    onRuntime: (runtime) => {
      init.onRuntime?.(runtime)
      change(runtime)
    },
  }
}

/** Every incarnation is given a door with something amiss. */
export const withIncarnations =
  (change: OnStart): Sabotage =>
  (_, init) =>
    altered(init, { spec: hooked(change) })

export const withSpecs = (change: (spec: Spec) => Partial<Spec>): Sabotage => {
  const changed = (spec: Spec): Spec => ({ ...spec, ...change(spec), children: (spec.children ?? []).map(changed) })
  return (_, init) => altered(init, { spec: changed })
}
