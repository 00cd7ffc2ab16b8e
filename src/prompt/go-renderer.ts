/** Conversations through a Go template, as Ollama puts them. */
import type { ChatMessage, Think, Tool } from '../../protocols/chat.ts'
import { messageValues, record, toolValues } from './go-data.ts'
import type { Tree } from './go-template/ast.ts'
import { cutAfter } from './go-template/cut.ts'
import { evaluate } from './go-template/evaluate.ts'
import { GoTemplate } from './go-template/go-template.ts'
import type { GoValue } from './go-template/values.ts'
import { analyse, type TemplateFacts } from './template-analysis.ts'

/** What a template is asked to render. */
export interface Turn {
  readonly messages: readonly ChatMessage[]
  readonly tools: readonly Tool[]
  readonly think: Think | undefined
  /** What `currentDate` and `strftime_now` mean. */
  readonly now: Date
}

export class GoRenderer {
  readonly facts: TemplateFacts
  readonly #tree: Tree
  /** For templates without messages: what the last turn is rendered with, so that the prompt ends where the answer begins. */
  readonly #lastTurn: Tree

  /** @throws TemplateError */
  constructor(source: string) {
    const template = new GoTemplate(source)
    this.facts = analyse(template)
    const { mentions } = this.facts
    this.#tree = mentions.has('messages') || mentions.has('response') ? template.tree : withResponse(template.tree)
    this.#lastTurn = cutAfter(this.#tree, 'Response')
  }

  /** @throws TemplateError */
  render(turn: Turn): string {
    const { system, messages } = collate(turn.messages)
    if (!this.facts.mentions.has('messages')) return this.#renderTurns(messages, turn)
    return this.#execute(this.#tree, turn, {
      System: system,
      Messages: messageValues(messages),
      Tools: toolValues(turn.tools),
      Response: '',
    })
  }

  /** Fill in the middle. @throws TemplateError */
  renderInsert(prompt: string, suffix: string, turn: Turn): string {
    return this.#execute(this.#tree, turn, { Prompt: prompt, Suffix: suffix, Response: '' })
  }

  /** Each turn on its own: a system message, a question and an answer, whichever there are. */
  #renderTurns(messages: readonly ChatMessage[], turn: Turn): string {
    let text = ''
    let open = { System: '', Prompt: '', Response: '' }
    const finish = () => {
      text += this.#execute(this.#tree, turn, open)
      open = { System: '', Prompt: '', Response: '' }
    }
    for (const { role, content } of messages) {
      if (role === 'system') {
        if (open.Prompt !== '' || open.Response !== '') finish()
        open.System = content
      } else if (role === 'user') {
        if (open.Response !== '') finish()
        open.Prompt = content
      } else if (role === 'assistant') {
        open.Response = content
      }
    }
    return text + this.#execute(this.#lastTurn, turn, open)
  }

  #execute(tree: Tree, turn: Turn, values: Readonly<Record<string, GoValue>>): string {
    const { think, now } = turn
    const data = record({
      ...values,
      Think: think !== undefined && think !== false,
      ThinkLevel: levelOf(think),
      IsThinkSet: think !== undefined,
    })
    return evaluate(tree, data, now)
  }
}

/** A plain yes is a medium effort. */
function levelOf(think: Think | undefined): string {
  if (typeof think === 'string') return think
  return think === true ? 'medium' : ''
}

function withResponse(tree: Tree): Tree {
  const at = tree.source.length
  const response = new GoTemplate('{{ .Response }}').tree.root.nodes.map((node) => ({ ...node, at }))
  return { ...tree, root: { ...tree.root, nodes: [...tree.root.nodes, ...response] } }
}

/** Neighbours of one role become one message, a blank line between them; tools' answers stay apart. */
function collate(messages: readonly ChatMessage[]): { readonly system: string; readonly messages: ChatMessage[] } {
  const collated: ChatMessage[] = []
  for (const message of messages) {
    const last = collated.at(-1)
    if (last === undefined || last.role !== message.role || message.role === 'tool') collated.push(message)
    else collated[collated.length - 1] = { ...last, content: `${last.content}\n\n${message.content}` }
  }
  const system = messages.filter(({ role }) => role === 'system').map(({ content }) => content)
  return { system: system.join('\n\n'), messages: collated }
}
