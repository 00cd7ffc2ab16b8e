/** What keeps a node from starting is said in one sentence with the next step; it exits 1 and damages nothing. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { useCluster } from './support/cluster.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()

/** What others find in their way. */
const data = cluster.newFolder()
let node: OmxNode

beforeAll(async () => {
  node = await cluster.start('first', { engine: 'sim', data })
})

/** A start that is expected to fail. */
async function failedStart(...words: string[]) {
  const own = ['--json', '--p2p', '/ip4/127.0.0.1/tcp/0', '--engine', 'sim']
  const process = cluster.spawn(['start', ...own, ...words])
  const { code } = await process.exited
  return { code, stdout: process.stdout, stderr: process.stderr }
}

const says = (stderr: unknown) => ({ code: 1, stdout: '', stderr })

describe('a port that is taken', () => {
  it('by an Ollama is named so, with a command that works beside it', async () => {
    const ollama = createServer((_, response) => response.end('Ollama is running'))
    await new Promise<void>((resolve) => ollama.listen(0, '127.0.0.1', resolve))
    const api = `127.0.0.1:${(ollama.address() as AddressInfo).port}`
    try {
      const data = cluster.newFolder()
      const failed = await failedStart('--api', api, '--data', data, '--name', 'beside')
      expect(failed).toEqual(
        says(expect.stringContaining(`${api} is taken by an Ollama. To run beside it: omx-node start `)),
      )
      const command = /omx-node start (.*)\n$/.exec(failed.stderr)?.[1] ?? ''
      const node = cluster.spawn(['start', ...command.split(' ')])
      await expect.poll(() => node.stdout, { timeout: 20_000 }).toContain('"state":"ready"')
      await node.dispose()
    } finally {
      ollama.close()
    }
  })

  it('by another omx-node is named so', async () => {
    const api = node.url.slice('http://'.length)
    const failed = await failedStart('--api', api, '--data', cluster.newFolder())
    expect(failed).toEqual(says(expect.stringContaining(`${api} is taken by another omx-node.`)))
    expect((await node.status()).state).toBe('serving')
  })
})

describe('a data folder', () => {
  it('that is in use is named with the node that uses it, which goes on undisturbed', async () => {
    const run = readFileSync(join(data, 'run.json'), 'utf8')
    const failed = await failedStart('--api', '127.0.0.1:0', '--data', data)
    expect(failed).toEqual(
      says(
        `omx-node: The data folder ${data} is in use by the omx-node with process id ${node.process.pid} (${node.url}). ` +
          'Stop that node, or choose another folder with --data.\n',
      ),
    )
    expect(readFileSync(join(data, 'run.json'), 'utf8')).toBe(run)
    expect((await node.status()).state).toBe('serving')
  })

  it('that is a file, or in a place where nobody can write, is refused', async () => {
    const file = cluster.newFolder()
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, 'mine')
    for (const data of [file, join(file, 'below'), '/proc/1/omx']) {
      const failed = await failedStart('--api', '127.0.0.1:0', '--data', data)
      expect(failed).toEqual(says(expect.stringMatching(/^omx-node: The data folder .* cannot be .*--data\.\n$/)))
      expect(failed.stderr).toContain(data)
    }
    expect(readFileSync(file, 'utf8')).toBe('mine')
  })

  it('with a key that is none is refused, and the key is left as it is', async () => {
    const data = cluster.newFolder()
    const node = await cluster.start('first', { engine: 'sim', data })
    await node.stop()
    const key = join(data, 'key')
    expect(statSync(key).mode & 0o777).toBe(0o600)
    writeFileSync(key, 'not a key')
    const failed = await failedStart('--api', '127.0.0.1:0', '--data', data)
    expect(failed).toEqual(says(expect.stringMatching(/^omx-node: [^\n]+\n$/)))
    expect(failed.stderr).toContain(key)
    expect(readFileSync(key, 'utf8')).toBe('not a key')
  })

  it('whose node was killed can be used at once', async () => {
    const data = cluster.newFolder()
    const first = await cluster.start('first', { engine: 'sim', data })
    first.process.kill('SIGKILL')
    await first.process.exited
    const second = await cluster.start('second', { engine: 'sim', data })
    expect(second.id).toBe(first.id)
    expect(JSON.parse(readFileSync(join(data, 'run.json'), 'utf8'))).toMatchObject({
      pid: second.process.pid,
      api: second.url,
      node: second.id,
    })
    expect(statSync(join(data, 'run.json')).mode & 0o777).toBe(0o600)
  })
})

describe('a server behind a node', () => {
  /** A start with a server that answers everything so. */
  async function startBehind(status: number, body: string, ...words: string[]) {
    const server = createServer((_, response) => response.writeHead(status).end(body))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
    const own = ['--api', '127.0.0.1:0', '--data', cluster.newFolder(), '--engine', `openai=${url}`]
    const failed = await failedStart(...own, ...words)
    server.close()
    return { url, failed }
  }

  it('that does not know the key says so, and the message names the setting and never the key', async () => {
    const body = JSON.stringify({ error: { message: 'Incorrect API key provided: sk-secret' } })
    const { url, failed } = await startBehind(401, body, '--openai-key', 'sk-secret')
    const hint = `give the node the key of ${url} with --openai-key or OMX_OPENAI_KEY`
    expect(failed).toEqual(says(expect.stringMatching(`omx-node: Incorrect API key provided: …: ${hint}\\n$`)))
    expect(failed.stderr).not.toContain('sk-secret')
  })

  it('that is no such server is named', async () => {
    const { url, failed } = await startBehind(200, '{"hello":"there"}')
    expect(failed).toEqual(says(`omx-node: ${url}/models answered with something else than models\n`))
  })

  it.each(['openai', 'ollama'])(
    'whose URL has a password is refused, and the password not repeated: %s',
    async (name) => {
      const engine = `${name}=http://me:hunter2@127.0.0.1:1`
      const failed = await failedStart('--api', '127.0.0.1:0', '--data', cluster.newFolder(), '--engine', engine)
      expect(failed).toEqual(says(expect.stringContaining(`"${name}=http://…@127.0.0.1:1" cannot be used`)))
      expect(failed.stderr).not.toContain('hunter2')
    },
  )
})

describe('settings', () => {
  it('that would let other machines in need --insecure-open', async () => {
    for (const words of [
      ['--api', '0.0.0.0:0'],
      ['--api', '127.0.0.1:0', '--p2p', '/ip4/0.0.0.0/tcp/0'],
    ]) {
      const failed = await failedStart(...words, '--data', cluster.newFolder())
      expect(failed).toEqual(says(expect.stringMatching(/^omx-node: [^\n]*--insecure-open[^\n]*\n$/)))
    }
  })

  it('that are unknown or wrong are refused with the key, the value and what was expected', async () => {
    const data = cluster.newFolder()
    expect(await failedStart('--slotz', '3', '--data', data)).toEqual(
      says(expect.stringMatching(/^omx-node: unknown option '--slotz'\. Did you mean --slots\?\n$/)),
    )
    const wrong = await failedStart('--slots', 'many', '--drain', 'soon', '--data', data)
    expect(wrong).toEqual(says(expect.stringMatching(/^omx-node: [^\n]+\nomx-node: [^\n]+\n$/)))
    for (const part of ['slots', '"many"', 'drain', '"soon"', 'expected']) expect(wrong.stderr).toContain(part)
    expect(statSync(data, { throwIfNoEntry: false })).toBeUndefined()
  })

  it('in a file are read, and an unknown key is refused with the file and the nearest name', async () => {
    const data = cluster.newFolder()
    mkdirSync(data, { recursive: true })
    const file = join(data, 'omx.yaml')
    writeFileSync(file, `name: from-file\nlog-levle: debug\n`)
    const failed = await failedStart('--api', '127.0.0.1:0', '--data', data, '--config', file)
    expect(failed).toEqual(says(expect.stringMatching(/^omx-node: log-levle [^\n]*log-level[^\n]*\n$/)))
    expect(failed.stderr).toContain(file)
    writeFileSync(file, `name: from-file\nlog-level: debug\n`)
    const node = cluster.spawn([
      'start',
      '--json',
      '--api',
      '127.0.0.1:0',
      '--p2p',
      '/ip4/127.0.0.1/tcp/0',
      '--data',
      data,
      '--config',
      file,
    ])
    await expect.poll(() => node.stdout, { timeout: 20_000 }).toContain('"name":"from-file"')
    await node.dispose()
  })
})
