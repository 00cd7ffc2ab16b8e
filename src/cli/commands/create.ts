/** `omx-node create NAME -f Modelfile`: reads the Modelfile here, brings its files to the node, has the model made. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { parseModelName } from '../../../protocols/model-name.ts'
import { optionTypes } from '../../engine/options.ts'
import { type Command, parseModelfile } from '../../modelfile/modelfile.ts'
import { bringBlob } from '../blobs.ts'
import { findNode, type NodeAccess, type NodeOptions, postLines } from '../client.ts'
import { CommandError } from '../command-error.ts'
import { interruptible } from '../interruption.ts'
import { readModelName } from '../model-name.ts'
import { followSteps, StepLine } from '../steps.ts'
import type { Terminal } from '../terminal.ts'

export interface CreateOptions extends NodeOptions {
  readonly file: string
  readonly quantize?: string
  readonly json?: boolean
}

/** Largest Modelfile: texts that a manifest's layers may hold, several times over. */
const maxModelfileBytes = 16 * 1024 * 1024

export async function createModel(name: string, options: CreateOptions, terminal: Terminal): Promise<void> {
  const shownName = readModelName(name)
  const commands = await readModelfile(options.file)
  const node = await findNode(options, terminal.env)
  const { quantize } = options
  const texts = textsOf(commands)
  const sources = await sourcesOf(node, commands, dirname(resolve(options.file)), terminal)
  const body = { model: name, ...sources, ...texts, ...(quantize === undefined ? {} : { quantize }) }
  const words = 'Interrupted: the files that were sent are kept for an hour, so that the next try is quicker.'
  await interruptible(terminal, words, async (signal) => {
    await followSteps(postLines(node, '/api/create', body, StepLine, signal), options.json === true, terminal)
  })
  if (options.json !== true) terminal.print(`Created ${shownName}.\n`)
}

async function readModelfile(file: string): Promise<readonly Command[]> {
  try {
    const { size } = await stat(file)
    if (size > maxModelfileBytes) throw new CommandError(`it has ${size} bytes: name the Modelfile, not a model`)
    return parseModelfile(await readFile(file, 'utf8'))
  } catch (error) {
    throw new CommandError(`${file} cannot be used: ${(error as Error).message}.`)
  }
}

/** What the request has beside the models and files. */
function textsOf(commands: readonly Command[]): Record<string, unknown> {
  const texts: Record<string, unknown> = {}
  const licenses: string[] = []
  const messages: { role: string; content: string }[] = []
  const parameters: Record<string, unknown> = {}
  for (const command of commands) {
    if (command.name === 'parameter') addParameter(parameters, command.parameter, command.text)
    else if (command.name === 'message') messages.push({ role: command.role, content: command.text })
    else if (command.name === 'license') licenses.push(command.text)
    else if (command.name !== 'from' && command.name !== 'adapter') texts[command.name] = command.text
  }
  return { ...texts, license: licenses, messages, parameters }
}

const expected = { integer: 'a whole number', float32: 'a number', boolean: 'true or false' }

function addParameter(parameters: Record<string, unknown>, name: string, text: string): void {
  const type = optionTypes[name]
  if (type === undefined) throw new CommandError(`unknown parameter '${name}'`)
  if (type === 'strings') {
    parameters[name] = [...((parameters[name] as string[] | undefined) ?? []), text]
    return
  }
  const value = type === 'boolean' ? { true: true, false: false }[text.toLowerCase()] : Number(text)
  if (value === undefined || Number.isNaN(value) || (type === 'integer' && !Number.isInteger(value))) {
    throw new CommandError(`PARAMETER ${name} ${text}: expected ${expected[type]}.`)
  }
  parameters[name] = value
}

/** What FROM and ADAPTER name: a model of the cluster, or files, which the node has when this resolves. */
async function sourcesOf(node: NodeAccess, commands: readonly Command[], folder: string, terminal: Terminal) {
  const named = (name: 'from' | 'adapter') =>
    commands.flatMap((command) => (command.name === name ? [command.text] : []))
  const files: Record<string, string> = {}
  const adapters: Record<string, string> = {}
  let from: string | undefined
  for (const text of named('from')) {
    const paths = await filesAt(text, folder)
    if (paths.length === 0) from = modelNamed(text)
    for (const path of paths) await bring(node, files, path, terminal)
  }
  for (const text of named('adapter')) {
    const paths = await filesAt(text, folder)
    if (paths.length === 0) throw new CommandError(`ADAPTER ${text}: there is no such file.`)
    for (const path of paths) await bring(node, adapters, path, terminal)
  }
  const hasFiles = Object.keys(files).length > 0
  if (from !== undefined && hasFiles) {
    throw new CommandError(`FROM names the model ${from} and files: a model begins with one or the other.`)
  }
  return { ...(from === undefined ? {} : { from }), ...(hasFiles ? { files } : {}), adapters }
}

/** Files of one name in two folders stay apart. */
async function bring(node: NodeAccess, known: Record<string, string>, path: string, terminal: Terminal): Promise<void> {
  const name = basename(path)
  const key = name in known ? `${Object.keys(known).length}/${name}` : name
  known[key] = await bringBlob(node, path, terminal)
}

function modelNamed(text: string): string {
  if (parseModelName(text) !== undefined) return text
  throw new CommandError(`FROM ${text}: there is no such file, and no model can be called so.`)
}

/** The file of a path, or the GGUF files of a folder; none where there is nothing. */
async function filesAt(text: string, folder: string): Promise<string[]> {
  const path = resolve(folder, text.replace(/^~(?=\/)/, homedir()))
  const status = await stat(path).catch(() => undefined)
  if (status === undefined) return []
  if (!status.isDirectory()) return [path]
  const names = (await readdir(path)).filter((name) => /\.(gguf|safetensors)$/i.test(name)).sort()
  if (names.length === 0) throw new CommandError(`${path} holds no GGUF file. Name the file itself.`)
  return names.map((name) => join(path, name))
}
