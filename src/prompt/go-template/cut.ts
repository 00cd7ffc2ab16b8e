/** A template up to one of its fields. */
import type { ActionNode, BranchNode, ListNode, Node, Operand, PipeNode, Tree } from './ast.ts'

/** The template without everything that follows the first mention of a field; the field itself stays. */
export function cutAfter(tree: Tree, field: string): Tree {
  return { ...tree, root: new Cut(field).list(tree.root) }
}

class Cut {
  readonly #field: string
  #done = false

  constructor(field: string) {
    this.#field = field
  }

  list(list: ListNode): ListNode {
    return { ...list, nodes: list.nodes.flatMap((node) => this.#node(node)) }
  }

  #node(node: Node): Node[] {
    if (this.#done) return []
    switch (node.kind) {
      case 'action':
        return this.#action(node)
      case 'if':
      case 'with':
      case 'range':
        return [this.#branch(node)]
      default:
        return [node]
    }
  }

  /** Conditions are not looked at: what they mention is not printed. */
  #branch(node: BranchNode): BranchNode {
    const list = this.list(node.list)
    return node.elseList === undefined ? { ...node, list } : { ...node, list, elseList: this.list(node.elseList) }
  }

  #action(node: ActionNode): Node[] {
    const pipe = this.#pipe(node.pipe)
    return pipe === undefined ? [] : [{ ...node, pipe }]
  }

  #pipe(pipe: PipeNode): PipeNode | undefined {
    const commands: PipeNode['commands'][number][] = []
    for (const command of pipe.commands) {
      const args = command.args.flatMap((arg) => this.#operand(arg))
      if (args.length === 0) return undefined
      commands.push({ ...command, args })
    }
    return { ...pipe, commands }
  }

  #operand(operand: Operand): Operand[] {
    if (this.#done) return []
    if (operand.kind === 'field' && operand.names.includes(this.#field)) this.#done = true
    if (operand.kind !== 'pipe') return [operand]
    const pipe = this.#pipe(operand)
    return pipe === undefined ? [] : [pipe]
  }
}
