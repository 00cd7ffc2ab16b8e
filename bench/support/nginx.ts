/** nginx as a plain reverse proxy, where it is installed. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { eventually } from '../../test/support/eventually.ts'
import type { BenchContext } from './context.ts'

export function nginxVersion(): string | undefined {
  const { stderr, error } = spawnSync('nginx', ['-v'], { encoding: 'utf8' })
  return error === undefined ? /nginx\/[\d.]+/.exec(stderr)?.[0] : undefined
}

/** One worker process, connections to the engine kept open, answers passed on as they come. */
export async function nginxProxy(context: BenchContext, enginePort: number) {
  if (nginxVersion() === undefined) return undefined
  const { folder } = context.newGroup()
  const port = await freePort()
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, configuration(folder, port, enginePort))
  const child = spawn('nginx', ['-c', file, '-p', folder, '-e', join(folder, 'error.log')], { stdio: 'ignore' })
  context.track({ kill: () => child.kill('SIGKILL') })
  await eventually('nginx listens', () => listens(child, port))
  return { port, pid: child.pid as number }
}

/** No master process, so that its pid is that of the one that works. */
function configuration(folder: string, port: number, enginePort: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `daemon off; master_process off; pid ${join(folder, 'nginx.pid')};
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${join(folder, name)};`).join(' ')}
  upstream engine { server 127.0.0.1:${enginePort}; keepalive 128; }
  server {
    listen 127.0.0.1:${port};
    keepalive_requests 100000000;
    location / {
      proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header connection "";
      proxy_buffering off; proxy_request_buffering off;
    }
  }
}
`
}

/** nginx cannot say which port it got: somebody else may take this one before it does, and then it does not start. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

function listens(child: ChildProcess, port: number): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`nginx exited with ${child.exitCode}`)
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const finish = (answer: boolean) => () => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', finish(true)).once('error', finish(false))
  })
}
