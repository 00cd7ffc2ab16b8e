/** What a Go template tells about its model, by the heuristics that Ollama uses. */
import type { ThinkingTags } from './answer/thinking.ts'
import type { BranchNode, ListNode, Node, Operand, PipeNode, Tree } from './go-template/ast.ts'
import type { GoTemplate } from './go-template/go-template.ts'

export interface Capabilities {
  readonly tools: boolean
  /** Fill in the middle. */
  readonly insert: boolean
  readonly thinking: boolean
}

export interface TemplateFacts extends Capabilities {
  /** Names of fields and variables that the template mentions, in lower case. */
  readonly mentions: ReadonlySet<string>
  readonly thinkingTags?: ThinkingTags
  /** What a tool call begins with. */
  readonly toolTag: string
  /** The template shows calls as well as their results. */
  readonly toolRoundTrip: boolean
}

export function analyse(template: GoTemplate): TemplateFacts {
  const { tree, source } = template
  const mentions = mentionsOf(tree)
  const thinkingTags = thinkingTagsOf(tree)
  const tools = mentions.has('tools')
  return {
    mentions,
    tools,
    insert: mentions.has('suffix'),
    thinking: thinkingTags !== undefined,
    ...(thinkingTags === undefined ? {} : { thinkingTags }),
    toolTag: toolTagOf(tree) || '{',
    toolRoundTrip: tools && mentions.has('toolcalls') && showsResults(source),
  }
}

function showsResults(source: string): boolean {
  return ['eq .Role "tool"', 'tool_response', 'TOOL_RESULTS'].some((sign) => source.includes(sign))
}

function mentionsOf(tree: Tree): Set<string> {
  const names = new Set<string>()
  const fromPipe = (pipe: PipeNode) => {
    for (const operand of pipe.commands.flatMap(({ args }) => args)) fromOperand(operand)
  }
  const fromOperand = (operand: Operand) => {
    if (operand.kind === 'field' || operand.kind === 'variable') {
      for (const name of operand.names) names.add(name.toLowerCase())
    } else if (operand.kind === 'pipe') fromPipe(operand)
    else if (operand.kind === 'chain') fromOperand(operand.operand)
  }
  const fromList = (list: ListNode) => {
    for (const node of list.nodes) {
      if ('pipe' in node && node.pipe !== undefined) fromPipe(node.pipe)
      if ('list' in node) fromList(node.list)
      if ('elseList' in node && node.elseList !== undefined) fromList(node.elseList)
    }
  }
  for (const list of [tree.root, ...tree.defined.values()]) fromList(list)
  return names
}

/** Whether a pipeline has a field whose first name is this, however deep. */
function uses(pipe: PipeNode, name: string): boolean {
  return pipe.commands.some(({ args }) =>
    args.some((arg) => (arg.kind === 'field' && arg.names[0] === name) || (arg.kind === 'pipe' && uses(arg, name))),
  )
}

/**
 * The first and last text of the list around `.Thinking`, inside the range over `.Messages`. Of several mentions each one's
 * texts count, so that the innermost of the last wins.
 */
function thinkingTagsOf(tree: Tree): ThinkingTags | undefined {
  let open = ''
  let close = ''
  const note = (list: ListNode) => {
    const first = list.nodes[0]
    const last = list.nodes.at(-1)
    if (first?.kind === 'text') open = first.text.trim()
    if (last?.kind === 'text') close = last.text.trim()
  }
  const visit = (list: ListNode, inMessages: boolean) => {
    for (const node of list.nodes) {
      if (!('pipe' in node) || node.pipe === undefined) continue
      const within = node.kind === 'range' ? uses(node.pipe, 'Messages') : inMessages
      if (within && uses(node.pipe, 'Thinking')) note(list)
      if ('list' in node) visit(node.list, within)
      if ('elseList' in node && node.elseList !== undefined) visit(node.elseList, within)
    }
  }
  visit(tree.root, false)
  return open === '' || close === '' ? undefined : { open, close }
}

/** The first text after `if .ToolCalls`, up to a brace. */
function toolTagOf(tree: Tree): string {
  const node = toolCallsNode(tree.root)
  const text = node === undefined ? undefined : firstText(node.list)
  return (text ?? '').trim().replaceAll('\r\n', '\n').split('{')[0] as string
}

function toolCallsNode(list: ListNode): BranchNode | undefined {
  for (const node of list.nodes) {
    if (!isBranch(node)) continue
    if (node.kind === 'if' && mentionsToolCalls(node.pipe)) return node
    const found = toolCallsNode(node.list) ?? (node.elseList === undefined ? undefined : toolCallsNode(node.elseList))
    if (found !== undefined) return found
  }
  return undefined
}

function mentionsToolCalls(pipe: PipeNode): boolean {
  return pipe.commands.some(({ args }) => args.some((arg) => arg.kind === 'field' && arg.names.includes('ToolCalls')))
}

/** The first text before any action; a branch is followed, and nothing after it. */
function firstText(list: ListNode): string | undefined {
  for (const node of list.nodes) {
    if (node.kind === 'text') return node.text
    if (node.kind === 'action') return undefined
    if (isBranch(node))
      return firstText(node.list) ?? (node.elseList === undefined ? undefined : firstText(node.elseList))
  }
  return undefined
}

function isBranch(node: Node): node is BranchNode {
  return node.kind === 'if' || node.kind === 'with' || node.kind === 'range'
}
