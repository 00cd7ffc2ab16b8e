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
  notPublic.addSubnet(network, prefix, 'ipv4')
}
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
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
