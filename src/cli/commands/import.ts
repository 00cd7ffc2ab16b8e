/** `omx-node import NAME FILE.gguf`: through the running node, or into the folder when no node holds it. */
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { loadConfig } from '../../config/load.ts'
import { ggufMagic } from '../../gguf/header.ts'
import { openCatalog } from '../../store/catalog.ts'
import { isHeld, openDataFolder } from '../../store/data-folder.ts'
import { dataFolder, findNode, type NodeOptions } from '../client.ts'
import { CommandError } from '../command-error.ts'
import { readModelName } from '../model-name.ts'
import { progressBar } from '../progress.ts'
import { sizeText } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { upload } from '../upload.ts'

export interface ImportOptions extends NodeOptions {
  readonly models?: string
  readonly json?: boolean
}

/** What both ways of importing answer. */
export interface Imported {
  readonly name: string
  readonly digest: string
  readonly size: number
}

export async function importModel(
  name: string,
  file: string,
  options: ImportOptions,
  terminal: Terminal,
): Promise<void> {
  const shownName = readModelName(name, existsSync(name) ? ' The name comes first, then the file.' : '')
  const sizeBytes = await checkGguf(file)
  const bar = progressBar(`importing ${shownName}`, sizeBytes, terminal)
  let imported: Imported
  try {
    imported = await importWhereItBelongs(shownName, file, sizeBytes, options, terminal, bar.update)
  } finally {
    bar.end()
  }
  if (options.json === true) terminal.print(`${JSON.stringify({ status: 'success', model: imported })}\n`)
  else
    terminal.print(`Imported ${imported.name}: ${sizeText(imported.size)}, version ${imported.digest.slice(0, 12)}.\n`)
}

async function importWhereItBelongs(
  name: string,
  file: string,
  sizeBytes: number,
  options: ImportOptions,
  terminal: Terminal,
  onProgress: (bytes: number) => void,
): Promise<Imported> {
  const folder = dataFolder(options, terminal.env)
  if (options.api === undefined && !isHeld(folder)) return importIntoFolder(name, file, options, terminal, onProgress)
  if (options.models !== undefined) {
    throw new CommandError('--models is for a folder that no node uses; the running node imports into its own.')
  }
  const node = await findNode({ ...options, data: folder }, terminal.env)
  // A node named by its address may be the one whose token lies in the data folder.
  const own = node.token === undefined ? await findNode({ data: folder }, terminal.env).catch(() => undefined) : node
  return upload(
    { url: node.url, ...(own?.token === undefined ? {} : { token: own.token }) },
    name,
    file,
    sizeBytes,
    onProgress,
  )
}

async function importIntoFolder(
  name: string,
  file: string,
  options: ImportOptions,
  terminal: Terminal,
  onProgress: (bytes: number) => void,
): Promise<Imported> {
  // Nothing listens during an import, so no address of the settings can be too open for it.
  const flags = { data: options.data, models: options.models, insecureOpen: true }
  const config = loadConfig({ flags, env: terminal.env, readFile: (path) => readFileSync(path, 'utf8') })
  const folder = await openDataFolder(config.data)
  try {
    const catalog = await openCatalog(config.models, { data: config.data })
    const held = await catalog.importGguf(name, createReadStream(file), onProgress)
    return { name: held.name, digest: held.digest, size: held.sizeBytes }
  } finally {
    folder.release()
  }
}

/** The file's size, if it begins as a GGUF does. Throws a CommandError. */
async function checkGguf(file: string): Promise<number> {
  const status = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(
      error.code === 'ENOENT' ? `There is no file ${file}.` : `${file} cannot be read: ${error.message}.`,
    )
  })
  if (!status.isFile()) throw new CommandError(`${file} is not a file. Name the .gguf file itself.`)
  const head = Buffer.alloc(ggufMagic.length)
  const handle = await open(file).catch((error: Error) => {
    throw new CommandError(`${file} cannot be read: ${error.message}.`)
  })
  try {
    await handle.read(head, 0, head.length, 0)
  } finally {
    await handle.close()
  }
  if (head.equals(ggufMagic)) return status.size
  throw new CommandError(`${file} is not a GGUF file: it does not begin with "${ggufMagic}". Convert the model first.`)
}
