/** From a peer's addresses to a connection, or to the one reason that says what to do about it. */
import type { Libp2p } from '@libp2p/interface'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { NodeId } from '../../protocols/ref.ts'
import { awakeTimeout } from './awake.ts'
import { DialError, type DialErrorCode } from './errors.ts'
import { addressDialTimeoutMs, dialTimeoutMs, maxAddressesToDial } from './limits.ts'
import type { Medium } from './medium.ts'

/**
 * Tries the addresses in the given order until one answers, and gives the peer's id.
 * Rejects with a DialError; `refused` only when nobody listens at any of them.
 */
export async function dial(libp2p: Libp2p, medium: Medium, addresses: readonly string[]): Promise<NodeId> {
  const failures: Failure[] = []
  const all = AbortSignal.timeout(dialTimeoutMs)
  for (const address of addresses.slice(0, maxAddressesToDial)) {
    const target = parseAddress(address, medium)
    if (target === undefined) {
      failures.push({ address, code: 'invalid-address', reason: 'not a multiaddr that this node can dial' })
      continue
    }
    const one = awakeTimeout(addressDialTimeoutMs)
    try {
      const connection = await libp2p.dial(target, { signal: one.signal })
      return connection.remotePeer.toString()
    } catch (error) {
      failures.push({
        address,
        code: codeOf(error, peerOf(target) === libp2p.peerId.toString()),
        reason: reasonOf(error),
      })
    } finally {
      one.clear()
    }
    if (all.aborted) break
  }
  throw dialErrorOf(failures)
}

/** The address, or undefined for text that is none of this medium. */
export function parseAddress(address: string, { component }: Medium): Multiaddr | undefined {
  try {
    const parsed = multiaddr(address)
    return parsed.getComponents().some(({ name }) => name === component) ? parsed : undefined
  } catch {
    return undefined
  }
}

/** The peer id in an address, when it ends in one. */
function peerOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast(({ code }) => code === CODE_P2P)?.value
}

interface Failure {
  readonly address: string
  readonly code: DialErrorCode
  readonly reason: string
}

/** Errors of a handshake come wrapped, and only their words survive it: another key than the address names, and silence. */
const otherPeer = /unexpected peer/i
const silence = /aborted|timeout|timed out/i

function codeOf(error: unknown, isSelf: boolean): DialErrorCode {
  if (isSelf) return 'self'
  const { name, message, code } = error as Error & { readonly code?: string }
  if (error instanceof AggregateError) return worst(error.errors.map((member) => codeOf(member, false)))
  if (code === 'ECONNREFUSED') return 'refused'
  if (name === 'InvalidPeerIdError' && message.includes('dial self')) return 'self'
  if (otherPeer.test(message)) return 'identity'
  if (code === 'ETIMEDOUT' || name === 'TimeoutError' || silence.test(message)) return 'timeout'
  if (name === 'NoValidAddressesError' || name === 'InvalidMultiaddrError') return 'invalid-address'
  return 'failed'
}

/**
 * One code for several: silence or an unclear failure anywhere means that the peer may still live; otherwise it is
 * nowhere, and `refused` says so. Another peer at an old address is as good as nobody.
 */
function worst(codes: readonly DialErrorCode[]): DialErrorCode {
  const order: readonly DialErrorCode[] = ['timeout', 'failed', 'refused', 'identity', 'self']
  return order.find((code) => codes.includes(code)) ?? 'invalid-address'
}

function dialErrorOf(failures: readonly Failure[]): DialError {
  if (failures.length === 0) return new DialError('invalid-address', 'There is no address to dial.')
  const code = worst(failures.map((failure) => failure.code))
  const list = failures.map(({ address, reason }) => `${address}: ${reason}`).join('; ')
  return new DialError(code, `No connection (${list}). ${advice[code]}`)
}

const advice: Readonly<Record<DialErrorCode, string>> = {
  refused: 'Nothing listens there: is the node running, and is this its p2p port?',
  timeout: 'Nothing answered: check the address, the network between the hosts and their firewalls.',
  identity: 'Another peer answered: take the address that the node prints when it starts.',
  self: 'These are the addresses of this node itself.',
  'invalid-address': 'An address looks like /ip4/192.0.2.1/tcp/11435 or /dns4/host/tcp/11435/p2p/ID.',
  failed: 'See the reason above.',
}

function reasonOf(error: unknown): string {
  const { message } = error as Error
  return message === '' ? String(error) : message
}
