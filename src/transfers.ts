/** What a node's transfers do: any registry on one side, this node's folder and its cluster on the other. */
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { CourierInput } from '../actors/courier.ts'
import type { Config } from './config.ts'
import { Downloads } from './registry/downloads.ts'
import { Exchange } from './registry/exchange.ts'
import { Fetch } from './registry/fetch.ts'
import type { ModelSource } from './registry/model-source.ts'
import { proxiesIn } from './registry/proxies.ts'
import { Pull } from './registry/pull.ts'
import { Push } from './registry/push.ts'
import { Rate } from './registry/rate.ts'
import { realWorld } from './runtime/world.ts'
import type { ModelsFolder } from './store/catalog.ts'
import { Shelf } from './store/shelf.ts'

export interface TransfersInit {
  /** Signs where a registry asks who this is. */
  readonly privateKey: PrivateKey
  /** Undefined where the models are another server's. */
  readonly models: ModelsFolder | undefined
  readonly source: ModelSource
  readonly closers: DisposableStack
  readonly config: Pick<Config, 'pullMaxBytesPerSecond'>
}

export async function transfersOf(init: TransfersInit): Promise<CourierInput['stepsOf']> {
  const { privateKey, models, source, closers, config } = init
  if (models === undefined) {
    return ({ direction }) => {
      throw new Error(`this node uses the models of another server: ${direction} the model there`)
    }
  }
  const shelf = await Shelf.open(models, peerIdFromPrivateKey(privateKey).toString())
  const exchange = closers.use(new Exchange({ proxies: proxiesIn(process.env) }))
  const signer = { publicKey: privateKey.publicKey.raw, sign: (bytes: Uint8Array) => privateKey.sign(bytes) }
  const rate = new Rate({ bytesPerSecond: config.pullMaxBytesPerSecond, clock: realWorld })
  const downloads = new Downloads(shelf, rate)
  return (request, board) => {
    if (request.direction === 'pull') return new Pull({ exchange, signer, shelf, downloads }, request, board)
    if (request.direction === 'push') return new Push({ exchange, signer, shelf, source }, request, board)
    return new Fetch({ shelf, source }, request, board)
  }
}
