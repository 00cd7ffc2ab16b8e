/** `omx-node pull NAME` and `push NAME`: a model between a registry and the node that is asked. */
import { findNode, type NodeAccess, type NodeOptions, postLines } from '../client.ts'
import { CommandError } from '../command-error.ts'
import { interruptible } from '../interruption.ts'
import { readModelName, unknownModelNext } from '../model-name.ts'
import { followSteps, StepLine } from '../steps.ts'
import type { Terminal } from '../terminal.ts'

export interface TransferOptions extends NodeOptions {
  readonly insecure?: boolean
  readonly json?: boolean
}

const directions = {
  pull: {
    route: '/api/pull',
    done: 'Pulled',
    interrupted: (name: string) =>
      `Interrupted: what has come is kept, and the next pull of ${name} goes on from there.`,
  },
  push: {
    route: '/api/push',
    done: 'Pushed',
    interrupted: (name: string) => `Interrupted: the next push of ${name} leaves out what has arrived.`,
  },
} as const
type Direction = keyof typeof directions

type Advice = readonly (readonly [words: RegExp, next: string])[]

/** What to do about failures that clients know by their words. */
const advice: Advice = [
  [/insecure protocol http/, 'Add --insecure if you trust the network on the way to that registry.'],
  [/file does not exist/, 'That registry has no such model: check the name and its tag.'],
  [/WRONG_VERSION_NUMBER|EPROTO/, 'If that registry speaks plain HTTP, add --insecure.'],
  [/ENOTFOUND|EAI_AGAIN/, 'Check how the registry is spelt, and the connection of the node to it.'],
  [/cannot be reached|sent nothing|ended the stream/, 'Try again: it goes on from where it was.'],
]

/** What a push lacks is a model of the cluster. */
const pushAdvice: Advice = [[/not found|couldn't retrieve manifest/, unknownModelNext], ...advice]

export async function transfer(
  direction: Direction,
  name: string,
  options: TransferOptions,
  terminal: Terminal,
): Promise<void> {
  const shownName = readModelName(name)
  const node = await findNode(options, terminal.env)
  await transferModel(direction, node, name, options, terminal)
  if (options.json !== true) terminal.print(`${directions[direction].done} ${shownName}.\n`)
}

/** Resolves when the model is there. Throws a CommandError. */
export async function transferModel(
  direction: Direction,
  node: NodeAccess,
  name: string,
  { insecure = false, json = false }: Pick<TransferOptions, 'insecure' | 'json'>,
  terminal: Terminal,
): Promise<void> {
  const { route, interrupted } = directions[direction]
  const body = { model: name, insecure, stream: true }
  await interruptible(terminal, interrupted(readModelName(name)), (signal) =>
    followSteps(postLines(node, route, body, StepLine, signal), json, terminal),
  ).catch((error: unknown) => {
    throw withAdvice(error, direction === 'push' ? pushAdvice : advice)
  })
}

function withAdvice(error: unknown, known: Advice): unknown {
  if (!(error instanceof CommandError)) return error
  const next = known.find(([words]) => words.test(error.message))?.[1]
  if (next === undefined) return error
  return new CommandError(`${error.message.replace(/\.$/, '')}. ${next}`, { exitCode: error.exitCode, cause: error })
}
