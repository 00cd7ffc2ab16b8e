/** Where a node listens: `HOST:PORT` for the API, a TCP multiaddr for libp2p, and which of them reach beyond this host. */
import { isIP, isIPv4 } from 'node:net'

export interface ApiAddress {
  /** An IP address without brackets, or a host name. */
  readonly host: string
  /** 0: any free port. */
  readonly port: number
}

/** The port that every client of Ollama tries first. */
const defaultApiPort = 11434

const maxPort = 65_535
const hostNamePattern = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i
const tcpPattern = /^\/(ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\/(\d{1,5})(\/p2p\/[1-9A-HJ-NP-Za-km-z]{46,64})?$/

/** Reads `HOST:PORT`, `[IPv6]:PORT`, or a host alone, which means port 11434. Undefined when it is none of them. */
export function parseApiAddress(text: string): ApiAddress | undefined {
  const { host, port = String(defaultApiPort) } = splitHostPort(text)
  if (!/^\d{1,5}$/.test(port) || Number(port) > maxPort || !isHost(host)) return undefined
  return { host, port: Number(port) }
}

/** `host:port`, with brackets around an IPv6 address. */
export function formatApiAddress({ host, port }: ApiAddress): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
}

/**
 * Reads `[scheme://]host[:port][/path]` as Ollama reads `OLLAMA_HOST`: the port defaults to 11434, or to the scheme's
 * own where one is given, and a port that is none is replaced by that default.
 */
export function parseOllamaHost(text: string): ApiAddress | undefined {
  const [, scheme = '', rest = ''] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?([^/]*)/i.exec(text) ?? []
  const defaultPort = { http: 80, https: 443 }[scheme.toLowerCase()] ?? defaultApiPort
  const { host, port } = splitHostPort(rest)
  if (host !== '' && !isHost(host)) return undefined
  const usable = port !== undefined && /^\d{1,5}$/.test(port) && Number(port) <= maxPort
  return { host: host === '' ? '127.0.0.1' : host, port: usable ? Number(port) : defaultPort }
}

/** Whether `host` means this machine: loopback, every interface, or one of the given interface addresses. */
export function isLocalHost(host: string, interfaceAddresses: readonly string[]): boolean {
  return isLoopbackHost(host) || host === '0.0.0.0' || host === '::' || interfaceAddresses.includes(host)
}

/** Whether only this machine can reach a listener on `host`. */
export function isLoopbackHost(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.')
  const lower = host.toLowerCase()
  return lower === 'localhost' || lower === '::1' || lower.startsWith('::ffff:127.')
}

/** The host of `/ip4|ip6/HOST/tcp/PORT`; undefined when the text is not such an address. */
export function p2pHost(multiaddr: string): string | undefined {
  const [, family, host = '', port = '', peer] = tcpPattern.exec(multiaddr) ?? []
  if (peer !== undefined || family?.startsWith('dns') === true) return undefined
  return isIP(host) === (family === 'ip4' ? 4 : 6) && Number(port) <= maxPort ? host : undefined
}

/** Whether the text is `/ip4|ip6|dns…/HOST/tcp/PORT`, with or without `/p2p/<peer id>`. */
export function isDialAddress(multiaddr: string): boolean {
  const [, family = '', host = '', port = ''] = tcpPattern.exec(multiaddr) ?? []
  const known = family.startsWith('dns') ? hostNamePattern.test(host) : isIP(host) === (family === 'ip4' ? 4 : 6)
  return known && Number(port) > 0 && Number(port) <= maxPort
}

function splitHostPort(text: string): { host: string; port?: string } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text)
  const [, host = '', port] =
    bracketed ?? (isIP(text) === 6 ? [text, text] : (/^([^:]*)(?::([^:]*))?$/.exec(text) ?? []))
  if (bracketed !== null && isIP(host) !== 6) return { host: ' ' }
  return port === undefined ? { host } : { host, port }
}

function isHost(host: string): boolean {
  return isIP(host) !== 0 || (hostNamePattern.test(host) && !/^[\d.]+$/.test(host))
}
