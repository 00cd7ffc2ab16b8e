/**
 * Keeps web pages out that were not invited: a page may not read answers from (CORS) nor, by a name that it points at
 * this host (DNS rebinding), pose as a local client of a listener on loopback.
 */

import { BlockList, isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import type { FastifyInstance, FastifyReply } from 'fastify'

/** How long a browser may remember a preflight's answer, in seconds: Ollama's twelve hours. */
const preflightSeconds = 43_200

const allowedMethods = 'GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS'

const stainless = ['Arch', 'Async', 'Custom-Poll-Interval', 'Helper-Method', 'Lang', 'Os', 'Package-Version']
  .concat(['Poll-Helper', 'Retry-Count', 'Runtime', 'Runtime-Version', 'Timeout'])
  .map((name) => `X-Stainless-${name}`)

const allowedHeaders = ['Authorization', 'Content-Type', 'User-Agent', 'Accept', 'X-Requested-With', 'Openai-Beta']
  .concat(stainless)
  .join(',')

const preflightVary = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers'

const localOrigin = /^https?:\/\/(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::\d+)?$/
const desktopOrigin = /^(?:app|file|tauri|vscode-webview|vscode-file):\/\//
const localName = /\.(?:localhost|local|internal)$/

export interface OriginGuardInit {
  /** Where the listener is bound; the host guard only applies on loopback. */
  readonly host: string
  /** Allowed beside the usual ones: with at most one `*` each, or `*` for every page. */
  readonly origins: readonly string[]
}

/** Adds both guards. */
export function originGuard(app: FastifyInstance, { host: listenHost, origins }: OriginGuardInit): void {
  const guardsHost = isLoopback(listenHost)
  const allowsAll = origins.includes('*')
  const isAllowed = (origin: string): boolean =>
    allowsAll ||
    localOrigin.test(origin) ||
    desktopOrigin.test(origin) ||
    origins.some((pattern) => fits(origin, pattern))
  app.addHook('onRequest', (request, reply, next) => {
    const { host = '', origin } = request.headers
    const isForeign = origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`
    if (isForeign && !isAllowed(origin)) return void refuse(reply)
    if (isForeign) permit(reply, allowsAll ? undefined : origin, request.method === 'OPTIONS')
    if (isForeign && request.method === 'OPTIONS') return void reply.code(204).send()
    if (guardsHost && !isLocalHost(host)) return void refuse(reply)
    if (guardsHost && request.method === 'OPTIONS' && isLocalName(withoutPort(host))) return void reply.code(204).send()
    next()
  })
}

function refuse(reply: FastifyReply): FastifyReply {
  return reply.code(403).send()
}

/** @param origin undefined: every page is allowed, and no answer depends on which one asks */
function permit(reply: FastifyReply, origin: string | undefined, isPreflight: boolean): void {
  reply.header('access-control-allow-origin', origin ?? '*')
  if (origin !== undefined) reply.header('vary', isPreflight ? preflightVary : 'Origin')
  if (!isPreflight) return
  reply
    .header('access-control-allow-methods', allowedMethods)
    .header('access-control-allow-headers', allowedHeaders)
    .header('access-control-max-age', preflightSeconds)
}

/** Whether an origin is what a pattern says, whose `*` stands for any text. */
function fits(origin: string, pattern: string): boolean {
  const [start = '', end] = pattern.split('*')
  if (end === undefined) return origin === pattern
  return origin.length >= start.length + end.length && origin.startsWith(start) && origin.endsWith(end)
}

const privateAddresses = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 32],
  ['10.0.0.0', 8],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  privateAddresses.addSubnet(network, prefix, 'ipv4')
}
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
] as const) {
  privateAddresses.addSubnet(network, prefix, 'ipv6')
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

/** Whether a `Host` header names this machine or its network, and not a stranger's domain. */
function isLocalHost(header: string): boolean {
  const host = withoutPort(header).toLowerCase()
  const family = isIP(host)
  if (family === 0) return host === '' || isLocalName(host)
  return privateAddresses.check(host, family === 4 ? 'ipv4' : 'ipv6') || isOwnAddress(host)
}

function isLocalName(host: string): boolean {
  return host === 'localhost' || host === hostname().toLowerCase() || localName.test(host)
}

function isOwnAddress(host: string): boolean {
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === host))
}

function withoutPort(header: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(header)?.[1]
  return bracketed ?? header.replace(/:\d*$/, '')
}
