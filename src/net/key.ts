/** The node's identity on disk: an Ed25519 key in a file that only its owner reads. A restarted node is the same peer. */
import { randomBytes } from 'node:crypto'
import { link, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { KeyError } from './errors.ts'

const keyFile = 'key'

/** Owner reads and writes, nobody else. */
const keyMode = 0o600
const othersMask = 0o077

/** A protobuf of an Ed25519 key is 68 bytes; a larger file is something else. */
const maxKeyBytes = 4096

export interface LoadedKey {
  readonly privateKey: PrivateKey
  /** What a person should know: the file was readable by others, and no longer is. */
  readonly warning?: string
}

/**
 * Reads `key` in the data folder, or makes one when there is none.
 * Rejects with a KeyError when the file is no Ed25519 key or cannot be read or written; such a file is left as it is.
 */
export async function loadOrCreateKey(dataFolder: string): Promise<LoadedKey> {
  const path = join(dataFolder, keyFile)
  const existing = await readKey(path)
  if (existing !== undefined) return existing
  const privateKey = await generateKeyPair('Ed25519')
  // Two processes that start at once: the first link wins, and both use what then is there.
  if (await writeNew(dataFolder, path, privateKeyToProtobuf(privateKey))) return { privateKey }
  const winner = await readKey(path)
  if (winner === undefined) throw new KeyError(path, `${path} disappeared while it was read; start the node again.`)
  return winner
}

async function readKey(path: string): Promise<LoadedKey | undefined> {
  const file = await openExisting(path)
  if (file === undefined) return undefined
  try {
    const { size, mode } = await file.stat()
    if (size > maxKeyBytes) throw corrupt(path, `it has ${size} bytes`)
    const bytes = await file.readFile()
    const privateKey = parse(path, bytes)
    if ((mode & othersMask) === 0 || process.platform === 'win32') return { privateKey }
    await file.chmod(keyMode)
    const was = (mode & 0o777).toString(8)
    return {
      privateKey,
      warning: `${path} could be read by others (mode ${was}); it is 600 now. If somebody may have copied it, remove it: the node then gets a new identity.`,
    }
  } finally {
    await file.close()
  }
}

async function openExisting(path: string) {
  try {
    return await open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new KeyError(path, `Cannot read the node's key ${path}: ${(error as Error).message}.`, { cause: error })
  }
}

function parse(path: string, bytes: Uint8Array): PrivateKey {
  let key: PrivateKey
  try {
    key = privateKeyFromProtobuf(bytes)
  } catch (error) {
    throw corrupt(path, (error as Error).message)
  }
  if (key.type !== 'Ed25519') throw corrupt(path, `it holds a key of type ${key.type}`)
  return key
}

function corrupt(path: string, why: string): KeyError {
  return new KeyError(
    path,
    `${path} is no Ed25519 key (${why}). Restore it from a backup, or move it away: the node then starts as a new peer.`,
  )
}

/** Writes beside the target, then links: the file appears whole or not at all, and never over another. False: it exists. */
async function writeNew(folder: string, path: string, bytes: Uint8Array): Promise<boolean> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', keyMode)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await putInPlace(temporary, path)
    await syncFolder(folder)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' && (await exists(path))) return false
    throw new KeyError(path, `Cannot write the node's key ${path}: ${(error as Error).message}.`, { cause: error })
  } finally {
    await rm(temporary, { force: true })
  }
}

/** A link never replaces what is there. Folders without hard links get a rename: a second node there is kept out by the lock. */
async function putInPlace(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
    await rename(temporary, path)
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}

/** Without it a power cut may forget the name of a file whose bytes are safe. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
