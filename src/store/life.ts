/**
 * The number of this node's life, kept in the data folder. Everything by which others tell old from new (ids, versions,
 * incarnations) begins with it, so it must rise with every start, whatever the clock says.
 */
import { join } from 'node:path'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { readSmall, replaceFile } from './small-file.ts'
import { causeText, StoreError } from './store-error.ts'

/** Bytes of a life file that are read; a real one has some thirty. */
const maxLifeFileBytes = 1024

/** The year 2109: 1,024 ids for each of its milliseconds still fit a number that counts exactly. */
const maxLife = 2 ** 42

const LifeFile = Type.Object({ life: Type.Integer({ minimum: 1, maximum: maxLife }) })
const lifeFileCheck = Compile(LifeFile)

/** The life after the stored one: the wall clock's milliseconds, or one more than before when the clock went back or is absurd. */
export function chooseLife(wallMs: number, stored: number): number {
  const clock = wallMs <= maxLife ? Math.floor(wallMs) : 0
  return Math.max(clock, stored + 1)
}

/** Begins a life: the number is on the disk before it is returned. Throws a StoreError. */
export async function beginLife(folder: string, wallMs: number): Promise<number> {
  const path = join(folder, 'life.json')
  const life = chooseLife(wallMs, await readLife(path))
  await replaceFile(path, `${JSON.stringify({ life })}\n`)
  return life
}

/** 0 when this is the first life. */
async function readLife(path: string): Promise<number> {
  const text = await readSmall(path, maxLifeFileBytes, (cause) => unusable(path, cause))
  if (text === undefined) return 0
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw unusable(path, causeText(error))
  }
  if (lifeFileCheck.Check(value)) return value.life
  throw unusable(path, 'it holds no life number')
}

function unusable(path: string, cause: string): StoreError {
  return new StoreError(
    'corrupt',
    `${path} is not what a node writes (${cause}). Remove it when the clock of this host is right: the next life then begins at the clock.`,
  )
}
