/** From flags, environment and file to a `Config`, or to one error that lists every problem. */
import { homedir, hostname, networkInterfaces } from 'node:os'
import { Check } from 'typebox/value'
import { parse as parseYaml } from 'yaml'
import { type Config, flagOf, type Host, type Setting, type SettingKey, settings, variableOf } from '../config.ts'
import { isLoopbackHost, p2pHost } from './address.ts'
import { ConfigError, type ConfigProblem, nearestName } from './problem.ts'

/** Longest YAML file that is read, in characters. */
const maxFileLength = 1_048_576

export interface ConfigSources {
  /** By setting key, as the command line's parser hands them over; undefined ones are absent. */
  readonly flags: { readonly [Key in SettingKey]?: unknown }
  readonly env: Readonly<Record<string, string | undefined>>
  /** Reads the YAML file; may throw. */
  readFile(path: string): string
  readonly host?: Host
}

/** A value as one source gave it, before it is read. */
interface Given {
  readonly source: string
  readonly value: unknown
}

const entries = Object.entries(settings) as readonly [SettingKey, Setting][]
const names = entries.map(([, setting]) => setting.name)

/** Reads every source, and throws one ConfigError that lists every problem. */
export function loadConfig({ flags, env, readFile, host = thisHost() }: ConfigSources): Config {
  const problems: ConfigProblem[] = unknownVariables(env)
  const read = (key: SettingKey, given: Given) => readSetting(key, given, host, problems)
  const [fileGiven] = givenByPeople('config', flags, env, {}, '')
  const filePath = fileGiven === undefined ? undefined : (read('config', fileGiven) as string | undefined)
  const file = filePath === undefined ? {} : loadFile(filePath, readFile, problems)
  const values: Partial<Record<SettingKey, unknown>> = {}
  const sources: Partial<Record<SettingKey, Given>> = {}
  for (const [key, setting] of entries) {
    if (key === 'config') continue
    const given = givenByPeople(key, flags, env, file, filePath ?? '')
    const foreign = foreignValue(setting, env, host)
    // The file ranks below a foreign variable, everything else that people wrote for us above it.
    const rank = given.findIndex(({ source }) => source === filePath)
    if (foreign !== undefined) given.splice(rank < 0 ? given.length : rank, 0, foreign)
    const fallback = (setting.fallback ?? '').replace('<data>', String(values.data)).replace('<host>', host.name)
    const all = [...given, { source: 'the default', value: fallback }]
    const [winner, ...others] = all
    if (winner === undefined) continue
    values[key] = read(key, winner)
    sources[key] = winner
    for (const other of others) if (other.source !== 'the default' && other !== foreign) read(key, other)
  }
  const config = { ...values } as unknown as Config
  if (problems.length === 0) problems.push(...openBinds(config, sources))
  if (problems.length > 0) throw new ConfigError(problems)
  const p2pOnLoopback = isLoopbackHost(p2pHost(config.p2p) ?? '')
  return Object.freeze({ ...config, mdns: config.mdns && !p2pOnLoopback })
}

/** What a person wrote for this setting, the strongest first. An empty variable counts as absent. */
function givenByPeople(
  key: SettingKey,
  flags: ConfigSources['flags'],
  env: ConfigSources['env'],
  file: Readonly<Record<string, unknown>>,
  filePath: string,
): Given[] {
  const variable = variableOf(key)
  const name = settings[key].name
  return [
    ...(flags[key] === undefined ? [] : [{ source: flagOf(key), value: flags[key] }]),
    ...(env[variable] ? [{ source: variable, value: env[variable] }] : []),
    ...(Object.hasOwn(file, name) ? [{ source: filePath, value: file[name] }] : []),
  ]
}

function foreignValue({ foreign }: Setting, env: ConfigSources['env'], host: Host): Given | undefined {
  if (foreign === undefined) return undefined
  // Ollama strips blanks and quotes from its variables.
  const text = (env[foreign.variable] ?? '').trim().replace(/^["']+|["']+$/g, '')
  if (text === '') return undefined
  const value = foreign.use === undefined ? text : foreign.use(text, host)
  return value === undefined ? undefined : { source: foreign.variable, value }
}

function readSetting(key: SettingKey, { source, value }: Given, host: Host, problems: ConfigProblem[]): unknown {
  const { kind, name }: Setting = settings[key]
  const read = kind.read(value, host.homeFolder)
  if (Check(kind.schema, read)) return read
  problems.push({
    key: name,
    source,
    value: kind.isSecret === true ? '…' : value,
    expected: `expected ${kind.expected}.`,
  })
  return undefined
}

function unknownVariables(env: ConfigSources['env']): ConfigProblem[] {
  const variables = entries.map(([key]) => variableOf(key))
  return Object.entries(env)
    .filter(([variable]) => variable.startsWith('OMX_') && !variables.includes(variable))
    .map(([variable]) => ({
      key: variable,
      source: variable,
      // Not its value: the misspelt name of a secret has a secret.
      value: undefined,
      expected: unknownName(variable, variables),
    }))
}

function loadFile(
  path: string,
  readFile: ConfigSources['readFile'],
  problems: ConfigProblem[],
): Record<string, unknown> {
  const fail = (expected: string) => {
    problems.push({ key: 'config', source: path, value: path, expected })
    return {}
  }
  let content: unknown
  try {
    const text = readFile(path)
    if (text.length > maxFileLength) return fail(`expected a file of at most ${maxFileLength} characters.`)
    content = parseYaml(text) ?? {}
  } catch (error) {
    return fail(`${error instanceof Error ? error.message.split('\n')[0] : error}. Expected a readable YAML file.`)
  }
  if (typeof content !== 'object' || Array.isArray(content)) return fail('expected lines of the form "name: value".')
  for (const [key, value] of Object.entries(content as object)) {
    if (key === 'config' || !names.includes(key)) {
      problems.push({ key, source: path, value, expected: unknownName(key, names) })
    }
  }
  return content as Record<string, unknown>
}

function unknownName(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known)
  return nearest === undefined
    ? `there is no such setting. \`omx-node start --help\` lists them.`
    : `there is no such setting. Did you mean ${nearest}?`
}

/** Addresses that other machines reach, unless that was asked for. */
function openBinds(config: Config, sources: Partial<Record<SettingKey, Given>>): ConfigProblem[] {
  if (config.insecureOpen) return []
  const expected =
    'other machines could reach it, and there is no authentication yet. ' +
    'Use a loopback address, or add --insecure-open on a network that you trust.'
  const open = [
    ...(isLoopbackHost(config.api.host) ? [] : (['api'] as const)),
    ...(isLoopbackHost(p2pHost(config.p2p) ?? '') ? [] : (['p2p'] as const)),
  ]
  return open.map((key) => ({
    key: settings[key].name,
    source: sources[key]?.source ?? 'the default',
    value: sources[key]?.value,
    expected,
  }))
}

function thisHost(): Host {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address))
  // A host may be called what no node name can be, for example with a blank in it.
  const name = hostname()
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 63)
  return { homeFolder: homedir(), name: name === '' ? 'node' : name, addresses: [...addresses, hostname()] }
}
