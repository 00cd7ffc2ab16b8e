/** What connections are made of: addresses, transport and encryption. Everything above it is the same over any medium. */
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import type { Libp2pOptions } from 'libp2p'
import * as limits from './limits.ts'

export interface Medium {
  /** The multiaddr component by which its addresses are known, such as `tcp`. */
  readonly component: string
  readonly transport: NonNullable<Libp2pOptions['transports']>[number]
  readonly encrypter: NonNullable<Libp2pOptions['connectionEncrypters']>[number]
}

/** What every node speaks; only a test that holds the links in its hands chooses another. */
export const tcpAndTls: Medium = {
  component: 'tcp',
  transport: tcp({
    inboundSocketInactivityTimeout: limits.socketInactivityMs,
    outboundSocketInactivityTimeout: limits.socketInactivityMs,
  }),
  encrypter: tls(),
}
