import { describe, expect, it } from 'vitest'
import { type ConfigSources, loadConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/config/problem.ts'

const host = { homeFolder: '/people/ada', name: 'lovelace', addresses: ['127.0.0.1', '192.168.1.7'] }

function load(sources: Partial<Omit<ConfigSources, 'readFile'>> & { file?: string } = {}) {
  const readFile = () => sources.file ?? ''
  const flags = sources.file === undefined ? sources.flags : { config: 'omx.yaml', ...sources.flags }
  return loadConfig({ flags: flags ?? {}, env: sources.env ?? {}, readFile, host })
}

function problemsOf(sources: Parameters<typeof load>[0]) {
  try {
    load(sources)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('loadConfig', () => {
  it('has a default for every setting', () => {
    expect(load()).toEqual({
      api: { host: '127.0.0.1', port: 11434 },
      origins: [],
      openaiKey: '',
      p2p: '/ip4/127.0.0.1/tcp/11435',
      join: [],
      data: '/people/ada/.omx',
      models: '/people/ada/.omx/models',
      engine: { name: 'llama' },
      gpu: true,
      name: 'lovelace',
      mdns: false,
      logLevel: 'info',
      insecureOpen: false,
      drainMs: 30_000,
      threads: 0,
      slots: 4,
      contextTokens: 4096,
      keepAliveMs: 300_000,
      loadTimeoutMs: 300_000,
      maxLoaded: 3,
      maxQueue: 512,
      pullMaxBytesPerSecond: 0,
      simTokensPerSecond: 50,
    })
  })

  it('lets a flag outrank OMX_*, that an OLLAMA_* variable, that the file, and that the default', () => {
    const file = 'keep-alive: 1m\n'
    const ollama = { OLLAMA_KEEP_ALIVE: '2m' }
    const omx = { ...ollama, OMX_KEEP_ALIVE: '3m' }
    expect(load({ file }).keepAliveMs).toBe(60_000)
    expect(load({ file, env: ollama }).keepAliveMs).toBe(120_000)
    expect(load({ file, env: omx }).keepAliveMs).toBe(180_000)
    expect(load({ file, env: omx, flags: { keepAliveMs: '4m' } }).keepAliveMs).toBe(240_000)
  })

  it('puts the models into the data folder unless told otherwise', () => {
    expect(load({ flags: { data: '/srv/omx' } }).models).toBe('/srv/omx/models')
    expect(load({ env: { OLLAMA_MODELS: '"~/.ollama/models"' } }).models).toBe('/people/ada/.ollama/models')
  })

  it('takes OLLAMA_ORIGINS as pages that may ask, and refuses what is none', () => {
    const origins = (OLLAMA_ORIGINS: string) => load({ env: { OLLAMA_ORIGINS } }).origins
    expect(origins('https://chat.example, chrome-extension://*')).toEqual([
      'https://chat.example',
      'chrome-extension://*',
    ])
    expect(origins('*')).toEqual(['*'])
    expect(() => origins('chat.example')).toThrow('expected at most 64 origins')
    expect(() => origins('https://*.a.*')).toThrow('expected at most 64 origins')
  })

  it('takes NODE_ID as the name', () => {
    expect(load({ env: { NODE_ID: 'omx-0' } }).name).toBe('omx-0')
  })

  it('listens where OLLAMA_HOST says when that is here, and ignores it when it names another machine', () => {
    const api = (OLLAMA_HOST: string) => load({ env: { OLLAMA_HOST }, flags: { insecureOpen: true } }).api
    expect(api('127.0.0.1:8080')).toEqual({ host: '127.0.0.1', port: 8080 })
    expect(api('http://localhost/path')).toEqual({ host: 'localhost', port: 80 })
    expect(api('0.0.0.0')).toEqual({ host: '0.0.0.0', port: 11434 })
    expect(api('[::1]:9')).toEqual({ host: '::1', port: 9 })
    expect(api(':9000')).toEqual({ host: '127.0.0.1', port: 9000 })
    expect(api('192.168.1.7')).toEqual({ host: '192.168.1.7', port: 11434 })
    expect(api('https://gpu.example.org')).toEqual({ host: '127.0.0.1', port: 11434 })
    expect(api('192.168.1.8:11434')).toEqual({ host: '127.0.0.1', port: 11434 })
  })

  it('reads the other variables of Ollama, where 0 leaves the choice to us', () => {
    const env = { OLLAMA_NUM_PARALLEL: '2', OLLAMA_CONTEXT_LENGTH: '0', OLLAMA_MAX_QUEUE: '7', OLLAMA_KEEP_ALIVE: '-1' }
    expect(load({ env })).toMatchObject({
      slots: 2,
      contextTokens: 4096,
      maxQueue: 7,
      keepAliveMs: Number.POSITIVE_INFINITY,
    })
  })

  it('waits for a load that shows no progress as long as OLLAMA_LOAD_TIMEOUT says, and for ever where that is 0 or less', () => {
    const timeout = (OLLAMA_LOAD_TIMEOUT: string) => load({ env: { OLLAMA_LOAD_TIMEOUT } }).loadTimeoutMs
    expect(timeout('10m')).toBe(600_000)
    expect(timeout('90')).toBe(90_000)
    for (const forEver of ['0', '-1', '-5m']) expect(timeout(forEver)).toBe(Number.POSITIVE_INFINITY)
  })

  it('reads numbers of seconds and durations', () => {
    expect(load({ flags: { drainMs: '1m30s' }, env: { OMX_KEEP_ALIVE: '90' } })).toMatchObject({
      drainMs: 90_000,
      keepAliveMs: 90_000,
    })
  })

  it('joins what a list in the file, a repeated flag or commas in a variable name', () => {
    const [a, b] = ['/ip4/10.0.0.1/tcp/11435', '/dns4/omx-0.omx/tcp/8080']
    expect(load({ file: `join:\n  - ${a}\n  - ${b}\n` }).join).toEqual([a, b])
    expect(load({ flags: { join: [a, b] } }).join).toEqual([a, b])
    expect(load({ env: { OMX_JOIN: `${a}, ${b}` } }).join).toEqual([a, b])
  })

  it('finds neighbours by mDNS only when other machines reach its p2p address', () => {
    const open = { p2p: '/ip4/0.0.0.0/tcp/0', insecureOpen: true }
    expect(load({ flags: open }).mdns).toBe(true)
    expect(load({ flags: { ...open, mdns: false } }).mdns).toBe(false)
    expect(load({ flags: { mdns: true } }).mdns).toBe(false)
  })

  it('treats an empty variable as absent', () => {
    expect(load({ env: { OMX_NAME: '', OLLAMA_HOST: '' } }).name).toBe('lovelace')
  })

  it('cannot be changed afterwards', () => {
    expect(Object.isFrozen(load())).toBe(true)
  })
})

describe('loadConfig refuses', () => {
  it.each([
    ['api', { flags: { api: '127.0.0.1:99999' } }, '--api', 'HOST:PORT'],
    ['api', { flags: { api: 'not a host' } }, '--api', 'HOST:PORT'],
    ['p2p', { env: { OMX_P2P: '127.0.0.1:11435' } }, 'OMX_P2P', 'multiaddr'],
    ['join', { flags: { join: ['/ip4/10.0.0.1/udp/1'] } }, '--join', 'multiaddrs'],
    ['join', { flags: { join: ['/ip4/10.0.0.1/tcp/1/p2p/nobody'] } }, '--join', 'multiaddrs'],
    ['engine', { env: { OMX_ENGINE: 'gpu' } }, 'OMX_ENGINE', 'llama, sim, ollama=URL, openai=URL'],
    ['engine', { env: { OMX_ENGINE: 'openai=http://me:secret@here/v1' } }, 'OMX_ENGINE', 'openai=URL'],
    ['slots', { env: { OLLAMA_NUM_PARALLEL: 'many' } }, 'OLLAMA_NUM_PARALLEL', 'a whole number from 1'],
    ['drain', { flags: { drainMs: 'soon' } }, '--drain', 'a duration'],
    ['mdns', { env: { OMX_MDNS: 'maybe' } }, 'OMX_MDNS', 'true or false'],
    ['name', { file: 'name: [a]' }, 'omx.yaml', 'letters'],
  ])('a bad %s in %j, naming the source and what was expected', (key, sources, source, expected) => {
    const [problem, ...others] = problemsOf(sources)
    expect(others).toEqual([])
    expect(problem).toMatchObject({ key, source: expect.stringContaining(source) })
    expect(problem?.expected).toContain(expected)
  })

  it('a key that cannot be one, without repeating it', () => {
    const env = { OMX_OPENAI_KEY: 'sk-secret two' }
    expect(() => loadConfig({ flags: {}, env, readFile: () => '', host })).toThrow(/^openai-key .*visible/)
    expect(() => loadConfig({ flags: {}, env, readFile: () => '', host })).not.toThrow(/sk-secret/)
  })

  it('every problem at once, from whichever source', () => {
    const problems = problemsOf({
      flags: { slots: '0' },
      env: { OMX_MAX_QUEUE: '-1', OMX_SLOTS: 'x', OMX_LOG_LVEL: 'info' },
      file: 'engine: quantum\nlogLevel: info\n',
    })
    expect(problems.map(({ key }) => key).sort()).toEqual([
      'OMX_LOG_LVEL',
      'engine',
      'logLevel',
      'max-queue',
      'slots',
      'slots',
    ])
  })

  it('unknown names, with the nearest known one', () => {
    expect(problemsOf({ env: { OMX_KEEPALIVE: '5m' } })[0]?.expected).toContain('OMX_KEEP_ALIVE')
    expect(problemsOf({ file: 'keepAlive: 5m' })[0]?.expected).toContain('keep-alive')
    expect(problemsOf({ file: 'colour: red' })[0]?.expected).toContain('--help')
  })

  it('a misspelt name without repeating what may be a secret', () => {
    const env = { OMX_OPENAI_KEYS: 'sk-secret' }
    const failure = () => loadConfig({ flags: {}, env, readFile: () => '', host })
    expect(failure).toThrow(/^OMX_OPENAI_KEYS: .*OMX_OPENAI_KEY/)
    expect(failure).not.toThrow('sk-secret')
  })

  it('a file that cannot be read, is not YAML or holds no settings', () => {
    const unreadable = () => {
      throw new Error("ENOENT: no such file or directory, open 'omx.yaml'")
    }
    const flags = { config: 'omx.yaml' }
    expect(() => loadConfig({ flags, env: {}, readFile: unreadable, host })).toThrow('ENOENT')
    expect(problemsOf({ file: 'a: [' })[0]?.expected).toContain('YAML')
    expect(problemsOf({ file: '- a' })[0]?.expected).toContain('name: value')
  })

  it('to listen beyond this machine, unless --insecure-open says so', () => {
    const flags = { api: '0.0.0.0:11434', p2p: '/ip4/192.168.1.7/tcp/11435' }
    const problems = problemsOf({ flags })
    expect(problems.map(({ key }) => key)).toEqual(['api', 'p2p'])
    expect(problems[0]?.expected).toContain('--insecure-open')
    expect(load({ flags: { ...flags, insecureOpen: true } }).api.host).toBe('0.0.0.0')
    expect(problemsOf({ env: { OLLAMA_HOST: '0.0.0.0' } })[0]).toMatchObject({ source: 'OLLAMA_HOST' })
  })

  it('with a message that has the key, the value and what was expected', () => {
    expect(() => load({ flags: { api: 'nowhere:x' } })).toThrow(
      'api (from --api): "nowhere:x" cannot be used: expected HOST:PORT, for example 127.0.0.1:11434.',
    )
  })
})
