/** What every command has: its words where it is misused, examples, and for those that ask a node, which one. */
import { Command } from 'commander'
import { settings, variableOf } from '../config.ts'
import type { Terminal } from './terminal.ts'

export function newCommand(name: string, terminal: Terminal): Command {
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

export function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}\n`).join('')}`
}

/** A command that asks a running node. */
export function clientCommand(name: string, description: string, terminal: Terminal): Command {
  return newCommand(name, terminal)
    .description(description)
    .option('--api <HOST:PORT>', 'the node to ask; default: the one that runs on the data folder')
    .option('--data <DIR>', `its data folder (${variableOf('data')}; default ${settings.data.fallback})`)
    .option('--json', 'print JSON')
}
