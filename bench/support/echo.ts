/** Sockets that send back what they are sent: the floor under everything that two processes say to each other. */
import { connect as connectTcp, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer, type TlsOptions } from 'node:tls'

type Kind = 'tcp' | 'tls'

/** A key that both know, because a certificate would have to be made first; the records are the same. */
const psk = Buffer.alloc(32, 1)
const identity = 'bench'
const shared: TlsOptions = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' }

/** Listens on a free port of loopback, and answers which. */
export function echoing(kind: Kind): Promise<number> {
  const echo = (socket: Socket): void => {
    socket.setNoDelay(true)
    socket.on('data', (bytes) => void socket.write(bytes))
    socket.on('error', () => {})
  }
  const server: Server =
    kind === 'tcp' ? createTcpServer(echo) : createTlsServer({ ...shared, pskCallback: () => psk }, echo)
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
}

/** Connects to such a port; the function that is answered sends so many bytes and waits until all are back. */
export async function echoed(kind: Kind, port: number, bytes: number): Promise<() => Promise<void>> {
  const socket = await connected(kind, port)
  socket.setNoDelay(true)
  const sent = new Uint8Array(bytes)
  let missing = 0
  let returned = (): void => {}
  socket.on('data', ({ length }) => {
    missing -= length
    if (missing === 0) returned()
  })
  return () =>
    new Promise((resolve) => {
      returned = resolve
      missing = bytes
      socket.write(sent)
    })
}

function connected(kind: Kind, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket =
      kind === 'tcp'
        ? connectTcp(port, '127.0.0.1', () => resolve(socket))
        : connectTls(
            {
              ...shared,
              port,
              host: '127.0.0.1',
              pskCallback: () => ({ psk, identity }),
              checkServerIdentity: () => undefined,
            },
            () => resolve(socket),
          )
    socket.once('error', reject)
  })
}
