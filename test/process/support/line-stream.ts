/** A streamed answer as it comes over the wire: the official client hides how a stream ends. */
import type { OmxNode } from './omx-node.ts'

/** A line of any endpoint. */
export interface Line {
  readonly response?: string
  readonly message?: { readonly content: string }
  readonly done?: boolean
  readonly done_reason?: string
  readonly eval_count?: number
  readonly error?: string
}

export class LineStream {
  readonly status: number
  readonly contentType: string | null
  /** Peer id of the node that computes the answer. */
  readonly worker: string | null
  /** What has come so far. */
  readonly lines: Line[] = []
  /** Milliseconds on `performance.now()` when the last byte came. */
  endedMs = Number.NaN
  /** In how many pieces the network brought it. */
  chunks = 0
  readonly #lines: AsyncGenerator<Line>
  readonly #abort: AbortController

  private constructor(response: Response, abort: AbortController) {
    this.status = response.status
    this.contentType = response.headers.get('content-type')
    this.worker = response.headers.get('x-omx-node')
    this.#lines = this.#linesOf(response)
    this.#abort = abort
  }

  /** Resolves with the head of the answer, which comes with its first line. */
  static async post(node: OmxNode, path: string, body: unknown): Promise<LineStream> {
    const abort = new AbortController()
    const request = { method: 'POST', body: JSON.stringify(body), signal: abort.signal }
    return new LineStream(await fetch(node.url + path, request), abort)
  }

  /** The next line; undefined at the end. Throws when the connection broke instead of ending. */
  async next(): Promise<Line | undefined> {
    const { done, value } = await this.#lines.next()
    if (done === true) {
      this.endedMs = performance.now()
      return undefined
    }
    this.lines.push(value)
    return value
  }

  /** All lines, when the answer has ended. */
  async rest(): Promise<readonly Line[]> {
    while ((await this.next()) !== undefined);
    return this.lines
  }

  /** The client goes away. */
  abort(): void {
    this.#abort.abort()
  }

  async *#linesOf(response: Response): AsyncGenerator<Line, undefined> {
    const decoder = new TextDecoder()
    let rest = ''
    for await (const chunk of response.body ?? []) {
      this.chunks += 1
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) yield JSON.parse(line) as Line
    }
    // An answer that failed before its first line is one JSON object.
    if (rest !== '' && !response.ok) yield JSON.parse(rest) as Line
    else if (rest !== '') throw new Error(`the answer ended within a line: ${rest}`)
    return undefined
  }
}

/** The text of a whole answer. */
export function textOf(lines: readonly Line[]): string {
  return lines.map(({ response, message }) => response ?? message?.content ?? '').join('')
}
