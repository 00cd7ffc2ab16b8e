/** One streamed answer of `/api/chat`, timed where a client stands. */

export interface Asked {
  readonly text: string
  /** Lines that brought text. */
  readonly tokens: number
  /** Peer id of the node that computed it. */
  readonly worker: string | undefined
  /** NaN where none came. */
  readonly firstTokenMs: number
  readonly totalMs: number
  /** Of the error line, or of the answer where it has a status. */
  readonly error: string | undefined
}

interface Line {
  readonly message?: { readonly content: string }
  readonly done?: boolean
  readonly error?: string
}

/** Asks one question, greedily. `onText` hears each piece as it arrives. Rejects when the stream is cut short. */
export async function ask(url: string, model: string, content: string, onText: (text: string) => void): Promise<Asked> {
  const startMs = performance.now()
  const body = JSON.stringify({ model, messages: [{ role: 'user', content }], options: { temperature: 0 } })
  const response = await fetch(`${url}/api/chat`, { method: 'POST', body })
  let text = ''
  let tokens = 0
  let firstTokenMs = Number.NaN
  let last: Line = {}
  for await (const line of linesOf(response)) {
    last = line
    const piece = line.message?.content ?? ''
    if (piece === '') continue
    if (tokens === 0) firstTokenMs = performance.now() - startMs
    tokens += 1
    text += piece
    onText(piece)
  }
  if (last.done !== true && last.error === undefined) throw new Error(`${url} ended an answer without a last line`)
  const worker = response.headers.get('x-omx-node') ?? undefined
  return { text, tokens, worker, firstTokenMs, totalMs: performance.now() - startMs, error: last.error }
}

async function* linesOf(response: Response): AsyncGenerator<Line> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of response.body ?? []) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield JSON.parse(line) as Line
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as Line
}
