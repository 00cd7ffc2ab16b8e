/** The cluster's side of the seam, in this process: answers are scripted, streams are the real channel. */

import type { TransferRequest } from '../../actors/courier.ts'
import type { ModelMaker } from '../../actors/model-catalog.ts'
import type { InferFrame, InferResult, InferStream } from '../../protocols/infer.ts'
import type { HeldModel } from '../../protocols/report.ts'
import { ApiError } from '../../src/http/errors.ts'
import { type Listener, startListener } from '../../src/http/listener.ts'
import type {
  ApiServices,
  LoadedRow,
  NewRequest,
  OperationsServices,
  Progress,
  RegistryServices,
} from '../../src/http/services.ts'
import { Channel } from '../../src/runtime/channel.ts'

const load = { active: 1, waiting: 0, slots: 4 }
export const accepted: InferFrame = { kind: 'accepted', load }

export function token(index: number, text: string): Extract<InferFrame, { kind: 'token' }> {
  return { kind: 'token', index, tokens: [100 + index], text }
}

export function done(changes: Partial<InferResult> = {}): InferFrame {
  return {
    kind: 'done',
    reason: 'stop',
    promptTokens: 5,
    cachedTokens: 2,
    promptNs: 3_000_000,
    evalTokens: 3,
    evalNs: 9_000_000,
    loadNs: 0,
    promptTokenIds: [1, 2, 3, 4, 5],
    ...changes,
  }
}

/** A stream of these frames, each in a batch of its own when `apart`. */
export function streamOf(frames: readonly InferFrame[]): InferStream {
  const channel = new Channel<InferFrame>({ highWater: frames.length + 1 })
  for (const frame of frames) channel.push(frame)
  channel.end()
  return channel
}

const greetingFrames = [accepted, token(0, 'Hel'), token(1, 'lo'), token(2, ' <you> & "me"'), done()]

export const held: HeldModel = {
  name: 'demo:latest',
  digest: 'a'.repeat(64),
  sizeBytes: 1_234,
  modifiedAtMs: Date.UTC(2026, 7, 21, 9, 5, 3, 120),
  details: {
    parent_model: '',
    format: 'gguf',
    family: 'llama',
    families: ['llama'],
    parameter_size: '1.2M',
    quantization_level: 'F16',
  },
  contextLength: 512,
  embeddingLength: 64,
  capabilities: ['completion'],
}

export const loaded: LoadedRow = {
  digest: held.digest,
  name: held.name,
  sizeBytes: 2_000,
  sizeVramBytes: 0,
  contextLength: 512,
  expiresAtMs: Date.now() + 300_000,
  active: 0,
  waiting: 0,
  slots: 4,
  details: held.details,
}

export class FakeCluster implements ApiServices {
  readonly requests: NewRequest[] = []
  readonly unloaded: string[] = []
  readonly signals: AbortSignal[] = []
  answer: (request: NewRequest) => InferStream | Promise<InferStream> = (request) =>
    streamOf(request.work.kind === 'load' ? [accepted, done({ reason: 'load' })] : greetingFrames)
  heldModels: readonly HeldModel[] = [held]
  loadedModels: readonly LoadedRow[] = [loaded]
  operations: OperationsServices = refusingOperations
  maker: ModelMaker = refusingMaker
  registry: RegistryServices = refusingRegistry

  async submit(request: NewRequest, signal: AbortSignal): Promise<InferStream> {
    this.requests.push(request)
    this.signals.push(signal)
    this.#require(request.model)
    return this.answer(request)
  }

  async find(name: string): Promise<HeldModel | undefined> {
    return this.#has(name) ? this.heldModels[0] : undefined
  }

  async require(name: string): Promise<HeldModel> {
    this.#require(name)
    return this.heldModels[0] as HeldModel
  }

  async models(): Promise<readonly HeldModel[]> {
    return this.heldModels
  }

  async loaded(): Promise<readonly LoadedRow[]> {
    return this.loadedModels
  }

  async show(name: string, verbose: boolean): Promise<Record<string, unknown> | undefined> {
    return this.#has(name) ? { details: held.details, model_info: { verbose }, capabilities: [] } : undefined
  }

  async unload(name: string): Promise<void> {
    this.#require(name)
    this.unloaded.push(name)
  }

  readonly copied: Array<readonly [source: string, destination: string]> = []
  readonly removed: string[] = []

  async copy(source: string, destination: string): Promise<void> {
    this.#require(source)
    this.copied.push([source, destination])
  }

  async remove(name: string): Promise<void> {
    this.#require(name)
    this.removed.push(name)
  }

  progress: () => Progress = () => notScripted() as never
  readonly transfers: TransferRequest[] = []

  async *#nothing(): Progress {}

  async bring(): Promise<Progress> {
    return this.#nothing()
  }

  async transfer(request: TransferRequest): Promise<Progress> {
    this.transfers.push(request)
    return this.progress()
  }

  #has(name: string): boolean {
    return /^demo(:latest)?$/.test(name)
  }

  #require(name: string): void {
    if (!this.#has(name)) throw new ApiError('model-not-found', name)
  }
}

const notScripted = () => Promise.reject(new ApiError('not-found', 'not scripted'))

const refusingMaker: ModelMaker = { hasBlob: notScripted, writeBlob: notScripted, create: notScripted }

const refusingRegistry: RegistryServices = {
  manifest: notScripted,
  manifestOf: notScripted,
  tags: notScripted,
  namesOf: notScripted,
  remove: notScripted,
  blob: notScripted,
  hasBlob: notScripted,
  beginUpload: notScripted,
  keepManifest: notScripted,
}

const refusingOperations: OperationsServices = {
  token: 'secret',
  status: notScripted,
  peers: notScripted,
  models: notScripted,
  disk: notScripted,
  inspect: notScripted,
  facts: notScripted,
  follow: notScripted,
  importGguf: notScripted,
}

export interface Running {
  readonly cluster: FakeCluster
  readonly listener: Listener
  readonly port: number
  readonly url: string
  readonly logged: string[]
}

/** A real listener on a free port of loopback. */
/** What a test wants otherwise than a user's listener. */
type FakeInit = Pick<Parameters<typeof startListener>[0], 'limits' | 'origins'>

export async function startFake(cluster = new FakeCluster(), init: FakeInit = {}): Promise<Running> {
  const logged: string[] = []
  const log = { error: (_: unknown, message: string) => void logged.push(message) }
  const listener = await startListener({ host: '127.0.0.1', port: 0, services: cluster, log, ...init })
  const { port } = listener.address
  return { cluster, listener, port, url: `http://127.0.0.1:${port}`, logged }
}

/** Posts JSON; the answer as status, type and parsed lines. */
export async function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const response = await fetch(url, { method: 'POST', body: text, headers })
  const answer = await response.text()
  const lines = answer
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  return { status: response.status, type: response.headers.get('content-type'), text: answer, lines, json: lines[0] }
}
