/** Reads a Modelfile: commands in any case, comments, and arguments that go over several lines in quotes. */
import { unquoted } from './quote.ts'

/** Commands with one text; PARAMETER and MESSAGE have a name or a role before it. */
const plainNames = ['from', 'template', 'system', 'adapter', 'license', 'renderer', 'parser', 'requires'] as const
type PlainName = (typeof plainNames)[number]

const roles: readonly string[] = ['system', 'user', 'assistant']

export type Command =
  | { readonly name: PlainName; readonly text: string }
  | { readonly name: 'parameter'; readonly parameter: string; readonly text: string }
  | { readonly name: 'message'; readonly role: string; readonly text: string }

/** Thrown for what is no Modelfile. Lines count from 1. */
class ModelfileError extends Error {
  override readonly name = 'ModelfileError'
  readonly line: number

  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`)
    this.line = line
  }
}

/** The commands in their order; there is a FROM among them. Throws a ModelfileError. */
export function parseModelfile(text: string): readonly Command[] {
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\r|\n/)
  const commands: Command[] = []
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? ''
    if (line.trim() === '' || line.trimStart().startsWith('#')) at++
    else {
      const { argument, next } = argumentFrom(lines, at)
      commands.push(commandOf(at + 1, wordOf(line).toLowerCase(), argument))
      at = next
    }
  }
  if (!commands.some(({ name }) => name === 'from')) throw new ModelfileError(lines.length, 'no FROM line')
  return commands
}

const wordOf = (line: string): string => /^\s*(\S*)/.exec(line)?.[1] ?? ''

interface Argument {
  /** The word before the text, where the command has one. */
  readonly word: string
  readonly text: string
}

/** What stands after the command of a line, up to the closing quotes where it has some; and the line after it. */
function argumentFrom(lines: readonly string[], start: number): { argument: Argument; next: number } {
  const line = lines[start] ?? ''
  const command = wordOf(line)
  const afterCommand = line.slice(line.indexOf(command) + command.length)
  const hasWord = ['parameter', 'message'].includes(command.toLowerCase())
  const word = hasWord ? wordOf(afterCommand) : ''
  const rest = afterCommand.slice(afterCommand.indexOf(word) + word.length).trimStart()
  // Each line is looked at once: what closes the quotes stands at the end of one.
  const quote = ['"""', '"'].find((mark) => rest.startsWith(mark))
  for (let at = start; at < lines.length; at++) {
    const ending = at === start ? rest : (lines[at] ?? '')
    if (quote !== undefined && !ending.trimEnd().endsWith(quote)) continue
    const whole = [rest, ...lines.slice(start + 1, at + 1)].slice(0, at - start + 1).join('\n')
    const text = unquoted(whole.trim())
    if (text !== undefined) return { argument: { word, text }, next: at + 1 }
  }
  throw new ModelfileError(start + 1, `the quotes of ${command.toUpperCase()} are never closed`)
}

function commandOf(line: number, name: string, { word, text }: Argument): Command {
  if (name === 'parameter') {
    if (word === '' || text === '') throw new ModelfileError(line, 'PARAMETER needs a name and a value')
    return { name, parameter: word.toLowerCase(), text }
  }
  if (name === 'message') {
    const role = word.toLowerCase()
    if (roles.includes(role)) return { name, role, text }
    throw new ModelfileError(line, 'message role must be one of "system", "user", or "assistant"')
  }
  const plain = plainNames.find((known) => known === name)
  if (plain === undefined) {
    const words = 'FROM, TEMPLATE, SYSTEM, ADAPTER, LICENSE, RENDERER, PARSER, REQUIRES, PARAMETER or MESSAGE'
    throw new ModelfileError(line, `${JSON.stringify(name)} is no command: expected ${words}`)
  }
  if (text === '' && plain === 'from') throw new ModelfileError(line, 'FROM needs a model or a file')
  return { name: plain, text }
}
