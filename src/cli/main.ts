/** The command line: which subcommands there are, and what they and their options mean. */
import { Command, CommanderError, Option } from 'commander'
import { ConfigError } from '../config/problem.ts'
import { flagOf, type Setting, type SettingKey, settings, variableOf } from '../config.ts'
import { version } from '../version.ts'
import type { CreateOptions } from './commands/create.ts'
import type { ImportOptions } from './commands/import.ts'
import { type InspectOptions, inspect } from './commands/inspect.ts'
import { models } from './commands/models.ts'
import { peers } from './commands/peers.ts'
import type { RunOptions } from './commands/run.ts'
import { status } from './commands/status.ts'
import type { Terminal } from './terminal.ts'

/** Runs one command line. Resolves with the exit code; what went wrong has been said. */
export async function main(words: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode = 0
  const program = newCommand('omx-node', terminal)
    .description('Pools machines into one Ollama: every node answers the whole Ollama API for the whole cluster.')
    .version(version, '-V, --version', 'print the version')
    .helpCommand('help [command]', 'print help for a command')
    .addHelpText('after', examples(['omx-node start', 'omx-node import tiny ./tiny.gguf', 'omx-node status']))
  program.addCommand(
    startCommand(terminal, words.slice(words.indexOf('start') + 1), (code) => {
      exitCode = code
    }),
  )
  for (const command of clientCommands(terminal)) program.addCommand(command)
  try {
    await program.parseAsync(words, { from: 'user' })
    return exitCode
  } catch (error) {
    // What Commander refuses it has already explained; help and version end this way too.
    if (error instanceof CommanderError) return error.exitCode
    terminal.note(explain(error))
    return 1
  }
}

function startCommand(terminal: Terminal, words: readonly string[], onExit: (code: number) => void): Command {
  const command = newCommand('start', terminal)
    .description('run a node until SIGTERM or SIGINT, which lets running requests finish')
    .option('--json', 'print the ready line as JSON')
    .addHelpText(
      'after',
      examples([
        'omx-node start',
        'omx-node start --api 127.0.0.1:11436 --keep-alive 30m',
        'omx-node start --p2p /ip4/0.0.0.0/tcp/11435 --insecure-open --join /ip4/192.168.1.20/tcp/11435',
        'omx-node start --config omx.yaml',
      ]),
    )
  const options = (Object.keys(settings) as SettingKey[]).map((key) => [key, settingOption(key)] as const)
  for (const [, option] of options) command.addOption(option)
  return command.action(async () => {
    const given = options.filter(([, option]) => command.getOptionValueSource(option.attributeName()) === 'cli')
    const flags = Object.fromEntries(
      given.map(([key, option]) => [key, command.getOptionValue(option.attributeName())]),
    )
    // Loaded when it is wanted: the other commands answer sooner without it, and without what importing needs.
    const { start } = await import('./commands/start.ts')
    onExit(await start({ flags, json: command.getOptionValue('json') === true, words }, terminal))
  })
}

/** A flag for a setting. Its value stays text: the settings' own table reads and checks it. */
function settingOption(key: SettingKey): Option {
  const setting: Setting = settings[key]
  const variables = [variableOf(key), ...(setting.foreign === undefined ? [] : [setting.foreign.variable])].join(', ')
  const fallback = setting.fallback ? `; default ${setting.fallback}` : ''
  if (setting.argument !== undefined) {
    const argument = setting.argument.endsWith('...') ? '<MULTIADDR...>' : `<${setting.argument}>`
    return new Option(`${flagOf(key)} ${argument}`, `${setting.description} (${variables}${fallback})`)
  }
  const on = setting.fallback === 'true'
  const flag = on ? `--no-${setting.name}` : flagOf(key)
  return new Option(flag, `${on ? 'do not ' : ''}${setting.description} (${variables}=${on ? 'false' : 'true'})`)
}

function clientCommands(terminal: Terminal): Command[] {
  return [
    clientCommand('status', 'print how a node is doing', terminal)
      .addHelpText('after', examples(['omx-node status', 'omx-node status --api 192.168.1.20:11434 --json']))
      .action((options) => status(options, terminal)),
    clientCommand('peers', 'list the other nodes of the cluster', terminal)
      .addHelpText('after', examples(['omx-node peers']))
      .action((options) => peers(options, terminal)),
    clientCommand('models', 'list every model of the cluster and who holds it', terminal)
      .addHelpText('after', examples(['omx-node models --json']))
      .action((options) => models(options, terminal)),
    clientCommand('import', 'add a GGUF file to a node under a name', terminal)
      .argument('<NAME>', 'what the model is to be called: [namespace/]model[:tag]')
      .argument('<FILE>', 'the .gguf file')
      .option('--models <DIR>', 'the models folder, when no node runs (OMX_MODELS, OLLAMA_MODELS)')
      .addHelpText('after', examples(['omx-node import tiny models/omx-tiny.gguf']))
      .action(async (name: string, file: string, options: ImportOptions) => {
        const { importModel } = await import('./commands/import.ts')
        await importModel(name, file, options, terminal)
      }),
    clientCommand('create', 'make a model of a Modelfile', terminal)
      .argument('<NAME>', 'what the model is to be called: [namespace/]model[:tag]')
      .option('-f, --file <FILE>', 'the Modelfile', 'Modelfile')
      .option('-q, --quantize <TYPE>', 'what its weights are to be kept as')
      .addHelpText('after', examples(['omx-node create mine', 'omx-node create mine -f ./Modelfile --json']))
      .action(async (name: string, options: CreateOptions) => {
        const { createModel } = await import('./commands/create.ts')
        await createModel(name, options, terminal)
      }),
    clientCommand('run', 'chat with a model, or ask it once', terminal)
      .argument('<NAME>', 'the model')
      .argument('[PROMPT...]', 'asked once; without it lines are read until /bye')
      .addHelpText('after', examples(['omx-node run tiny', 'omx-node run tiny "Why is the sky blue?"']))
      .action(async (name: string, prompt: string[], options: RunOptions) => {
        const { run } = await import('./commands/run.ts')
        await run(name, prompt.join(' '), options, terminal)
      }),
    clientCommand('inspect', 'draw the live supervision tree of a node', terminal)
      .option('--peer <NODE>', 'another node of the cluster, by id or name')
      .addOption(new Option('--watch', 'draw it again every second, with rates').conflicts(['follow', 'facts']))
      .addOption(new Option('--facts', 'print what starts, ends, fails or is lost, as it happens').conflicts('follow'))
      .option('--follow <PATH>', "print one actor's transitions as they happen")
      .addHelpText(
        'after',
        examples([
          'omx-node inspect --watch',
          'omx-node inspect --peer attic --facts',
          'omx-node inspect --peer attic --follow node/scheduler',
        ]),
      )
      .action((options: InspectOptions) => inspect(options, terminal)),
  ]
}

function clientCommand(name: string, description: string, terminal: Terminal): Command {
  return newCommand(name, terminal)
    .description(description)
    .option('--api <HOST:PORT>', 'the node to ask; default: the one that runs on the data folder')
    .option('--data <DIR>', `its data folder (${variableOf('data')}; default ${settings.data.fallback})`)
    .option('--json', 'print JSON')
}

function newCommand(name: string, terminal: Terminal): Command {
  return new Command(name).exitOverride().configureOutput({
    writeOut: (text) => terminal.print(text),
    writeErr: (text) => terminal.note(text),
    outputError: (text, write) => {
      const sentence = text
        .replace(/^error: /, '')
        .trim()
        .replace(/\n\(?/g, '. ')
        .replace(/\)$/, '')
      write(`omx-node: ${sentence}${/[.?]$/.test(sentence) ? '' : '.'}\n`)
    },
  })
}

function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}\n`).join('')}`
}

/** One line, except where several settings are wrong: then one line each. */
function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  if (!(error instanceof ConfigError)) return `omx-node: ${message}\n`
  return message
    .split('\n')
    .map((line) => `omx-node: ${line}\n`)
    .join('')
}
