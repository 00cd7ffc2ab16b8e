/** The least that a Node process can do between a client and an engine: node:http on both sides, bodies piped. Argument: port. */
import { Agent, createServer, request } from 'node:http'
import { serveWorker } from '../support/worker-side.ts'

const port = Number(process.argv[2])
const agent = new Agent({ keepAlive: true })

const server = createServer((incoming, response) => {
  const { method, url, headers } = incoming
  const outgoing = request({ host: '127.0.0.1', port, method, path: url, headers, agent }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  })
  outgoing.on('error', (error) => response.destroy(error))
  response.on('close', () => {
    if (!response.writableFinished) outgoing.destroy()
  })
  incoming.pipe(outgoing)
})
serveWorker(server)
