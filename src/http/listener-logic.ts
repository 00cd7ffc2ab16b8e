/** The listener as the logic of the `ollama-api` actor: bound once the node can answer, drained when told, closed when it stops. */
import type { ListenerEvent } from '../../actors/ollama-api.ts'
import { fromCallback } from '../runtime/logic.ts'
import { type Listener, type ListenerInit, startListener } from './listener.ts'

export interface ListenerLogicInit extends ListenerInit {
  /** Resolves once this node knows what it has: nobody is told before that a model is missing. */
  readonly ready: () => Promise<void>
  readonly onFailed: (error: Error) => void
  readonly onOpen: (listener: Listener) => void
}

export function listenerLogic(init: ListenerLogicInit) {
  return fromCallback<{ type: 'drain' }>(({ sendBack, receive }) => {
    const send = (event: ListenerEvent): void => sendBack(event as never)
    const starting = init.ready().then(() => startListener(init))
    starting.then(
      (listener) => {
        const { host, port } = listener.address
        init.onOpen(listener)
        send({ type: 'listener.open', api: `${host.includes(':') ? `[${host}]` : host}:${port}` })
      },
      (error: Error) => {
        init.onFailed(error)
        send({ type: 'listener.failed', error })
      },
    )
    receive(() => {
      void starting.then((listener) => listener.drain()).then(() => send({ type: 'listener.drained' }))
    })
    return () => {
      void starting.then((listener) => listener.close()).catch(() => {}) // One that could not start was reported above.
    }
  })
}
