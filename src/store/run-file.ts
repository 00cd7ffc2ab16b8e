/** `run.json`: how the command line finds the node that runs on a data folder. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { readSmall, replaceFile } from './small-file.ts'
import { causeText, fileError, StoreError } from './store-error.ts'

/** Largest run file that is read in bytes; a real one has a few hundred. */
const maxRunFileBytes = 64 * 1024

const RunFile = Type.Object({
  pid: Type.Integer({ minimum: 1 }),
  /** `http://host:port`. */
  api: Type.String(),
  /** Multiaddrs that other nodes can join at. */
  p2p: Type.Array(Type.String()),
  /** Peer id. */
  node: Type.String(),
  name: Type.String(),
  /** Lets its reader act as this node's administrator; the reason for the file's mode. */
  token: Type.String(),
  /** RFC 3339, UTC. */
  startedAt: Type.String(),
})
export type RunFile = Static<typeof RunFile>

const runFileCheck = Compile(RunFile)

/** Writes it in one step, readable by the owner alone. Throws a StoreError. */
export async function writeRunFile(folder: string, run: RunFile): Promise<void> {
  await replaceFile(runFilePath(folder), `${JSON.stringify(run, undefined, 2)}\n`)
}

/** The running node's file; undefined when there is none. Throws a StoreError when it is no run file. */
export async function readRunFile(folder: string): Promise<RunFile | undefined> {
  const path = runFilePath(folder)
  const text = await readSmall(path, maxRunFileBytes, (cause) => unusable(path, cause))
  if (text === undefined) return undefined
  let run: unknown
  try {
    run = JSON.parse(text)
  } catch (error) {
    throw unusable(path, causeText(error))
  }
  if (runFileCheck.Check(run)) return run
  const [first] = runFileCheck.Errors(run)
  throw unusable(path, first === undefined ? 'it does not fit' : `${first.instancePath || '/'} ${first.message}`)
}

/** Removes it; not an error when it is not there. Throws a StoreError. */
export async function removeRunFile(folder: string): Promise<void> {
  const path = runFilePath(folder)
  await rm(path, { force: true }).catch((error) => {
    throw fileError('Removing', path, error)
  })
}

function runFilePath(folder: string): string {
  return join(folder, 'run.json')
}

function unusable(path: string, cause: string): StoreError {
  return new StoreError(
    'corrupt',
    `${path} is not what a running node writes (${cause}). Restart the node, or name its API with --api.`,
  )
}
