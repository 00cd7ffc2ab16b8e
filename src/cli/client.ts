/** Talks to a running node: finds it by `run.json` or `--api`, and turns every failure into a sentence with a next step. */
import { homedir } from 'node:os'
import { type Static, type TSchema, Type } from 'typebox'
import { Check } from 'typebox/value'
import { ErrorAnswer } from '../../protocols/operations.ts'
import { formatApiAddress, parseApiAddress } from '../config/address.ts'
import { settings, variableOf } from '../config.ts'
import { LineReader } from '../engine/remote/line-reader.ts'
import { isHeld } from '../store/data-folder.ts'
import { readRunFile } from '../store/run-file.ts'
import { CommandError, Refusal } from './command-error.ts'
import type { Terminal } from './terminal.ts'

/** A node that is alive answers from memory; this is for one that is stopped or unreachable. */
const answerTimeoutMs = 10_000

/** What is asked about one model may reach other nodes and their disks. */
const modelTimeoutMs = 60_000

/** Longest line of a streamed answer, in characters: a transition or a progress report has a few hundred. */
const maxLineLength = 65_536

/** Which node a command is for, as its flags say. */
export interface NodeOptions {
  readonly api?: string
  readonly data?: string
}

/** A node that can be asked. */
export interface NodeAccess {
  /** `http://host:port`. */
  readonly url: string
  /** For what only this machine's user may do; absent when the node was named by `--api`. */
  readonly token?: string
}

/** The data folder that the flags, the environment or the default name. */
export function dataFolder({ data }: NodeOptions, env: Terminal['env']): string {
  const given = data ?? env[variableOf('data')]
  return String(settings.data.kind.read(given || settings.data.fallback, homedir()))
}

/** Finds the node. Throws a CommandError when nothing says where one runs. */
export async function findNode(options: NodeOptions, env: Terminal['env']): Promise<NodeAccess> {
  if (options.api !== undefined) {
    const address = parseApiAddress(options.api.replace(/^http:\/\//, '').replace(/\/$/, ''))
    if (address === undefined) throw new CommandError(`--api ${options.api}: expected ${settings.api.kind.expected}.`)
    return { url: `http://${formatApiAddress(address)}` }
  }
  const folder = dataFolder(options, env)
  const run = await readRunFile(folder)
  if (run !== undefined) return { url: run.api, token: run.token }
  if (isHeld(folder)) throw new CommandError(`The node on ${folder} is starting or stopping: try again in a moment.`)
  throw new CommandError(
    `No node runs on ${folder}. Start one with \`omx-node start\`, or name one with --api HOST:PORT or --data DIR.`,
  )
}

/** `GET`s a JSON answer of the given shape. Throws a CommandError. */
export async function getJson<Schema extends TSchema>(
  { url }: NodeAccess,
  route: string,
  schema: Schema,
): Promise<Static<Schema>> {
  return readAnswer(await request(url, route, AbortSignal.timeout(answerTimeoutMs)), url, route, schema)
}

/** `POST`s JSON about one model and reads the JSON that answers it. Throws a CommandError, a Refusal where the node refuses. */
export async function postJson<Schema extends TSchema>(
  { url }: NodeAccess,
  route: string,
  body: object,
  schema: Schema,
): Promise<Static<Schema>> {
  const init = { method: 'POST', body: JSON.stringify(body) }
  return readAnswer(await request(url, route, AbortSignal.timeout(modelTimeoutMs), init), url, route, schema)
}

/** Has something done about one model that is answered by nothing but success. Throws as `postJson`. */
export async function send({ url }: NodeAccess, method: 'POST' | 'DELETE', route: string, body: object): Promise<void> {
  const init = { method, body: JSON.stringify(body) }
  const response = await request(url, route, AbortSignal.timeout(modelTimeoutMs), init)
  await response.body?.cancel()
}

async function readAnswer<Schema extends TSchema>(
  response: Response,
  url: string,
  route: string,
  schema: Schema,
): Promise<Static<Schema>> {
  const answer: unknown = await response.json().catch(() => undefined)
  if (Check(schema, answer)) return answer
  throw foreignAnswer(url, route, response.status)
}

/** `POST`s JSON and reads the lines that answer it. Throws a CommandError with the node's own words where it refuses. */
export async function* postLines<Schema extends TSchema>(
  { url }: NodeAccess,
  route: string,
  body: object,
  schema: Schema,
  signal: AbortSignal,
): AsyncIterable<Static<Schema>> {
  const response = await request(url, route, signal, { method: 'POST', body: JSON.stringify(body) })
  yield* linesOf(response, url, schema, signal)
}

/** `GET`s a stream of JSON lines until it ends or `signal` aborts. A line with an error ends it as a CommandError. */
export async function* getLines<Schema extends TSchema>(
  { url }: NodeAccess,
  route: string,
  schema: Schema,
  signal: AbortSignal,
): AsyncIterable<Static<Schema>> {
  const response = await request(url, route, signal)
  try {
    yield* linesOf(response, url, schema, signal)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Throws the signal's reason when that ends it. */
async function* linesOf<Schema extends TSchema>(
  response: Response,
  url: string,
  schema: Schema,
  signal: AbortSignal,
): AsyncIterable<Static<Schema>> {
  try {
    yield* parseLines(response.body ?? [], schema)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (error instanceof CommandError) throw error
    throw new CommandError(`The node at ${url} ended the stream: ${reason(error)}.`)
  }
}

/** Splits bytes into lines of JSON. Throws a CommandError for an error line or one that is something else. */
export async function* parseLines<Schema extends TSchema>(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  schema: Schema,
): AsyncIterable<Static<Schema>> {
  for await (const line of textLines(chunks)) if (line.trim() !== '') yield parseLine(line, schema)
}

async function* textLines(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder()
  const lines = new LineReader(maxLineLength)
  try {
    for await (const chunk of chunks) yield* lines.push(decoder.decode(chunk, { stream: true }))
    yield* lines.push(decoder.decode())
  } catch (error) {
    if (error instanceof RangeError) throw new CommandError('The node sent an endless line: is it an omx-node?')
    throw error
  }
  yield lines.end()
}

function parseLine<Schema extends TSchema>(line: string, schema: Schema): Static<Schema> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new CommandError('The node sent a line that is not JSON: is it the same version of omx-node?')
  }
  if (Check(failedLine, value)) throw new CommandError(value.error)
  if (Check(schema, value)) return value
  throw new CommandError('The node sent a line of another shape: is it the same version of omx-node?')
}

const failedLine = Type.Object({ error: Type.String() })

async function request(url: string, route: string, signal: AbortSignal, init: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url + route, { ...init, signal })
  } catch (error) {
    throw signal.reason instanceof CommandError ? signal.reason : unreachable(url, error)
  }
  if (response.ok) return response
  const answer: unknown = await response.json().catch(() => undefined)
  if (Check(ErrorAnswer, answer)) throw new Refusal(`${url}: ${answer.error}`, response.status)
  throw foreignAnswer(url, route, response.status)
}

/** Nobody answers where a node was said to be. */
export function unreachable(url: string, error: unknown): CommandError {
  const next = 'Start a node with `omx-node start`, or name one with --api HOST:PORT.'
  return new CommandError(`No node answers at ${url} (${reason(error)}). ${next}`)
}

function foreignAnswer(url: string, route: string, status: number): CommandError {
  return new CommandError(
    `${url} answers ${status} to ${route}, so it is not an omx-node of this version. Name another one with --api.`,
  )
}

/** What Node's `fetch` hides in the cause. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return 'no answer in time'
  const cause = error.cause
  return cause instanceof Error ? ('code' in cause ? String(cause.code) : cause.message) : error.message
}
