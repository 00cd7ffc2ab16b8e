/** The commands that ask a running node: their names, arguments and options. What is rarely wanted is loaded when it is. */
import { type Command, Option } from 'commander'
import { clientCommand, examples } from './command.ts'
import { copy } from './commands/copy.ts'
import type { CreateOptions } from './commands/create.ts'
import { disk } from './commands/disk.ts'
import type { ImportOptions } from './commands/import.ts'
import { type InspectOptions, inspect } from './commands/inspect.ts'
import { models } from './commands/models.ts'
import { peers } from './commands/peers.ts'
import { ps } from './commands/ps.ts'
import { remove } from './commands/remove.ts'
import { type ShowOptions, show, shownParts } from './commands/show.ts'
import { status } from './commands/status.ts'
import type { TransferOptions } from './commands/transfer.ts'
import type { Terminal } from './terminal.ts'

const newName = 'what the model is to be called: [namespace/]model[:tag]'
const insecureOption = ['--insecure', 'speak plain HTTP with the registry'] as const

export function clientCommands(terminal: Terminal): Command[] {
  return [...clusterCommands(terminal), ...modelCommands(terminal), ...transferCommands(terminal), runCommand(terminal)]
}

/** What is the cluster, and how does it do? */
function clusterCommands(terminal: Terminal): Command[] {
  return [
    clientCommand('status', 'print how a node is doing', terminal)
      .addHelpText('after', examples(['omx-node status', 'omx-node status --api 192.168.1.20:11434 --json']))
      .action((options) => status(options, terminal)),
    clientCommand('peers', 'list the other nodes of the cluster', terminal)
      .addHelpText('after', examples(['omx-node peers']))
      .action((options) => peers(options, terminal)),
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

/** What models are there? */
function modelCommands(terminal: Terminal): Command[] {
  const showCommand = clientCommand('show', 'print what is known of a model', terminal)
    .argument('<NAME>', 'the model')
    .addOption(new Option('-v, --verbose', 'with all metadata and tensors').conflicts([...shownParts]))
  for (const part of shownParts) {
    const others = shownParts.filter((other) => other !== part)
    showCommand.addOption(new Option(`--${part}`, `print its ${part} alone`).conflicts(others))
  }
  return [
    clientCommand('models', 'list every model of the cluster and who holds it', terminal)
      .aliases(['list', 'ls'])
      .addHelpText('after', examples(['omx-node models', 'omx-node ls --json']))
      .action((options) => models(options, terminal)),
    clientCommand('disk', 'print what the models of a node take of its disk', terminal)
      .addHelpText('after', examples(['omx-node disk']))
      .action((options) => disk(options, terminal)),
    clientCommand('ps', 'list the models in the memory of any node', terminal)
      .addHelpText('after', examples(['omx-node ps']))
      .action((options) => ps(options, terminal)),
    showCommand
      .addHelpText('after', examples(['omx-node show tiny', 'omx-node show tiny --modelfile > Modelfile']))
      .action((name: string, options: ShowOptions) => show(name, options, terminal)),
    clientCommand('cp', 'give a model another name, wherever it is held', terminal)
      .argument('<SOURCE>', 'the model')
      .argument('<DESTINATION>', newName)
      .addHelpText('after', examples(['omx-node cp tiny ada/tiny:v2']))
      .action((source: string, destination: string, options) => copy(source, destination, options, terminal)),
    clientCommand('rm', 'remove models from every node in reach', terminal)
      .argument('<NAME...>', 'the models')
      .addHelpText('after', examples(['omx-node rm tiny ada/tiny:v2']))
      .action((names: string[], options) => remove(names, options, terminal)),
  ]
}

/** How do models come, and go elsewhere? */
function transferCommands(terminal: Terminal): Command[] {
  return [
    transferCommand('pull', 'bring a model from a registry to a node', terminal).addHelpText(
      'after',
      examples(['omx-node pull llama3.2', 'omx-node pull hf.co/bartowski/Qwen3-8B-GGUF:Q4_K_M']),
    ),
    transferCommand('push', 'send a model from a node to a registry', terminal).addHelpText(
      'after',
      examples(['omx-node push ada/tiny', 'omx-node push attic:5000/ada/tiny --insecure']),
    ),
    clientCommand('import', 'add a GGUF file to a node under a name', terminal)
      .argument('<NAME>', newName)
      .argument('<FILE>', 'the .gguf file')
      .option('--models <DIR>', 'the models folder, when no node runs (OMX_MODELS, OLLAMA_MODELS)')
      .addHelpText('after', examples(['omx-node import tiny models/omx-tiny.gguf']))
      .action(async (name: string, file: string, options: ImportOptions) => {
        const { importModel } = await import('./commands/import.ts')
        await importModel(name, file, options, terminal)
      }),
    clientCommand('create', 'make a model of a Modelfile', terminal)
      .argument('<NAME>', newName)
      .option('-f, --file <FILE>', 'the Modelfile', 'Modelfile')
      .option('-q, --quantize <TYPE>', 'what its weights are to be kept as')
      .addHelpText('after', examples(['omx-node create mine', 'omx-node create mine -f ./Modelfile --json']))
      .action(async (name: string, options: CreateOptions) => {
        const { createModel } = await import('./commands/create.ts')
        await createModel(name, options, terminal)
      }),
  ]
}

function transferCommand(direction: 'pull' | 'push', description: string, terminal: Terminal): Command {
  return clientCommand(direction, description, terminal)
    .argument('<NAME>', 'the model, and in which registry: [host/][namespace/]model[:tag]')
    .option(...insecureOption)
    .action(async (name: string, options: TransferOptions) => {
      const { transfer } = await import('./commands/transfer.ts')
      await transfer(direction, name, options, terminal)
    })
}

function runCommand(terminal: Terminal): Command {
  return clientCommand('run', 'chat with a model, or ask it once; pulls it first where it is missing', terminal)
    .argument('<NAME>', 'the model')
    .argument('[PROMPT...]', 'asked once; without it lines are read until /bye')
    .option(...insecureOption)
    .addHelpText('after', examples(['omx-node run tiny', 'omx-node run tiny "Why is the sky blue?"']))
    .action(async (name: string, prompt: string[], options: TransferOptions) => {
      const { run } = await import('./commands/run.ts')
      await run(name, prompt.join(' '), options, terminal)
    })
}
