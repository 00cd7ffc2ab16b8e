/**
 * An engine that computes nothing: a bare Node HTTP server that answers `POST /api/generate` in Ollama's words.
 * Arguments: tokens per second of each stream (0: as fast as they are taken), tokens in one write.
 */
import { createServer, type ServerResponse } from 'node:http'
import { serveWorker } from '../support/worker-side.ts'

const [tokensPerSecond = 0, tokensPerWrite = 1] = process.argv.slice(2).map(Number)
/** Between two writes of one stream. */
const roundMs = tokensPerSecond === 0 ? 0 : 1000 / tokensPerSecond
const word = 'harbour '
const head = { model: 'tiny', created_at: '2026-01-01T00:00:00Z' }
const metrics = { total_duration: 1, load_duration: 1, prompt_eval_count: 9, eval_duration: 1 }

const line = (done: boolean, response: string, rest: object = {}) =>
  `${JSON.stringify({ ...head, response, done, ...rest })}\n`

class MockStream {
  left: number
  readonly #response: ServerResponse

  constructor(response: ServerResponse, tokens: number) {
    this.#response = response
    this.left = tokens
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  }

  /** One write. False: the client is slow. Every line is composed anew, as an engine has to. */
  write(): boolean {
    let text = ''
    for (let i = 0; i < tokensPerWrite && this.left > 0; i++, this.left--) text += line(false, word)
    return this.#response.write(text)
  }

  end(): void {
    this.#response.end(line(true, '', { done_reason: 'length', ...metrics }))
  }

  /** Until the client is slow, and again when it is not. */
  run(): void {
    while (this.left > 0) {
      if (this.write()) continue
      this.#response.once('drain', () => this.run())
      return
    }
    this.end()
  }
}

const paced = new Set<MockStream>()

if (roundMs > 0) {
  setInterval(() => {
    for (const stream of paced) {
      stream.write()
      if (stream.left > 0) continue
      stream.end()
      paced.delete(stream)
    }
  }, roundMs)
}

const server = createServer((request, response) => {
  let body = ''
  request.setEncoding('utf8').on('data', (text: string) => {
    body += text
  })
  request.on('end', () => {
    const { stream, options } = JSON.parse(body) as { stream: boolean; options: { num_predict: number } }
    if (stream) {
      const answer = new MockStream(response, options.num_predict)
      if (roundMs > 0) paced.add(answer)
      else answer.run()
      return
    }
    const text = line(true, word.repeat(options.num_predict), { done_reason: 'length', ...metrics }).trimEnd()
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    response.end(text)
  })
})
serveWorker(server)
