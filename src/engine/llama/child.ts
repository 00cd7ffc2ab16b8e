/**
 * The engine's process: one model, driven by its parent over IPC. It ends when its parent does.
 * SIGINT and SIGTERM are ignored: a terminal or a service manager sends them to the whole group, and the parent, which
 * drains first, decides when this process stops.
 */
import type { ChildMessage, LoadMessage, ParentMessage } from './messages.ts'
import { LoadError, type LoadedModel, loadModel } from './model.ts'
import { Scheduler } from './scheduler.ts'

let model: LoadedModel | undefined
let scheduler: Scheduler | undefined

/** @returns what to wait for before sending more, when the parent does not read as fast as this process writes */
function send(message: ChildMessage): Promise<void> | undefined {
  const written = Promise.withResolvers<void>()
  // A parent that is gone is noticed by 'disconnect'; nothing is owed to it.
  const keepsUp = process.send?.(message, undefined, undefined, () => written.resolve())
  return keepsUp === false ? written.promise : undefined
}

function onMessage(message: ParentMessage): void {
  switch (message.kind) {
    case 'load':
      void load(message)
      return
    case 'start':
      scheduler?.start(message)
      return
    case 'pause':
    case 'continue':
      scheduler?.pause(message.stream, message.kind === 'pause')
      return
    case 'cancel':
      scheduler?.cancel(message.stream)
      return
    case 'tokenize':
      send({ kind: 'tokenized', call: message.call, tokens: [...(model?.tokenize(message.text, true) ?? [])] })
      return
    case 'detokenize':
      send({ kind: 'detokenized', call: message.call, text: model?.detokenize(message.tokens, [], true) ?? '' })
      return
  }
}

async function load(message: LoadMessage): Promise<void> {
  try {
    model = await loadModel(message, (fraction) => send({ kind: 'loading', fraction }))
    scheduler = new Scheduler({ model, prefillTokens: message.prefillTokens, send })
    void scheduler.run()
    const { contextTokens, vramBytes, vocabulary } = model
    send({ kind: 'loaded', contextTokens, vramBytes, vocabulary })
  } catch (error) {
    const code = error instanceof LoadError ? error.code : 'load-failed'
    send({ kind: 'unloadable', code, message: error instanceof Error ? error.message : String(error) })
  }
}

process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
// Not `exit`: native threads may be computing, and nothing here is worth an orderly end.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
process.on('message', onMessage)
