/** Tokens as a tree, by the grammar of Go's text/template. */
import type { BranchNode, CommandNode, ListNode, Node, Operand, PipeNode, Tree } from './ast.ts'
import { type Token, type TokenKind, tokensOf } from './lexer.ts'
import { maxNesting, maxSourceLength } from './limits.ts'
import { numberValue, stringValue } from './literals.ts'
import { TemplateError } from './template-error.ts'

/** @throws TemplateError with the place of what is wrong */
export function parse(source: string, functions: ReadonlySet<string>): Tree {
  if (source.length > maxSourceLength) {
    throw new TemplateError(source, 0, `longer than ${maxSourceLength} characters`)
  }
  return new Parser(source, functions).tree()
}

/** How a list of nodes ended. */
type Mark = { readonly kind: 'end' | 'else'; readonly at: number }
type Ending = Mark | { readonly kind: 'source' }

const operandKinds: readonly TokenKind[] = [
  'bool',
  'char',
  'dot',
  'field',
  'identifier',
  'number',
  'nil',
  'rawString',
  'string',
  'variable',
  'leftParen',
]

class Parser {
  readonly #source: string
  readonly #functions: ReadonlySet<string>
  readonly #tokens: readonly Token[]
  readonly #defined = new Map<string, ListNode>()
  #next = 0
  #variables = ['$']
  #ranges = 0
  #nesting = 0

  constructor(source: string, functions: ReadonlySet<string>) {
    this.#source = source
    this.#functions = functions
    this.#tokens = tokensOf(source)
  }

  tree(): Tree {
    const { list, ending } = this.#list(true)
    if (ending.kind !== 'source') this.#fail(ending.at, `unexpected {{${ending.kind}}}`)
    return { source: this.#source, root: list, defined: this.#defined }
  }

  /** Text and actions up to `end` or `else`. Only the whole template ends with its source, and may hold definitions. */
  #list(whole: boolean): { readonly list: ListNode; readonly ending: Ending } {
    const nodes: Node[] = []
    const at = this.#peek().at
    for (;;) {
      const token = this.#take()
      if (token.kind === 'end') {
        if (!whole) this.#fail(token.at, 'unexpected EOF')
        return { list: { kind: 'list', at, nodes }, ending: { kind: 'source' } }
      }
      if (token.kind === 'text') {
        nodes.push({ kind: 'text', at: token.at, text: token.text })
        continue
      }
      const found = this.#action(whole)
      if (found === undefined) continue
      if (isMark(found)) return { list: { kind: 'list', at, nodes }, ending: found }
      nodes.push(found)
    }
  }

  /** What follows `{{`. @returns undefined for a definition */
  #action(whole: boolean): Node | Mark | undefined {
    const token = this.#peekNonSpace()
    if (token.kind !== 'keyword') return { kind: 'action', at: token.at, pipe: this.#pipeline('command', 'close') }
    this.#takeNonSpace()
    const { at } = token
    switch (token.text) {
      case 'end':
        this.#expect('close', 'end')
        return { kind: 'end', at }
      case 'else':
        if (!this.#continuesElse()) this.#expect('close', 'else')
        return { kind: 'else', at }
      case 'break':
      case 'continue':
        this.#expect('close', `{{${token.text}}}`)
        if (this.#ranges === 0) this.#fail(at, `{{${token.text}}} outside {{range}}`)
        return { kind: token.text, at }
      case 'if':
      case 'with':
      case 'range':
        return this.#nested(at, () => this.#branch(token.text as BranchNode['kind'], at))
      case 'template':
        return this.#call(at)
      case 'block':
        return this.#block(at)
      default:
        if (!whole) this.#fail(at, 'unexpected {{define}}')
        this.#define()
        return undefined
    }
  }

  #continuesElse(): boolean {
    const { kind, text } = this.#peekNonSpace()
    return kind === 'keyword' && (text === 'if' || text === 'with')
  }

  #branch(kind: BranchNode['kind'], at: number): BranchNode {
    const known = this.#variables.length
    const pipe = this.#pipeline(kind, 'close')
    if (kind === 'range') this.#ranges += 1
    const { list, ending } = this.#list(false)
    if (kind === 'range') this.#ranges -= 1
    const elseList = ending.kind === 'else' ? this.#else(kind, ending.at) : undefined
    this.#variables.length = known
    return { kind, at, pipe, list, ...(elseList === undefined ? {} : { elseList }) }
  }

  /** `{{else if …}}` stands for `{{else}}{{if …}}` with one end for both. */
  #else(kind: BranchNode['kind'], at: number): ListNode {
    if (this.#continuesElse()) {
      const token = this.#takeNonSpace()
      if (token.text !== kind) this.#fail(token.at, `unexpected <${token.text}> in else`)
      return { kind: 'list', at, nodes: [this.#nested(token.at, () => this.#branch(kind, token.at))] }
    }
    const { list, ending } = this.#list(false)
    if (ending.kind === 'else') this.#fail(ending.at, 'expected end; found {{else}}')
    return list
  }

  #call(at: number): Node {
    const name = this.#name('template clause')
    if (this.#peekNonSpace().kind === 'close') {
      this.#takeNonSpace()
      return { kind: 'template', at, name }
    }
    return { kind: 'template', at, name, pipe: this.#pipeline('template clause', 'close') }
  }

  #block(at: number): Node {
    const name = this.#name('block clause')
    const pipe = this.#pipeline('block clause', 'close')
    this.#body(name, at)
    return { kind: 'template', at, name, pipe }
  }

  #define(): void {
    const { at } = this.#peekNonSpace()
    const name = this.#name('define clause')
    this.#expect('close', 'define clause')
    this.#body(name, at)
  }

  /** A definition's own nodes: it sees no variables but its own. */
  #body(name: string, at: number): void {
    const outer = { variables: this.#variables, ranges: this.#ranges }
    this.#variables = ['$']
    this.#ranges = 0
    const { list, ending } = this.#nested(at, () => this.#list(false))
    if (ending.kind === 'else') this.#fail(ending.at, 'unexpected {{else}} in define clause')
    this.#variables = outer.variables
    this.#ranges = outer.ranges
    const known = this.#defined.get(name)
    if (known === undefined || isEmpty(known)) this.#defined.set(name, list)
    else if (!isEmpty(list)) this.#fail(at, `template: multiple definition of template "${name}"`)
  }

  #name(context: string): string {
    const token = this.#takeNonSpace()
    if (token.kind !== 'string' && token.kind !== 'rawString') this.#unexpected(token, context)
    return this.#text(token)
  }

  #pipeline(context: string, end: 'close' | 'rightParen'): PipeNode {
    const { at } = this.#peekNonSpace()
    const { variables, assigns } = this.#declarations(context)
    const commands: CommandNode[] = []
    for (;;) {
      const token = this.#peekNonSpace()
      if (token.kind === end) {
        this.#takeNonSpace()
        break
      }
      if (!operandKinds.includes(token.kind)) this.#unexpected(token, context)
      commands.push(this.#command())
    }
    if (commands.length === 0) this.#fail(at, `missing value for ${context}`)
    for (const [index, command] of commands.slice(1).entries()) {
      const kind = command.args[0]?.kind
      if (kind === 'constant' || kind === 'dot' || kind === 'nil') {
        this.#fail(command.at, `non executable command in pipeline stage ${index + 2}`)
      }
    }
    return { kind: 'pipe', at, variables, assigns, commands }
  }

  /** `$x :=`, `$x =`, and in a range `$i, $x :=`. */
  #declarations(context: string): { readonly variables: readonly string[]; readonly assigns: boolean } {
    const start = this.#next
    const variables: string[] = []
    while (this.#peekNonSpace().kind === 'variable') {
      const variable = this.#takeNonSpace()
      const after = this.#peekNonSpace()
      if (after.kind !== 'assign' && after.kind !== 'declare' && after.kind !== 'comma') break
      this.#takeNonSpace()
      variables.push(variable.text)
      if (after.kind === 'comma') {
        if (context !== 'range' || variables.length > 1) this.#fail(after.at, `too many declarations in ${context}`)
        if (this.#peekNonSpace().kind !== 'variable') this.#fail(after.at, 'range can only initialize variables')
        continue
      }
      if (after.kind === 'declare') this.#variables.push(...variables)
      else for (const name of variables) this.#know(name, variable.at)
      return { variables, assigns: after.kind === 'assign' }
    }
    if (variables.length > 0) this.#fail(this.#peek().at, `expected := in ${context}`)
    this.#next = start
    return { variables, assigns: false }
  }

  #command(): CommandNode {
    const { at } = this.#peekNonSpace()
    const args: Operand[] = []
    for (;;) {
      if (operandKinds.includes(this.#peekNonSpace().kind)) args.push(this.#operand(this.#takeNonSpace()))
      const token = this.#peek()
      if (token.kind === 'space') continue
      if (token.kind === 'pipe') {
        this.#take()
        this.#continuesPipeline()
      } else if (token.kind !== 'close' && token.kind !== 'rightParen') {
        this.#unexpected(token, 'operand')
      }
      return { kind: 'command', at, args }
    }
  }

  #continuesPipeline(): void {
    const token = this.#peekNonSpace()
    if (!operandKinds.includes(token.kind)) this.#fail(token.at, 'missing value for command')
  }

  #operand(token: Token): Operand {
    const operand = this.#term(token)
    const names: string[] = []
    const { at } = this.#peek()
    while (this.#peek().kind === 'field') names.push(this.#take().text.slice(1))
    if (names.length === 0) return operand
    switch (operand.kind) {
      case 'field':
      case 'variable':
        return { ...operand, names: [...operand.names, ...names] }
      case 'constant':
      case 'nil':
      case 'dot':
        return this.#fail(at, `unexpected . after term "${token.text}"`)
      default:
        return { kind: 'chain', at, operand, names }
    }
  }

  #term(token: Token): Operand {
    const { at, text } = token
    switch (token.kind) {
      case 'identifier':
        if (!this.#functions.has(text)) this.#fail(at, `function "${text}" not defined`)
        return { kind: 'function', at, name: text }
      case 'variable':
        this.#know(text, at)
        return { kind: 'variable', at, names: [text] }
      case 'field':
        return { kind: 'field', at, names: [text.slice(1)] }
      case 'bool':
        return { kind: 'constant', at, value: text === 'true' }
      case 'dot':
      case 'nil':
        return { kind: token.kind, at }
      case 'number':
      case 'char':
        return { kind: 'constant', at, value: this.#number(token) }
      case 'string':
      case 'rawString':
        return { kind: 'constant', at, value: this.#text(token) }
      default:
        return this.#nested(at, () => this.#pipeline('parenthesized pipeline', 'rightParen'))
    }
  }

  #number(token: Token): bigint | number {
    const value = numberValue(token)
    return value ?? this.#fail(token.at, `bad number syntax: "${token.text}"`)
  }

  #text(token: Token): string {
    return stringValue(token) ?? this.#fail(token.at, 'invalid syntax')
  }

  #know(variable: string, at: number): void {
    if (!this.#variables.includes(variable)) this.#fail(at, `undefined variable "${variable}"`)
  }

  #nested<Result>(at: number, parseInner: () => Result): Result {
    if (this.#nesting >= maxNesting) this.#fail(at, `nested more than ${maxNesting} deep`)
    this.#nesting += 1
    const result = parseInner()
    this.#nesting -= 1
    return result
  }

  #peek(): Token {
    return this.#tokens[this.#next] as Token
  }

  #take(): Token {
    const token = this.#peek()
    // The last token, the end, is never passed.
    if (token.kind !== 'end') this.#next += 1
    return token
  }

  #peekNonSpace(): Token {
    while (this.#peek().kind === 'space') this.#next += 1
    return this.#peek()
  }

  #takeNonSpace(): Token {
    this.#peekNonSpace()
    return this.#take()
  }

  #expect(kind: TokenKind, context: string): void {
    const token = this.#takeNonSpace()
    if (token.kind !== kind) this.#unexpected(token, context)
  }

  #unexpected(token: Token, context: string): never {
    return this.#fail(token.at, `unexpected ${JSON.stringify(token.text)} in ${context}`)
  }

  #fail(at: number, reason: string): never {
    throw new TemplateError(this.#source, at, reason)
  }
}

function isMark(found: Node | Mark): found is Mark {
  return found.kind === 'end' || found.kind === 'else'
}

/** Whether a definition holds nothing but space: such a one may be defined again. */
function isEmpty(list: ListNode): boolean {
  return list.nodes.every((node) => node.kind === 'text' && node.text.trim() === '')
}
