/**
 * What is sent on a connection within one turn of the event loop leaves as one write. Yamux sends a header, a body and a
 * window update each by itself; every one of them would be a TLS record, a system call and an event at the other end,
 * which together cost more than the rest of a small request.
 */
import type { ConnectionEncrypter, MessageStream, SecuredConnection } from '@libp2p/interface'

/** One TLS record: beyond it there is nothing to be won by waiting. */
const maxWaitingBytes = 16 * 1024

/** The encrypter that `create` makes, with connections that coalesce. */
export function coalesced<Components>(create: (components: Components) => ConnectionEncrypter) {
  return (components: Components): ConnectionEncrypter => {
    const encrypter = create(components)
    const secureInbound = encrypter.secureInbound.bind(encrypter)
    const secureOutbound = encrypter.secureOutbound.bind(encrypter)
    const within = (secured: SecuredConnection): SecuredConnection => {
      coalesce(secured.connection)
      return secured
    }
    encrypter.secureInbound = async (connection, options) => within(await secureInbound(connection, options))
    encrypter.secureOutbound = async (connection, options) => within(await secureOutbound(connection, options))
    return encrypter
  }
}

type Bytes = Parameters<MessageStream['send']>[0]

/** Changes the connection itself: its muxer, and whoever else holds it, must see one order of bytes. */
export function coalesce(connection: MessageStream): void {
  const send = connection.send.bind(connection)
  const close = connection.close.bind(connection)
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  let timer: NodeJS.Immediate | undefined

  const flush = (): void => {
    clearImmediate(timer)
    timer = undefined
    const pieces = waiting
    const bytes = waitingBytes
    waiting = []
    waitingBytes = 0
    // Whoever waits for an answer on a connection that ended meanwhile hears of it by that end.
    if (pieces.length === 0 || connection.status !== 'open') return
    try {
      send(joined(pieces, bytes))
    } catch (error) {
      connection.abort(error as Error)
    }
  }

  connection.send = (data: Bytes): boolean => {
    // Throws what says why nothing can be sent any more.
    if (connection.status !== 'open') return send(data)
    if (waitingBytes + data.byteLength > maxWaitingBytes) flush()
    if (data.byteLength > maxWaitingBytes) return send(data)
    if (data instanceof Uint8Array) waiting.push(data)
    else for (const piece of data) waiting.push(piece)
    waitingBytes += data.byteLength
    timer ??= setImmediate(flush)
    return !connection.writableNeedsDrain
  }
  connection.close = (options) => {
    flush()
    return close(options)
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  if (pieces.length === 1) return pieces[0] as Uint8Array
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const piece of pieces) {
    bytes.set(piece, offset)
    offset += piece.length
  }
  return bytes
}
