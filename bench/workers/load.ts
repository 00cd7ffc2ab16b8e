/** The load generator: as many connections as asked for, each with one request under way, for a given time. */
import { HttpClient, requestOf } from '../support/http-client.ts'
import type { Load, LoadResult } from '../support/load.ts'

async function run({ port, path, body, lines, connections, durationMs, requests }: Load): Promise<LoadResult> {
  const request = requestOf(path, body)
  const clients = await Promise.all(Array.from({ length: connections }, () => HttpClient.open(port)))
  const latenciesUs: number[] = []
  const startMs = performance.now()
  const untilMs = durationMs === undefined ? Number.POSITIVE_INFINITY : startMs + durationMs
  const perClient = requests === undefined ? Number.POSITIVE_INFINITY : requests / connections
  await Promise.all(
    clients.map(async (client) => {
      for (let sent = 0; sent < perClient && performance.now() < untilMs; sent++) {
        const sentMs = performance.now()
        const answer = await client.send(request)
        latenciesUs.push((performance.now() - sentMs) * 1000)
        if (answer.status !== 200 || answer.lines !== lines || !answer.tail.includes('"done":true')) {
          throw new Error(`a wrong answer: status ${answer.status}, ${answer.lines} lines, …${answer.tail}`)
        }
      }
    }),
  )
  const elapsedMs = performance.now() - startMs
  for (const client of clients) client.close()
  return { count: latenciesUs.length, elapsedMs, ...quantiles(latenciesUs) }
}

function quantiles(values: number[]): Pick<LoadResult, 'p50Us' | 'p99Us'> {
  const sorted = Float64Array.from(values).sort()
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { p50Us: at(0.5), p99Us: at(0.99) }
}

process.on('disconnect', () => process.exit())
process.on('message', (load) => {
  run(load as Load).then(
    (result) => process.send?.(result),
    (error: Error) => process.send?.({ error: error.message }),
  )
})
