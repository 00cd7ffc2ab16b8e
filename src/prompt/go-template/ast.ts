/** A template as a tree. `at` is the offset in the source where a node begins. */

export interface ListNode {
  readonly kind: 'list'
  readonly at: number
  readonly nodes: readonly Node[]
}

export interface TextNode {
  readonly kind: 'text'
  readonly at: number
  readonly text: string
}

export interface ActionNode {
  readonly kind: 'action'
  readonly at: number
  readonly pipe: PipeNode
}

/** `if`, `with` and `range` differ only in what they do. */
export interface BranchNode {
  readonly kind: 'if' | 'with' | 'range'
  readonly at: number
  readonly pipe: PipeNode
  readonly list: ListNode
  readonly elseList?: ListNode
}

export interface TemplateNode {
  readonly kind: 'template'
  readonly at: number
  readonly name: string
  readonly pipe?: PipeNode
}

export interface LoopNode {
  readonly kind: 'break' | 'continue'
  readonly at: number
}

export type Node = TextNode | ActionNode | BranchNode | TemplateNode | LoopNode

export interface PipeNode {
  readonly kind: 'pipe'
  readonly at: number
  /** Variables, with their `$`, that the pipeline declares or assigns. */
  readonly variables: readonly string[]
  readonly assigns: boolean
  readonly commands: readonly CommandNode[]
}

export interface CommandNode {
  readonly kind: 'command'
  readonly at: number
  readonly args: readonly Operand[]
}

export type Operand =
  | { readonly kind: 'field'; readonly at: number; readonly names: readonly string[] }
  /** The first name is the variable with its `$`, the others its fields. */
  | { readonly kind: 'variable'; readonly at: number; readonly names: readonly string[] }
  | { readonly kind: 'chain'; readonly at: number; readonly operand: Operand; readonly names: readonly string[] }
  | { readonly kind: 'function'; readonly at: number; readonly name: string }
  | { readonly kind: 'constant'; readonly at: number; readonly value: string | number | bigint | boolean }
  | { readonly kind: 'dot' | 'nil'; readonly at: number }
  | PipeNode

/** A template and those that it defines, by name; its own name is empty. */
export interface Tree {
  readonly source: string
  readonly root: ListNode
  readonly defined: ReadonlyMap<string, ListNode>
}
