/** Addresses that a public registry has no business to send anybody to. */
import { BlockList, isIP } from 'node:net'

const notPublic = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  // An IPv4 list also holds for addresses like `::ffff:127.0.0.1`.
  notPublic.addSubnet(network, prefix, 'ipv4')
  // The same behind a gateway: NAT64 has the address at the end, 6to4 after its first 16 bits.
  notPublic.addSubnet(`64:ff9b::${network}`, 96 + prefix, 'ipv6')
  notPublic.addSubnet(sixToFour(network), 16 + prefix, 'ipv6')
}
for (const [network, prefix] of [
  ['::', 96],
  ['64:ff9b:1::', 48],
  ['2001::', 32],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  notPublic.addSubnet(network, prefix, 'ipv6')
}

/** Whether an IP address is this machine's, its network's or nobody's. Text that is no address is not public either. */
export function isPrivateAddress(address: string): boolean {
  const [bare = ''] = address.split('%', 1)
  const family = isIP(bare)
  return family === 0 || notPublic.check(bare, family === 4 ? 'ipv4' : 'ipv6')
}

function sixToFour(network: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = network.split('.').map(Number)
  return `2002:${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}::`
}
