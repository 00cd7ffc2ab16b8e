/** The libp2p host as the logic of the network actor: opened when it starts, closed when it stops. */
import type { NetworkEvent } from '../../actors/network.ts'
import type { NodeId } from '../../protocols/ref.ts'
import { decodeReport } from '../../protocols/report-codec.ts'
import { here } from '../runtime/here.ts'
import { fromCallback } from '../runtime/logic.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Host, HostEvents } from './host.ts'

export interface HostLogicInit {
  readonly runtime: Runtime
  /** Opens the network: a real one, or one that a test holds in its hands. */
  readonly open: (events: HostEvents) => Promise<Host>
  readonly serve: HostEvents['serve']
  readonly openFile: HostEvents['openFile']
  /** The host while it is open. */
  readonly onHost: (host: Host | undefined) => void
  readonly onFailed: (error: Error) => void
  readonly onViolation: (from: NodeId, error: Error) => void
}

export function hostLogic(init: HostLogicInit) {
  return fromCallback<NetworkEvent>(({ sendBack, system }) => {
    let stopped = false
    const { tell, local } = here(system)
    const send = (event: NetworkEvent): void => {
      if (!stopped) sendBack(event as never)
    }
    const opening = init.open(eventsOf(init, send, (from, bytes) => onReport(from, bytes)))
    const onReport = (from: NodeId, bytes: Uint8Array): void => {
      try {
        tell(local('node/membership'), { type: 'report.gossiped', from, report: decodeReport(bytes) })
      } catch (error) {
        init.onViolation(from, error as Error)
      }
    }
    opening.then(
      (host) => {
        if (stopped) return void host.close()
        init.runtime.connect(host.carrier)
        init.onHost(host)
        send({ type: 'host.open', addresses: host.addresses() })
      },
      (error: Error) => {
        init.onFailed(error)
        send({ type: 'host.failed', error })
      },
    )
    return () => {
      stopped = true
      init.runtime.connect(undefined)
      init.onHost(undefined)
      void opening.then((host) => host.close()).catch(() => {}) // One that could not be opened was reported above.
    }
  })
}

function eventsOf(
  { runtime, serve, openFile, onViolation }: HostLogicInit,
  send: (event: NetworkEvent) => void,
  onReport: (from: NodeId, bytes: Uint8Array) => void,
): HostEvents {
  return {
    onConnected: (node) => {
      runtime.linkUp(node)
      send({ type: 'link.up', node })
    },
    onDisconnected: (node) => send({ type: 'link.down', node }),
    onDiscovered: (node, addresses) => send({ type: 'peer.found', node, addresses }),
    onFrame: (from, body) => runtime.receive(from, body),
    onFramesLost: (node, bodies) => runtime.framesLost(node, bodies),
    onStreamLost: (node) => runtime.linkUp(node),
    onReport,
    onViolation,
    admits: () => true,
    serve,
    openFile,
  }
}
