/** In a process that `bench/support/worker.ts` forked: says where it listens, and ends with its parent. */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Longer than any pause between two rounds: a connection that is closed under a client's feet is no measurement. */
const keepAliveMs = 600_000

/** Listens on a free port of loopback and tells the parent. */
export function serveWorker(server: Server): void {
  server.keepAliveTimeout = keepAliveMs
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
  process.on('disconnect', () => process.exit())
}
