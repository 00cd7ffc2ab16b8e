import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { start } from '../../src/cli/commands/start.ts'
import { ListenError } from '../../src/http/listener.ts'
import type { RunningNode, StartNode } from '../../src/running-node.ts'
import { answering, type RecordedTerminal, recordedTerminal } from './kit.ts'

const loopback = '/ip4/127.0.0.1/tcp/11435/p2p/12D3KooWlovelace'

let data: string
let terminal: RecordedTerminal

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'omx-start-'))
  terminal = recordedTerminal()
})

afterEach(async () => {
  await rm(data, { recursive: true })
})

function node(init: Partial<RunningNode> = {}): StartNode {
  return async () => ({
    api: '127.0.0.1:11434',
    p2pAddresses: [loopback],
    nodeId: '12D3KooWlovelace',
    name: 'lovelace',
    drain: async () => {},
    failed: new Promise(() => {}),
    ...init,
  })
}

function run(startNode: StartNode, init: { words?: string[]; json?: boolean; flags?: object } = {}) {
  const flags = { data, name: 'lovelace', logLevel: 'silent', ...init.flags }
  return start({ flags, json: init.json === true, words: init.words ?? [] }, terminal, startNode)
}

describe('start', () => {
  it('prints the addresses and the command that joins another node on this machine', async () => {
    const done = run(node())
    await terminal.until('join')
    terminal.signal('SIGTERM')
    expect(await done).toBe(0)
    expect(terminal.printed()).toBe(
      [
        'lovelace (12D3KooWlovelace) is ready',
        'api   http://127.0.0.1:11434',
        `p2p   ${loopback}`,
        `join  omx-node start --api 127.0.0.1:0 --p2p /ip4/127.0.0.1/tcp/0 --data ${data}-2 --name lovelace-2 --join ${loopback}`,
        '',
      ].join('\n'),
    )
  })

  it('prints the command for another machine when others reach this one', async () => {
    const reachable = '/ip4/192.168.1.7/tcp/11435/p2p/12D3KooWlovelace'
    const done = run(node({ p2pAddresses: [loopback, reachable] }))
    await terminal.until('join')
    terminal.signal('SIGINT')
    await done
    expect(terminal.printed()).toContain(
      `join  omx-node start --p2p /ip4/0.0.0.0/tcp/11435 --insecure-open --join ${reachable}\n`,
    )
  })

  it('prints one line of JSON when asked to', async () => {
    const done = run(node(), { json: true })
    await terminal.until('\n')
    terminal.signal('SIGTERM')
    await done
    expect(JSON.parse(terminal.printed())).toEqual({
      state: 'ready',
      name: 'lovelace',
      node: '12D3KooWlovelace',
      api: '127.0.0.1:11434',
      p2p: [loopback],
    })
  })

  it('drains on the first signal and exits at once on the second', async () => {
    let drained = () => {}
    const drain = () =>
      new Promise<void>((resolve) => {
        drained = resolve
      })
    const done = run(node({ drain }))
    await terminal.until('join')
    terminal.signal('SIGTERM')
    expect(terminal.exits).toEqual([])
    terminal.signal('SIGTERM')
    expect(terminal.exits).toEqual([143])
    await new Promise(setImmediate)
    drained()
    expect(await done).toBe(0)
  })

  it('does not take the copy of a signal that npm passes on for a second one', async () => {
    terminal = recordedTerminal({ env: { npm_lifecycle_event: 'omx-node' } })
    const done = run(node())
    await terminal.until('join  npm run omx-node -- start')
    terminal.signal('SIGINT')
    terminal.signal('SIGINT')
    expect(await done).toBe(0)
    expect(terminal.exits).toEqual([])
  })

  it('ends with exit code 1 when the root supervisor gave up', async () => {
    expect(await run(node({ failed: Promise.resolve(new Error('network: crashed 5 times in 10 s')) }))).toBe(1)
    expect(terminal.noted()).toContain('network: crashed 5 times in 10 s')
  })

  it('ends with exit code 1 when stopping failed', async () => {
    const done = run(node({ drain: () => Promise.reject(new Error('stuck')) }))
    await terminal.until('join')
    terminal.signal('SIGTERM')
    expect(await done).toBe(1)
  })
})

describe('start on a taken port', () => {
  async function refusal(greeting: string, words: string[] = []) {
    await using other = await answering((request, response) => {
      response.writeHead(request.url === '/' ? 200 : 404).end(request.url === '/' ? greeting : '')
    })
    const [host = '', port] = other.api.split(':')
    const cause = Object.assign(new Error('in use'), { code: 'EADDRINUSE' })
    const taken: StartNode = () => Promise.reject(new ListenError(host, Number(port), cause))
    const error = await run(taken, { words, flags: { api: other.api } }).catch((thrown: Error) => thrown)
    return { message: (error as Error).message, port: Number(port) }
  }

  it('names the Ollama that has it and the command that works beside it', async () => {
    const { message, port } = await refusal('Ollama is running', ['--api', 'x', '--slots', '2', '--api=y'])
    expect(message).toContain(
      `127.0.0.1:${port} is taken by an Ollama. To run beside it: omx-node start --slots 2 --api`,
    )
    const suggested = Number(/--api 127\.0\.0\.1:(\d+)$/.exec(message)?.[1])
    expect(suggested).not.toBe(port)
  })

  it('says so when it is some other program', async () => {
    expect((await refusal('hello')).message).toContain('is taken by another program')
  })

  it('names the address when it is not one of this machine', async () => {
    const cause = Object.assign(new Error('no'), { code: 'EADDRNOTAVAIL' })
    const absent: StartNode = () => Promise.reject(new ListenError('127.0.0.9', 1, cause))
    await expect(run(absent)).rejects.toThrow('Choose another address with --api.')
  })
})

it('passes on what startNode rejects with', async () => {
  await expect(run(() => Promise.reject(new Error('the folder is locked')))).rejects.toThrow('the folder is locked')
})
