/** Connections to registries, which tell the answer that comes over them what it has to know of them. */
import type { LookupFunction, Socket } from 'node:net'
import { type buildConnector as Build, buildConnector, Client, type Dispatcher, Pool } from 'undici'
import { AnswerBody, type Line } from './answer-body.ts'

/** Read from the kernel at once, and held by a connection all its life: more brings no speed. */
const bufferBytes = 256 * 1024

type Connector = Build.connector
type Target = Build.Options & { readonly line?: Line }

/** One connection at a time, and one request at a time over it. */
class Connection extends Client {
  readonly #line: Line

  constructor(origin: string | URL, { connect, ...options }: Client.Options, line: Line = { isBodyAlone: false }) {
    if (typeof connect !== 'function') throw new TypeError('a connection needs the way to connect')
    super(origin, { ...options, connect: (target, callback) => connect({ ...target, line } as Target, callback) })
    this.#line = line
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (handler instanceof AnswerBody) handler.line = this.#line
    return super.dispatch(options, handler)
  }
}

/** For undici's agents: the connections to one origin. */
export function connectionsTo(origin: string | URL, options: object): Pool {
  return new Pool(origin, { ...options, factory: (each, init) => new Connection(each, init as Client.Options) })
}

/** Connects without a proxy. */
export function connectorOf(lookup: LookupFunction, timeoutMs: number): Connector {
  const options = { lookup, timeout: timeoutMs, allowH2: false }
  const secure = buildConnector(options)
  return (target: Target, callback) => {
    const { line = { isBodyAlone: false } } = target
    Object.assign(line, { isBodyAlone: false, socket: undefined })
    const connect = target.protocol === 'https:' ? secure : buildConnector({ ...options, ...reading(line) })
    connect(target, (...result) => {
      line.socket = result[1] ?? undefined
      callback(...result)
    })
  }
}

/**
 * Reads again and again into one buffer, where Node would take a new one each time: that halves what a large blob costs.
 * The parser keeps what it is given of a head, so that gets a copy. Bytes of a body it hands on at once, and the body says
 * when it is done with them: until then nothing is read, neither by us (`false`) nor ahead by the stream (no high-water
 * mark). Not over TLS, which cannot be stopped between two records.
 */
function reading(line: Line): object {
  function callback(this: Socket, bytes: number, buffer: Uint8Array): boolean {
    const view = Buffer.from(buffer.buffer, buffer.byteOffset, bytes)
    if (!line.isBodyAlone) return this.push(Buffer.from(view))
    this.push(view)
    return false
  }
  const onread = { buffer: Buffer.allocUnsafeSlow(bufferBytes), callback }
  return { onread, highWaterMark: undefined, readableHighWaterMark: 0 } // The first would outrank the second.
}
