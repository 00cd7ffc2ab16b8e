/**
 * Who supervises whom, as data. A manager stands before the pure supervisor of its workers, and the root is rest_for_one:
 * when one ends, those that depend on it start anew with it, in this order. `docs/architecture.md` draws it.
 */
import type { Spec } from '../src/runtime/cell.ts'
import { type AnyActorLogic, fromTransition } from '../src/runtime/logic.ts'
import type { Policy } from '../src/runtime/supervise.ts'
import type { CourierInput } from './courier.ts'
import type { HealthInput } from './health.ts'
import type { InspectorInput } from './inspector.ts'
import type { MembershipInput } from './membership.ts'
import type { ModelsInput } from './models.ts'
import type { ReporterInput } from './reporter.ts'
import type { SchedulerInput } from './scheduler.ts'
import type { WorkerInput } from './worker.ts'

/** Machines with their outside provided once, and what each starts with. */
export interface TreeInit {
  readonly reporter: { readonly logic: AnyActorLogic; readonly input: ReporterInput }
  readonly network: { readonly logic: AnyActorLogic }
  readonly membership: { readonly logic: AnyActorLogic; readonly input: MembershipInput }
  readonly prober: AnyActorLogic
  readonly joiner: AnyActorLogic
  readonly joinAddresses: readonly string[]
  readonly models: { readonly logic: AnyActorLogic; readonly input: ModelsInput }
  readonly worker: { readonly logic: AnyActorLogic; readonly input: WorkerInput }
  readonly health: { readonly logic: AnyActorLogic; readonly input: HealthInput }
  readonly scheduler: { readonly logic: AnyActorLogic; readonly input: SchedulerInput }
  readonly courier: { readonly logic: AnyActorLogic; readonly input: CourierInput }
  readonly ollamaApi: { readonly logic: AnyActorLogic }
  readonly inspector: { readonly logic: AnyActorLogic; readonly input: InspectorInput }
}

/** Supervises and does nothing else. */
const supervisor = fromTransition((state: null) => state, null)

/** Time for the goodbyes to leave before the network closes. */
const goodbyeMs = 500

/**
 * A model whose process dies again and again must cost no other model its memory: the pauses grow to 15 s, so that this
 * intensity is out of one engine's reach.
 */
const enginesPolicy: Partial<Policy> = {
  intensity: 100,
  periodMs: 60_000,
  backoff: { minMs: 200, maxMs: 15_000, jitter: 0.2 },
}

/** A peer's actor that fails says nothing about the others. */
const peersPolicy: Partial<Policy> = { intensity: 100, periodMs: 60_000 }

export const joinerPath = (index: number): string => `node/joiners/${index}`

export function tree(init: TreeInit): Spec {
  const joiners = init.joinAddresses.map(
    (address, index): Spec => ({ id: String(index), logic: init.joiner, input: { address }, restart: 'permanent' }),
  )
  return {
    id: 'node',
    logic: supervisor,
    policy: { strategy: 'rest_for_one' },
    children: [
      { id: 'reporter', ...init.reporter, restart: 'permanent' },
      { id: 'network', ...init.network, restart: 'permanent' },
      { id: 'membership', ...init.membership, restart: 'permanent', shutdownMs: goodbyeMs, mailboxCapacity: 8192 },
      { id: 'peers', logic: supervisor, policy: peersPolicy, restart: 'permanent' },
      { id: 'prober', logic: init.prober, restart: 'permanent', mailboxCapacity: 8192 },
      { id: 'joiners', logic: supervisor, restart: 'permanent', children: joiners },
      { id: 'models', ...init.models, restart: 'permanent' },
      { id: 'worker', ...init.worker, restart: 'permanent', mailboxCapacity: 8192 },
      { id: 'engines', logic: supervisor, policy: enginesPolicy, restart: 'permanent' },
      { id: 'health', ...init.health, restart: 'permanent' },
      { id: 'scheduler', ...init.scheduler, restart: 'permanent', mailboxCapacity: 16_384 },
      { id: 'tasks', logic: supervisor, restart: 'permanent' },
      { id: 'courier', ...init.courier, restart: 'permanent' },
      { id: 'transfers', logic: supervisor, restart: 'permanent' },
      { id: 'ollama-api', ...init.ollamaApi, restart: 'permanent' },
      { id: 'inspector', ...init.inspector, restart: 'permanent' },
    ],
  }
}
