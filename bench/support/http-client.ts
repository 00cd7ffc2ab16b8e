/**
 * A keep-alive HTTP/1.1 client that costs next to nothing, so that what is measured is the server: one request at a time
 * on a bare socket. It knows fixed lengths and chunks, and counts the body's lines instead of keeping it.
 */
import { connect, type Socket } from 'node:net'

const newline = 10
const headEnd = Buffer.from('\r\n\r\n')
const lineEnd = Buffer.from('\r\n')
/** Of a body, in bytes: enough to see how it ended. */
const keptTailLength = 400

export interface Answer {
  readonly status: number
  /** Lines of the body. */
  readonly lines: number
  /** Its last bytes. */
  readonly tail: string
}

export class HttpClient {
  readonly #socket: Socket
  #reader: AnswerReader | undefined
  #settle: { resolve(answer: Answer): void; reject(error: Error): void } | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes) => this.#read(bytes))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  static open(port: number): Promise<HttpClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.off('error', reject)
        resolve(new HttpClient(socket))
      })
      socket.once('error', reject)
    })
  }

  /** Sends one prepared request and resolves when its answer is complete. */
  send(request: Buffer): Promise<Answer> {
    this.#reader = new AnswerReader()
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#settle = undefined
    this.#socket.destroy()
  }

  #read(bytes: Buffer): void {
    const answer = this.#reader?.push(bytes)
    if (answer === undefined) return
    const settle = this.#settle
    this.#settle = undefined
    settle?.resolve(answer)
  }

  #fail(error: Error): void {
    const settle = this.#settle
    this.#settle = undefined
    settle?.reject(error)
  }
}

/** A request ready to be sent any number of times. */
export function requestOf(path: string, body: object): Buffer {
  const text = JSON.stringify(body)
  const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n`
  return Buffer.from(`${head}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
}

/** Reads one answer from the pieces in which it arrives. */
export class AnswerReader {
  #rest: Buffer = Buffer.alloc(0)
  #status = 0
  #lines = 0
  #tail = ''
  /** Of the body or the chunk, still to come; undefined before the head. */
  #left: number | undefined
  #chunked = false

  /** The answer once it is complete. */
  push(bytes: Buffer): Answer | undefined {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    if (this.#left === undefined && !this.#readHead()) return undefined
    const isComplete = this.#chunked ? this.#readChunks() : this.#readFixed()
    return isComplete ? { status: this.#status, lines: this.#lines, tail: this.#tail } : undefined
  }

  #readHead(): boolean {
    const end = this.#rest.indexOf(headEnd)
    if (end < 0) return false
    const head = this.#rest.toString('latin1', 0, end).toLowerCase()
    this.#rest = this.#rest.subarray(end + headEnd.length)
    this.#status = Number(head.slice(9, 12))
    this.#chunked = head.includes('\ntransfer-encoding: chunked')
    this.#left = this.#chunked ? 0 : Number(/\ncontent-length: (\d+)/.exec(head)?.[1])
    if (Number.isNaN(this.#left)) throw new Error('an answer with neither a length nor chunks')
    return true
  }

  #readFixed(): boolean {
    this.#takeBody(Math.min(this.#left as number, this.#rest.length))
    return this.#left === 0
  }

  /** `#left` includes the line end after the chunk's bytes. */
  #readChunks(): boolean {
    for (;;) {
      const left = this.#left as number
      if (left > lineEnd.length) this.#takeBody(Math.min(left - lineEnd.length, this.#rest.length))
      if ((this.#left as number) > lineEnd.length) return false
      if ((this.#left as number) > 0) {
        if (this.#rest.length < (this.#left as number)) return false
        this.#rest = this.#rest.subarray(this.#left)
        this.#left = 0
      }
      const end = this.#rest.indexOf(lineEnd)
      if (end < 0) return false
      const size = Number.parseInt(this.#rest.toString('latin1', 0, end), 16)
      if (size === 0) return this.#rest.length >= end + headEnd.length
      this.#rest = this.#rest.subarray(end + lineEnd.length)
      this.#left = size + lineEnd.length
    }
  }

  #takeBody(length: number): void {
    const piece = this.#rest.subarray(0, length)
    for (let at = piece.indexOf(newline); at >= 0; at = piece.indexOf(newline, at + 1)) this.#lines += 1
    if (length > 0)
      this.#tail = (this.#tail + piece.toString('latin1', Math.max(0, length - keptTailLength))).slice(-keptTailLength)
    this.#rest = this.#rest.subarray(length)
    this.#left = (this.#left as number) - length
  }
}
