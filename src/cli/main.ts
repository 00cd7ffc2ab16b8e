/** The command line: which subcommands there are, and what they and their options mean. */
import { type Command, CommanderError, Option } from 'commander'
import { flagOf, type Setting, type SettingKey, settings, variableOf } from '../config.ts'
import { version } from '../version.ts'
import { clientCommands } from './client-commands.ts'
import { examples, newCommand } from './command.ts'
import { CommandError } from './command-error.ts'
import { printable } from './table.ts'
import type { Terminal } from './terminal.ts'

/** Runs one command line. Resolves with the exit code; what went wrong has been said. */
export async function main(words: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode = 0
  const program = newCommand('omx-node', terminal)
    .description('Pools machines into one Ollama: every node answers the whole Ollama API for the whole cluster.')
    .version(version, '-V, --version', 'print the version')
    .helpCommand('help [command]', 'print help for a command')
    .addHelpText('after', examples(['omx-node start', 'omx-node run llama3.2', 'omx-node status']))
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
    return error instanceof CommandError ? error.exitCode : 1
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

/** One line, except where several things are wrong: then one line each. */
function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message
    .split('\n')
    .map((line) => `omx-node: ${printable(line)}\n`)
    .join('')
}
