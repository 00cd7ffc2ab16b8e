/**
 * Every setting once: its schema, default, unit, and what it is for. One name has three spellings, all derived:
 * `keep-alive` in a YAML file, `--keep-alive` as a flag, `OMX_KEEP_ALIVE` in the environment. A flag outranks `OMX_*`,
 * which outranks Ollama's own variables, then the file, then the default.
 */
import type { Static } from 'typebox'
import { formatApiAddress, isLocalHost, parseOllamaHost } from './config/address.ts'
import * as kind from './config/kind.ts'

/** Longest drain: an orchestrator has killed the process long before. */
const maxDrainMs = 3_600_000
/** Addresses given by hand; peers of peers bring the rest. */
const maxJoinAddresses = 64

/** Web pages that are let in by hand; each request of a page is compared with all of them. */
const maxOrigins = 64

/** What of this machine the settings depend on. */
export interface Host {
  readonly homeFolder: string
  readonly name: string
  /** Of its network interfaces: what counts as local in `OLLAMA_HOST`. */
  readonly addresses: readonly string[]
}

export interface Setting {
  /** As written in a YAML file; the flag and the variable are derived from it. */
  readonly name: string
  readonly kind: kind.Kind
  /** As text, read like any other value; `<data>` and `<host>` are filled in. Absent: no default. */
  readonly fallback?: string
  /** Of the value in `Config`; '' where there is none. */
  readonly unit: 'ms' | 'tokens' | 'tokens/s' | 'bytes/s' | ''
  /** What the flag takes, as help prints it; absent for flags without a value. */
  readonly argument?: string
  readonly description: string
  /** A variable of Ollama's or Kubernetes' that means the same; `use` answers undefined when it does not concern us. */
  readonly foreign?: { readonly variable: string; readonly use?: (text: string, host: Host) => string | undefined }
}

/** Where Ollama means "choose yourself" by 0. */
const unlessZero = (text: string) => (text === '0' ? undefined : text)

/** A client's `OLLAMA_HOST` may name another machine: then it says nothing about where to listen. */
function localOllamaHost(text: string, host: Host): string | undefined {
  const address = parseOllamaHost(text)
  return address !== undefined && isLocalHost(address.host, host.addresses) ? formatApiAddress(address) : undefined
}

export const settings = {
  api: {
    name: 'api',
    kind: kind.apiAddress(),
    fallback: '127.0.0.1:11434',
    unit: '',
    argument: 'HOST:PORT',
    description: 'where the Ollama API listens',
    foreign: { variable: 'OLLAMA_HOST', use: localOllamaHost },
  },
  origins: {
    name: 'origins',
    kind: kind.origins(maxOrigins),
    fallback: '',
    unit: '',
    argument: 'ORIGIN...',
    description: 'web pages that may ask beside those of this host and desktop apps; one * in each stands for anything',
    foreign: { variable: 'OLLAMA_ORIGINS' },
  },
  p2p: {
    name: 'p2p',
    kind: kind.p2pAddress(),
    fallback: '/ip4/127.0.0.1/tcp/11435',
    unit: '',
    argument: 'MULTIADDR',
    description: 'where other nodes reach this one',
  },
  join: {
    name: 'join',
    kind: kind.dialAddresses(maxJoinAddresses),
    fallback: '',
    unit: '',
    argument: 'MULTIADDR...',
    description: 'nodes to join: what they print when they are ready',
  },
  data: {
    name: 'data',
    kind: kind.path(),
    fallback: '~/.omx',
    unit: '',
    argument: 'DIR',
    description: "this node's key, lock and run.json",
  },
  models: {
    name: 'models',
    kind: kind.path(),
    fallback: '<data>/models',
    unit: '',
    argument: 'DIR',
    description: "models in Ollama's layout; may be shared with an Ollama",
    foreign: { variable: 'OLLAMA_MODELS' },
  },
  engine: {
    name: 'engine',
    kind: kind.engine(),
    fallback: 'llama',
    unit: '',
    argument: 'ENGINE',
    description:
      'llama computes here; llama-server, or llama-server=PATH, does so by that program; ollama=URL uses an Ollama and its models; openai=URL, such as http://127.0.0.1:8000/v1, an OpenAI-compatible server and its models; sim makes tokens up, for tests',
  },
  openaiKey: {
    name: 'openai-key',
    kind: kind.secret(),
    fallback: '',
    unit: '',
    argument: 'KEY',
    description: 'the API key for the server of the openai engine; the variable keeps it out of the list of processes',
  },
  name: {
    name: 'name',
    kind: kind.text('^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$', '1 to 63 letters, digits, dots, dashes or underscores'),
    fallback: '<host>',
    unit: '',
    argument: 'NAME',
    description: 'what people call this node',
    foreign: { variable: 'NODE_ID' },
  },
  mdns: {
    name: 'mdns',
    kind: kind.onOff(),
    fallback: 'true',
    unit: '',
    description: 'find nodes on the local network; always off while p2p is bound to loopback',
  },
  logLevel: {
    name: 'log-level',
    kind: kind.choice('trace', 'debug', 'info', 'warn', 'error', 'silent'),
    fallback: 'info',
    unit: '',
    argument: 'LEVEL',
    description: 'trace, debug, info, warn, error or silent',
  },
  insecureOpen: {
    name: 'insecure-open',
    kind: kind.onOff(),
    fallback: 'false',
    unit: '',
    description: 'allow addresses that other machines reach, without authentication',
  },
  drainMs: {
    name: 'drain',
    kind: kind.duration(maxDrainMs, 'a duration from 0 to 1h, like 30s'),
    fallback: '30s',
    unit: 'ms',
    argument: 'DURATION',
    description: 'how long running requests may take to finish after SIGTERM',
  },
  gpu: {
    name: 'gpu',
    kind: kind.onOff(),
    fallback: 'true',
    unit: '',
    description: 'use a GPU where llama.cpp finds one',
  },
  threads: {
    name: 'threads',
    kind: kind.wholeNumber(0, 1_024),
    fallback: '0',
    unit: '',
    argument: 'COUNT',
    description: "an engine's compute threads; 0 leaves the choice to the engine",
  },
  slots: {
    name: 'slots',
    kind: kind.wholeNumber(1, 256),
    fallback: '4',
    unit: '',
    argument: 'COUNT',
    description: 'requests that one model computes at once',
    foreign: { variable: 'OLLAMA_NUM_PARALLEL', use: unlessZero },
  },
  contextTokens: {
    name: 'context',
    kind: kind.wholeNumber(16, 16_777_216),
    fallback: '4096',
    unit: 'tokens',
    argument: 'TOKENS',
    description: 'context of each slot, at most what the model was trained for',
    foreign: { variable: 'OLLAMA_CONTEXT_LENGTH', use: unlessZero },
  },
  maxLoaded: {
    name: 'max-loaded',
    kind: kind.wholeNumber(1, 64),
    fallback: '3',
    unit: '',
    argument: 'COUNT',
    description: 'models in memory at once; an idle one makes room for the next',
    foreign: { variable: 'OLLAMA_MAX_LOADED_MODELS', use: unlessZero },
  },
  keepAliveMs: {
    name: 'keep-alive',
    kind: kind.keepAlive(),
    fallback: '5m',
    unit: 'ms',
    argument: 'DURATION',
    description: 'how long an unused model stays loaded; -1 is for ever',
    foreign: { variable: 'OLLAMA_KEEP_ALIVE' },
  },
  loadTimeoutMs: {
    name: 'load-timeout',
    kind: kind.timeout(),
    fallback: '5m',
    unit: 'ms',
    argument: 'DURATION',
    description: 'how long a model that is being loaded may show no progress; 0 or less is for ever',
    foreign: { variable: 'OLLAMA_LOAD_TIMEOUT' },
  },
  maxQueue: {
    name: 'max-queue',
    kind: kind.wholeNumber(0, 1_000_000),
    fallback: '512',
    unit: '',
    argument: 'COUNT',
    description: 'requests that may wait for one model before the next is refused',
    foreign: { variable: 'OLLAMA_MAX_QUEUE' },
  },
  pullMaxBytesPerSecond: {
    name: 'pull-max-bytes-per-second',
    kind: kind.wholeNumber(0, 1_000_000_000_000),
    fallback: '0',
    unit: 'bytes/s',
    argument: 'COUNT',
    description: 'how fast all pulls together may take bytes from registries; 0 is as fast as they come',
  },
  simTokensPerSecond: {
    name: 'sim-tokens-per-second',
    kind: kind.wholeNumber(0, 1_000_000),
    fallback: '50',
    unit: 'tokens/s',
    argument: 'COUNT',
    description: 'speed of the sim engine, for each request; 0 is as fast as the client takes them',
  },
  config: {
    name: 'config',
    kind: kind.path(),
    unit: '',
    argument: 'FILE',
    description: 'YAML file with any of these settings, without the dashes',
  },
} as const satisfies Record<string, Setting>

type Settings = typeof settings
export type SettingKey = keyof Settings

/** What a node runs with: every setting in its own unit, frozen. `mdns` is already off where it would be useless. */
export type Config = { readonly [Key in Exclude<SettingKey, 'config'>]: Static<Settings[Key]['kind']['schema']> }

/** How the command line spells a setting. */
export function flagOf(key: SettingKey): string {
  return `--${settings[key].name}`
}

/** How the environment spells it. */
export function variableOf(key: SettingKey): string {
  return `OMX_${settings[key].name.toUpperCase().replaceAll('-', '_')}`
}
