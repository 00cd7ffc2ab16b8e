/** Weights of another kind for a model's file, by llama.cpp's own `llama-quantize`: beside its server, or on the PATH. */
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import type { Quantize } from '../../../actors/model-catalog.ts'
import { LastWords } from '../last-words.ts'

const program = 'llama-quantize'

/** Files that wait or are worked on: each takes minutes, and who comes later is better told so. */
const maxFiles = 16

/** The program that belongs to a server at this path, or the one on the PATH where that is only a name. */
export const quantizerBeside = (server: string): string =>
  dirname(server) === '.' ? program : join(dirname(server), program)

/**
 * One file after another: each takes all threads that it is given. A signal ends the one that runs. Rejects with an error
 * whose code is `unsupported` where the program is not there, and which has its last words where it fails.
 */
export function quantizer(command: string, threads: number, signal: AbortSignal): Quantize {
  let last: Promise<unknown> = Promise.resolve()
  let files = 0
  return (input, output, type) => {
    if (files >= maxFiles) return Promise.reject(new Error(`${files} models are being quantized here: try again later`))
    files++
    const running = last
      .then(() => run(command, [input, output, type, String(threads)], signal))
      .finally(() => {
        files--
      })
    last = running.catch(() => undefined)
    return running
  }
}

function run(command: string, words: readonly string[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const said = new LastWords()
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' })
    for (const output of [child.stdout, child.stderr]) output.on('data', (data) => said.hear(data))
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' ? Object.assign(new Error(absent(command)), { code: 'unsupported' }) : error)
    })
    child.once('close', (code, killed) => {
      if (code === 0) resolve()
      else reject(new Error(`${program} ended with ${code ?? killed}${said.quoted()}`))
    })
  })
}

const absent = (command: string): string =>
  `this node cannot quantize, because there is no ${command}: install llama.cpp on this host, or quantize the file elsewhere and create the model from that`
