/** A started node: its process, what it says of itself, and how it is asked. */
import { Ollama } from 'ollama'
import type { Static, TSchema } from 'typebox'
import { Parse } from 'typebox/value'
import {
  InspectAnswer,
  ModelsAnswer,
  operationsRoutes,
  PeersAnswer,
  StatusAnswer,
} from '../../../protocols/operations.ts'
import { eventually } from '../../support/eventually.ts'
import type { Exited, OmxProcess } from './omx-process.ts'
import { childrenOf, commandOf } from './processes.ts'

/** What `start --json` prints first. */
interface Ready {
  readonly state: 'ready'
  readonly name: string
  readonly node: string
  readonly api: string
  readonly p2p: readonly string[]
}

/** A start takes 1 to 2 s on an idle core. */
const readyMs = 30_000

export class OmxNode {
  readonly process: OmxProcess
  readonly name: string
  /** Peer id. */
  readonly id: string
  readonly url: string
  /** What another node is given to join. */
  readonly address: string
  /** The official client. */
  readonly client: Ollama

  private constructor(process: OmxProcess, { name, node, api, p2p }: Ready) {
    this.process = process
    this.name = name
    this.id = node
    this.url = `http://${api}`
    this.address = p2p[0] as string
    this.client = new Ollama({ host: this.url })
  }

  /** Resolves when the node says that it is ready. The process is disposed of by its owner. */
  static async from(process: OmxProcess): Promise<OmxNode> {
    const line = await Promise.race([firstLine(process), endOf(process)])
    return new OmxNode(process, JSON.parse(line) as Ready)
  }

  status(): Promise<StatusAnswer> {
    return this.#get(operationsRoutes.status, StatusAnswer)
  }

  async peers(): Promise<PeersAnswer['peers']> {
    return (await this.#get(operationsRoutes.peers, PeersAnswer)).peers
  }

  /** The peer as this node sees it now. */
  async peer(other: OmxNode): Promise<PeersAnswer['peers'][number] | undefined> {
    return (await this.peers()).find(({ node }) => node === other.id)
  }

  async models(): Promise<ModelsAnswer['models']> {
    return (await this.#get(operationsRoutes.models, ModelsAnswer)).models
  }

  /** The live actors whose path begins so. */
  async actors(path: string): Promise<InspectAnswer['actors']> {
    const { actors } = await this.#get(operationsRoutes.inspect, InspectAnswer)
    return actors.filter((actor) => actor.path.startsWith(path))
  }

  /** The engine of the only model in use. */
  async engine(): Promise<InspectAnswer['actors'][number] | undefined> {
    return (await this.actors('node/engines/'))[0]
  }

  /** Process ids of the engine children. */
  engineChildren(): number[] {
    return childrenOf(this.process.pid).filter((pid) => commandOf(pid).includes('engine/llama/child'))
  }

  /** Resolves when this node has heard from all the others, and what they hold. */
  async sees(...others: readonly OmxNode[]): Promise<void> {
    await eventually(`${this.name} sees ${others.map(({ name }) => name).join(' and ')} healthy`, async () => {
      const peers = await this.peers()
      return others.every(({ id, name }) =>
        peers.some((peer) => peer.node === id && peer.state === 'healthy' && peer.name === name),
      )
    })
  }

  /** Resolves when this node knows that all of these hold the model. */
  async knowsHolders(model: string, ...holders: readonly OmxNode[]): Promise<void> {
    await eventually(`${this.name} knows who holds ${model}`, async () => {
      const row = (await this.models()).find(({ name }) => name === `${model}:latest`)
      return holders.every(({ id }) => row?.holders.some(({ node }) => node === id))
    })
  }

  /** Lets it stop by itself. */
  async stop(): Promise<Exited> {
    this.process.kill('SIGTERM')
    return this.process.exited
  }

  async #get<Schema extends TSchema>(route: string, schema: Schema): Promise<Static<Schema>> {
    const response = await fetch(this.url + route)
    if (!response.ok) throw new Error(`${route}: ${response.status} ${await response.text()}`)
    return Parse(schema, await response.json()) as Static<Schema>
  }
}

async function firstLine(process: OmxProcess): Promise<string> {
  return eventually('the ready line', () => /^(.*)\n/.exec(process.stdout)?.[1], readyMs)
}

async function endOf(process: OmxProcess): Promise<never> {
  const { code, signal } = await process.exited
  throw new Error(`the node ended (${code ?? signal}) before it was ready: ${process.stderr}`)
}
