import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { main } from '../../src/cli/main.ts'
import { answering, recordedTerminal } from './kit.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'omx-create-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** A node that takes blobs, knows every model, and answers each create and chat with these lines. */
async function node(lines: readonly object[], known = false) {
  const requests: { readonly method: string; readonly path: string; readonly body: string }[] = []
  const listening = await answering(async (request, response) => {
    const body = await text(request)
    requests.push({ method: request.method ?? '', path: request.url ?? '', body })
    if (request.url?.startsWith('/api/blobs/'))
      response.writeHead(request.method === 'POST' ? 201 : known ? 200 : 404).end()
    else if (request.url === '/api/show') response.end(JSON.stringify(shown))
    else response.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  })
  return { api: listening.api, requests, [Symbol.asyncDispose]: listening[Symbol.asyncDispose] }
}

async function run(words: readonly string[], init: Parameters<typeof recordedTerminal>[0] = {}) {
  const terminal = recordedTerminal(init)
  const code = await main(words, terminal)
  return { code, printed: terminal.printed(), noted: terminal.noted() }
}

const steps = [{ status: 'writing manifest' }, { status: 'success' }]

describe('create', () => {
  it('sends the files that the node lacks and asks for the model', async () => {
    await using fake = await node(steps)
    const file = join(folder, 'Modelfile')
    await writeFile(join(folder, 'm.gguf'), 'GGUF')
    await writeFile(
      file,
      'FROM ./m.gguf\nPARAMETER stop a\nPARAMETER stop b\nPARAMETER seed 3\nSYSTEM Hi.\nLICENSE MIT\n',
    )
    expect(await run(['create', 'mine', '-f', file, '--api', fake.api])).toEqual({
      ...{ code: 0, printed: 'Created mine:latest.\n', noted: 'writing manifest\n' },
    })
    expect(fake.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      expect.stringMatching(/^HEAD \/api\/blobs\/sha256:/),
      expect.stringMatching(/^POST \/api\/blobs\/sha256:/),
      'POST /api/create',
    ])
    expect(fake.requests[1]?.body).toBe('GGUF')
    expect(JSON.parse(fake.requests[2]?.body ?? '')).toMatchObject({
      ...{ model: 'mine', files: { 'm.gguf': expect.stringMatching(/^sha256:[0-9a-f]{64}$/) } },
      ...{ parameters: { stop: ['a', 'b'], seed: 3 }, system: 'Hi.', license: ['MIT'] },
    })
  })

  it('names a model as it is, and prints JSON where it is asked to', async () => {
    await using fake = await node(steps)
    const file = join(folder, 'Modelfile')
    await writeFile(file, 'FROM base:v1\n')
    const { printed } = await run(['create', 'mine', '-f', file, '--api', fake.api, '--json'])
    expect(printed).toBe('{"status":"writing manifest"}\n{"status":"success"}\n')
    expect(JSON.parse(fake.requests[0]?.body ?? '')).toMatchObject({ from: 'base:v1' })
  })

  it.each([
    ['FROM ./absent.gguf', /there is no such file/],
    ['FROM a\nPARAMETER colour red', /unknown parameter 'colour'/],
    ['FROM a\nPARAMETER seed red', /expected a whole number/],
    ['SYSTEM Hi.', /no FROM line/],
  ])('refuses %j in a sentence', async (modelfile, words) => {
    await using fake = await node(steps)
    const file = join(folder, 'Modelfile')
    await writeFile(file, modelfile)
    const { code, noted } = await run(['create', 'mine', '-f', file, '--api', fake.api])
    expect(code).toBe(1)
    expect(noted).toMatch(words)
    expect(fake.requests).toEqual([])
  })
})

const answer = [{ message: { role: 'assistant', content: 'Aye' }, done: false }, { done: true }]
const shown = {
  modelfile: 'FROM x\n',
  details: { family: 'llama', parameter_size: '1.5M', quantization_level: 'Q8_0' },
  capabilities: ['completion'],
}

describe('run', () => {
  it('answers a prompt once, and what is piped in below it', async () => {
    await using fake = await node(answer)
    const asked = await run(['run', 'tiny', 'Sum', 'up:', '--api', fake.api], { input: ['one', 'two'] })
    expect(asked).toMatchObject({ code: 0, printed: 'Aye\n' })
    const request = fake.requests.find(({ path }) => path === '/api/chat')
    expect(JSON.parse(request?.body ?? '').messages).toEqual([{ role: 'user', content: 'Sum up:\n\none\ntwo' }])
  })

  it('keeps what was said, takes a system text and several lines, forgets, and ends', async () => {
    const asked: { messages: object[] }[] = []
    await using fake = await answering(async (request: IncomingMessage, response) => {
      const body = await text(request)
      if (request.url === '/api/show') return void response.end(JSON.stringify(shown))
      asked.push(JSON.parse(body))
      response.end(answer.map((line) => `${JSON.stringify(line)}\n`).join(''))
    })
    const input = [
      '/set system Be brief.',
      'Ahoy',
      '"""one',
      'two"""',
      '/clear',
      '/show',
      '/nothing',
      'Last',
      '/bye',
      'no',
    ]
    const { code, printed, noted } = await run(['run', 'tiny', '--api', fake.api], { interactive: true, input })
    expect(code).toBe(0)
    const system = { role: 'system', content: 'Be brief.' }
    const said = { role: 'assistant', content: 'Aye' }
    const user = (content: string) => ({ role: 'user', content })
    expect(asked.map(({ messages }) => messages)).toEqual([
      [system, user('Ahoy')],
      [system, user('Ahoy'), said, user('one\ntwo')],
      [system, user('Last')],
    ])
    expect(printed).toContain('>>> ')
    expect(printed).toContain('... ')
    expect(printed).toContain('llama 1.5M Q8_0: completion')
    expect(noted).toContain('There is no /nothing')
  })

  it('says what the node refuses, and that there is nothing to ask', async () => {
    await using fake = await node([{ error: 'llama runner process has terminated' }])
    expect(await run(['run', 'tiny', 'Hi', '--api', fake.api])).toMatchObject({
      ...{ code: 1, noted: 'omx-node: llama runner process has terminated\n' },
    })
    expect(fake.requests.map(({ path }) => path)).toEqual(['/api/show', '/api/chat'])
    expect((await run(['run', 'tiny', '--api', fake.api])).noted).toContain('nothing to ask')
    expect(fake.requests).toHaveLength(2)
  })

  it.each([
    ['a prompt', ['Hi'], false],
    ['a conversation', [], true],
  ])('pulls a model that the cluster does not hold before %s', async (_what, prompt, interactive) => {
    const asked: string[] = []
    let isHeld = false
    await using fake = await answering(async (request, response) => {
      asked.push(`${request.url} ${JSON.parse(await text(request)).model}`)
      if (request.url === '/api/pull') {
        isHeld = true
        return void response.end('{"status":"pulling manifest"}\n{"status":"success"}\n')
      }
      if (!isHeld) return void response.writeHead(404).end('{"error":"model \'tiny\' not found"}')
      const lines = request.url === '/api/show' ? [shown] : answer
      response.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    })
    const input = interactive ? ['Hi', '/bye'] : []
    const { code, printed, noted } = await run(['run', 'tiny', ...prompt, '--api', fake.api], { interactive, input })
    expect([code, asked]).toEqual([0, ['/api/show tiny', '/api/pull tiny', '/api/chat tiny']])
    expect(printed).toContain('Aye\n')
    expect(noted).toContain('pulling manifest')
  })

  it('neither pulls nor asks when the node refuses for another reason', async () => {
    const asked: string[] = []
    await using fake = await answering((request, response) => {
      asked.push(request.url ?? '')
      response.writeHead(503).end('{"error":"this node is shutting down"}')
    })
    const { code, noted } = await run(['run', 'tiny', 'Hi', '--api', fake.api])
    expect([code, noted, asked]).toEqual([1, expect.stringContaining('is shutting down'), ['/api/show']])
  })
})
