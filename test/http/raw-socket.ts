/** HTTP by hand, for what no client library sends. */
import { connect, type Socket } from 'node:net'

export interface RawAnswer {
  readonly status: number
  readonly head: string
  readonly body: string
}

/** Sends bytes on a new connection and resolves with all that comes back until the server ends it. */
export function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}

/** One request with `connection: close`; header lines beyond that are given as they go. */
export async function request(port: number, line: string, headers: readonly string[] = [], body = '') {
  const head = [`${line} HTTP/1.1`, 'host: localhost', 'connection: close', ...headers]
  const answer = await exchange(port, `${head.join('\r\n')}\r\n\r\n${body}`)
  return parseAnswer(answer)
}

export function postRaw(port: number, path: string, body: string, headers: readonly string[] = []) {
  return request(port, `POST ${path}`, [`content-length: ${Buffer.byteLength(body)}`, ...headers], body)
}

export function parseAnswer(answer: string): RawAnswer {
  const end = answer.indexOf('\r\n\r\n')
  return {
    status: Number(answer.split(' ')[1]),
    head: answer.slice(0, end).toLowerCase(),
    body: answer.slice(end + 4),
  }
}

/** Resolves with what has arrived once it contains `part`. */
export function received(socket: Socket, part: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // A character may be cut over two of them.
    const chunks: Buffer[] = []
    let tail = ''
    const take = (chunk: Buffer) => {
      chunks.push(chunk)
      tail += chunk.toString()
      if (!tail.includes(part)) tail = tail.slice(-part.length)
      else {
        socket.off('data', take)
        resolve(Buffer.concat(chunks).toString())
      }
    }
    socket.on('data', take)
    socket.once('close', () => reject(new Error(`closed before ${JSON.stringify(part)}: ${tail}`)))
  })
}

/** A new connection. That the server resets it later is no error of the test. */
export function opened(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.on('error', reject)
  })
}

/** Resolves when the connection has ended, a reset included. */
export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve()
    socket.once('close', () => resolve())
  })
}
