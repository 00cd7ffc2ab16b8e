/** Files of a few lines that are read and replaced as a whole, in a folder that this process alone writes. */
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileError, systemCode } from './store-error.ts'

/** Its text; undefined when there is none. `tooLarge` makes the error for one of more than `maxBytes`. */
export async function readSmall(
  path: string,
  maxBytes: number,
  tooLarge: (cause: string) => Error,
): Promise<string | undefined> {
  let sizeBytes: number
  try {
    sizeBytes = (await stat(path)).size
    if (sizeBytes <= maxBytes) return await readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw fileError('Reading', path, error)
  }
  throw tooLarge(`it has ${sizeBytes} bytes`)
}

/** Replaces it in one step, readable by the owner alone; text and name are on the disk when this resolves. Throws a StoreError. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const staged = `${path}.new`
  try {
    await rm(staged, { force: true })
    await writeDurably(staged, text)
    await rename(staged, path)
    await using folder = await open(dirname(path))
    await folder.sync()
  } catch (error) {
    throw fileError('Writing', path, error)
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  await file.writeFile(text)
  await file.sync()
}
