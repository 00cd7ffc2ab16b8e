/** A terminal that remembers, and a listener that answers as a node would. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Terminal } from '../../src/cli/terminal.ts'

export interface RecordedTerminal extends Terminal {
  readonly printed: () => string
  readonly noted: () => string
  readonly exits: readonly number[]
  readonly signal: (signal: NodeJS.Signals) => void
  /** Resolves when what was printed or noted has come to include `text`. */
  readonly until: (text: string) => Promise<void>
}

export function recordedTerminal(
  init: {
    env?: Record<string, string>
    interactive?: boolean
    input?: readonly string[]
    size?: { columns: number; rows: number }
  } = {},
): RecordedTerminal {
  let printed = ''
  let noted = ''
  const exits: number[] = []
  const listeners = new Set<(signal: NodeJS.Signals) => void>()
  const waiting = new Set<() => void>()
  return {
    print: (text) => {
      printed += text
      for (const check of waiting) check()
    },
    note: (text) => {
      noted += text
      for (const check of waiting) check()
    },
    interactive: init.interactive === true,
    notesInteractive: init.interactive === true,
    noteSize: () => init.size ?? { columns: 80, rows: 24 },
    inputInteractive: init.interactive === true,
    readLines: async function* (prompt) {
      for (const line of init.input ?? []) {
        if (init.interactive === true) printed += prompt()
        yield line
      }
    },
    env: init.env ?? {},
    onSignal: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    exit: (code) => void exits.push(code),
    printed: () => printed,
    noted: () => noted,
    exits,
    signal: (signal) => {
      for (const listener of listeners) listener(signal)
    },
    until: (text) =>
      new Promise((resolve) => {
        const check = () => {
          if (!printed.includes(text) && !noted.includes(text)) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      }),
  }
}

/** Listens on a free port until disposed of. */
export async function answering(listener: RequestListener): Promise<AsyncDisposable & { readonly api: string }> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    api: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Answers each path with its JSON, and everything else with Ollama's 404. */
export function answers(byPath: Readonly<Record<string, unknown>>): RequestListener {
  return (request, response) => {
    const body = byPath[new URL(request.url ?? '', 'http://node').pathname]
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(body === undefined ? '404 page not found' : JSON.stringify(body))
  }
}
