import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { main } from '../../src/cli/main.ts'
import { openDataFolder } from '../../src/store/data-folder.ts'
import { writeRunFile } from '../../src/store/run-file.ts'
import { answering, recordedTerminal } from './kit.ts'

const demoModel = fileURLToPath(new URL('../../models/omx-tiny.gguf', import.meta.url))
const token = 'secret'

let data: string

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'omx-import-'))
})

afterEach(async () => {
  await rm(data, { recursive: true })
})

async function run(...words: string[]) {
  const terminal = recordedTerminal({ interactive: true })
  const code = await main(['import', ...words, '--data', data], terminal)
  return { code, printed: terminal.printed(), noted: terminal.noted() }
}

describe('import into a folder that no node holds', () => {
  it('stores the model, shows progress and gives the folder free', async () => {
    const { code, printed, noted } = await run('tiny', demoModel)
    expect(code).toBe(0)
    expect(printed).toMatch(/^Imported tiny:latest: .* MB, version [0-9a-f]{12}\.\n$/)
    expect(noted).toContain('importing tiny:latest')
    expect(await readdir(join(data, 'models', 'manifests', 'registry.ollama.ai', 'library', 'tiny'))).toEqual([
      'latest',
    ])
    const folder = await openDataFolder(data)
    folder.release()
  })

  it('answers with JSON when asked to', async () => {
    const { printed } = await run('tiny', demoModel, '--json')
    expect(JSON.parse(printed)).toMatchObject({ status: 'success', model: { name: 'tiny:latest' } })
  })

  it('puts it into the models folder that is named', async () => {
    const models = join(data, 'elsewhere')
    expect((await run('tiny', demoModel, '--models', models)).code).toBe(0)
    expect(await readdir(models)).toContain('manifests')
  })
})

describe('import refuses early', () => {
  it('a missing file, a folder, a file of another kind and a name that is none', async () => {
    const text = join(data, 'notes.txt')
    await writeFile(text, 'not a model')
    expect(await run('tiny', join(data, 'no.gguf'))).toMatchObject({
      code: 1,
      noted: expect.stringContaining('no file'),
    })
    expect(await run('tiny', data)).toMatchObject({ code: 1, noted: expect.stringContaining('is not a file') })
    expect(await run('tiny', text)).toMatchObject({ code: 1, noted: expect.stringContaining('is not a GGUF file') })
    expect(await run('../x y', demoModel)).toMatchObject({
      code: 1,
      noted: expect.stringContaining('not a model name'),
    })
    expect((await run(text, 'tiny')).noted).toContain('The name comes first')
  })

  it('while the node that holds the folder is starting or stopping', async () => {
    const folder = await openDataFolder(data)
    try {
      expect(await run('tiny', demoModel)).toMatchObject({ code: 1, noted: expect.stringContaining('try again') })
    } finally {
      folder.release()
    }
  })
})

describe('import through the running node', () => {
  async function withNode(listener: Parameters<typeof answering>[0], test: () => Promise<void>) {
    const folder = await openDataFolder(data)
    await using node = await answering(listener)
    const run_ = { pid: process.pid, p2p: [], node: 'n', name: 'n', token, startedAt: '2026-01-01T00:00:00Z' }
    await writeRunFile(data, { ...run_, api: `http://${node.api}` })
    try {
      await test()
    } finally {
      folder.release()
    }
  }

  it('sends the file with its length and the token, and reports what the node says', async () => {
    const seen: Record<string, unknown> = {}
    const received: Buffer[] = []
    const listener: Parameters<typeof answering>[0] = (request, response) => {
      Object.assign(seen, { method: request.method, url: request.url, ...request.headers })
      request.on('data', (chunk) => received.push(chunk))
      request.on('end', () => {
        response.write('{"completed":1,"total":2}\n')
        response.end('{"status":"success","model":{"name":"ada/tiny:q8","digest":"abcdef012345678","size":9}}\n')
      })
    }
    await withNode(listener, async () => {
      expect(await run('ada/tiny:q8', demoModel)).toMatchObject({
        code: 0,
        printed: 'Imported ada/tiny:q8: 9 B, version abcdef012345.\n',
      })
    })
    const file = await readFile(demoModel)
    expect(Buffer.concat(received).equals(file)).toBe(true)
    expect(seen).toMatchObject({
      method: 'PUT',
      url: '/omx/v1/models/ada%2Ftiny%3Aq8',
      authorization: 'Bearer secret',
      'content-length': String(file.length),
    })
  })

  it('repeats the reason when the node refuses before it has read the file', async () => {
    const refuse: Parameters<typeof answering>[0] = (_request, response) => {
      response.writeHead(401, { connection: 'close' }).end('{"error":"importing needs this node\'s token"}')
    }
    await withNode(refuse, async () => {
      expect(await run('tiny', demoModel)).toMatchObject({
        code: 1,
        noted: expect.stringContaining("importing needs this node's token"),
      })
    })
  })

  it('does not take a stream that just ends for a success', async () => {
    const half: Parameters<typeof answering>[0] = (request, response) => {
      request.resume().on('end', () => response.end('{"completed":1,"total":2}\n'))
    }
    await withNode(half, async () => {
      expect(await run('tiny', demoModel)).toMatchObject({
        code: 1,
        noted: expect.stringContaining('without a result'),
      })
    })
  })

  it('does not take another models folder than the node has', async () => {
    await withNode(
      () => {},
      async () => {
        expect((await run('tiny', demoModel, '--models', '/elsewhere')).noted).toContain('the running node imports')
      },
    )
  })
})
