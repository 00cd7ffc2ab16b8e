/**
 * `omx-node run NAME [PROMPT]`: a chat in the terminal; one answer where a prompt is given or nobody types. A model that
 * the cluster does not hold is pulled first.
 */
import { findNode, type NodeAccess } from '../client.ts'
import { CommandError, Refusal } from '../command-error.ts'
import { Conversation } from '../conversation.ts'
import { showModel } from '../shown-model.ts'
import type { Terminal } from '../terminal.ts'
import { type TransferOptions, transferModel } from './transfer.ts'

/** Characters of one message or of a piped prompt: what a request to a worker may hold. */
const maxPromptLength = 16 * 1024 * 1024

const help = `/set system TEXT  say what the model is to be; without TEXT, its own again
/show             what is known of the model
/clear            forget what was said
/bye              end (or Ctrl-D); Ctrl-C ends an answer
"""               begins and ends a message of several lines
`

export async function run(name: string, prompt: string, options: TransferOptions, terminal: Terminal): Promise<void> {
  const node = await findNode(options, terminal.env)
  const isTalk = prompt === '' && terminal.inputInteractive
  const question = isTalk ? '' : await readQuestion(prompt, terminal)
  await haveModel(node, name, options, terminal)
  const chat = new Chat(node, name, options.json === true, terminal)
  try {
    if (isTalk) await chat.talk()
    else await chat.answer(question)
  } finally {
    chat.end()
  }
}

/** The prompt, and below it what is piped in. Throws a CommandError when there is neither. */
async function readQuestion(prompt: string, terminal: Terminal): Promise<string> {
  const piped = terminal.inputInteractive ? '' : await readPiped(terminal)
  const question = [prompt, piped].filter((text) => text !== '').join('\n\n')
  if (question.trim() === '') throw new CommandError('There is nothing to ask: give a prompt, or pipe one in.')
  return question
}

async function readPiped(terminal: Terminal): Promise<string> {
  const lines: string[] = []
  let length = 0
  for await (const line of terminal.readLines(() => '')) {
    length += line.length + 1
    if (length > maxPromptLength) throw new CommandError(`The input has more than ${maxPromptLength} characters.`)
    lines.push(line)
  }
  return lines.join('\n')
}

/** The answers of `--json` are the model's: the pull is shown beside them. */
async function haveModel(node: NodeAccess, name: string, { insecure = false }: TransferOptions, terminal: Terminal) {
  try {
    await showModel(node, name)
  } catch (error) {
    if (!Refusal.isOfUnknownModel(error)) throw error
    await transferModel('pull', node, name, { insecure }, terminal)
  }
}

class Chat {
  readonly #node: NodeAccess
  readonly #name: string
  readonly #json: boolean
  readonly #terminal: Terminal
  readonly #conversation: Conversation
  readonly end: () => void
  /** Of the answer that is being written. */
  #answering: AbortController | undefined
  #ended = false

  constructor(node: NodeAccess, name: string, json: boolean, terminal: Terminal) {
    this.#node = node
    this.#name = name
    this.#json = json
    this.#terminal = terminal
    this.#conversation = new Conversation(node, name)
    this.end = terminal.onSignal((signal) => {
      if (signal === 'SIGTERM' || this.#answering === undefined) this.#ended = true
      if (this.#answering !== undefined) this.#answering.abort()
      else terminal.exit(0)
    })
  }

  async talk(): Promise<void> {
    /** The lines of a message that has been begun with quotes. */
    let begun: string[] | undefined
    const prompt = () => (begun === undefined ? '>>> ' : '... ')
    for await (const line of this.#terminal.readLines(prompt)) {
      if (begun !== undefined) {
        begun.push(line)
        if (!line.trimEnd().endsWith('"""')) continue
        const message = begun.join('\n').trimEnd().slice(0, -3)
        begun = undefined
        await this.#tryTo(() => this.#say(message))
      } else if (opensQuotes(line)) begun = [line.trimStart().slice(3)]
      else if (line.trim() === '/bye') return
      else await this.#tryTo(() => this.#take(line.trim()))
      if (this.#ended) return
    }
    this.#terminal.print('\n')
  }

  /** What fails is said, and the conversation goes on. */
  async #tryTo(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#terminal.note(`${(error as Error).message}\n`)
    }
  }

  async #take(line: string): Promise<void> {
    const [command = '', ...words] = line.split(/\s+/)
    if (command === '/?' || command === '/help') this.#terminal.print(help)
    else if (command === '/clear') this.#conversation.clear()
    else if (command === '/show') await this.#show()
    else if (command === '/set' && words[0] === 'system') this.#setSystem(line.replace(/^\/set\s+system\s*/, ''))
    else if (command.startsWith('/') && !command.slice(1).includes('/')) {
      this.#terminal.note(`There is no ${line}: /? says what there is.\n`)
    } else await this.#say(withoutQuotes(line))
  }

  #setSystem(text: string): void {
    this.#conversation.system = text === '' ? undefined : withoutQuotes(text)
    this.#terminal.print(text === '' ? "The model's own system text is used.\n" : 'The system text is set.\n')
  }

  async #say(message: string): Promise<void> {
    if (message.trim() !== '') await this.answer(message)
  }

  async answer(message: string): Promise<void> {
    const answering = new AbortController()
    this.#answering = answering
    try {
      for await (const line of this.#conversation.ask(message, answering.signal)) {
        if (this.#json) this.#terminal.print(`${JSON.stringify(line)}\n`)
        else this.#print(line.message ?? {})
      }
    } catch (error) {
      if (!answering.signal.aborted) throw error
    } finally {
      this.#answering = undefined
    }
    if (!this.#json) this.#terminal.print('\n')
  }

  /** Thoughts are no answer: a person sees them, a pipe does not get them. */
  #print({ content = '', thinking = '' }: { readonly content?: string; readonly thinking?: string }): void {
    if (thinking !== '' && this.#terminal.notesInteractive) this.#terminal.note(thinking)
    if (content !== '') this.#terminal.print(content)
  }

  async #show(): Promise<void> {
    const { modelfile, details, capabilities = [] } = await showModel(this.#node, this.#name)
    const { family, parameter_size, quantization_level } = details
    this.#terminal.print(
      `${family} ${parameter_size} ${quantization_level}: ${capabilities.join(', ')}\n\n${modelfile}`,
    )
  }
}

const quotes = '"""'

/** Begins a message of several lines: opened, and not closed on the same line. */
function opensQuotes(line: string): boolean {
  const text = line.trim()
  return text.startsWith(quotes) && (text.length < 2 * quotes.length || !text.endsWith(quotes))
}

function withoutQuotes(text: string): string {
  const isQuoted = text.length >= 2 * quotes.length && text.startsWith(quotes) && text.endsWith(quotes)
  return isQuoted ? text.slice(quotes.length, -quotes.length) : text
}
