/** Executes a template's tree over data. */
import type { BranchNode, CommandNode, ListNode, Node, Operand, PipeNode, TemplateNode, Tree } from './ast.ts'
import { functions } from './functions.ts'
import { maxCallDepth, maxOutputLength, maxSteps } from './limits.ts'
import { printed } from './print.ts'
import { FunctionError, TemplateError } from './template-error.ts'
import { type GoValue, isComposite, isTrue, sortedEntries, typeOf } from './values.ts'

/**
 * The text that a template gives for a value.
 * @param now what `currentDate` means
 * @throws TemplateError
 */
export function evaluate(tree: Tree, data: GoValue, now: Date): string {
  return new Evaluation(tree, now).run(data)
}

/** How a list of nodes ended, where a loop must know. */
type Signal = 'break' | 'continue' | undefined

interface Variable {
  readonly name: string
  value: GoValue
}

/** The value that a pipeline hands to its next command; undefined for its first. */
type Final = { readonly value: GoValue } | undefined

class Evaluation {
  readonly #tree: Tree
  readonly #now: Date
  readonly #output: string[] = []
  #outputLength = 0
  #steps = 0
  #depth = 0
  #variables: Variable[] = []

  constructor(tree: Tree, now: Date) {
    this.#tree = tree
    this.#now = now
  }

  run(data: GoValue): string {
    this.#variables = [{ name: '$', value: data }]
    this.#walk(data, this.#tree.root)
    return this.#output.join('')
  }

  #walk(dot: GoValue, list: ListNode): Signal {
    for (const node of list.nodes) {
      const signal = this.#node(dot, node)
      if (signal !== undefined) return signal
    }
    return undefined
  }

  #node(dot: GoValue, node: Node): Signal {
    this.#step(node.at)
    switch (node.kind) {
      case 'text':
        this.#write(node.text, node.at)
        return undefined
      case 'action': {
        const value = this.#pipeline(dot, node.pipe)
        if (node.pipe.variables.length === 0) this.#write(printed(value), node.at)
        return undefined
      }
      case 'if':
      case 'with':
        return this.#condition(dot, node)
      case 'range':
        return this.#range(dot, node)
      case 'template':
        this.#call(dot, node)
        return undefined
      case 'break':
      case 'continue':
        return node.kind
    }
  }

  #condition(dot: GoValue, node: BranchNode): Signal {
    const known = this.#variables.length
    const value = this.#pipeline(dot, node.pipe)
    let signal: Signal
    if (isTrue(value)) signal = this.#walk(node.kind === 'with' ? value : dot, node.list)
    else if (node.elseList !== undefined) signal = this.#walk(dot, node.elseList)
    this.#variables.length = known
    return signal
  }

  #range(dot: GoValue, node: BranchNode): Signal {
    const known = this.#variables.length
    const value = this.#pipeline(dot, node.pipe)
    const inside = this.#variables.length
    const [first, second] = node.pipe.variables
    let ran = false
    let signal: Signal
    for (const [index, element] of this.#elements(value, node)) {
      this.#step(node.at)
      ran = true
      if (second !== undefined) {
        this.#setRange(node.pipe, first as string, index, inside - 2)
        this.#setRange(node.pipe, second, element, inside - 1)
      } else if (first !== undefined) {
        this.#setRange(node.pipe, first, element, inside - 1)
      }
      signal = this.#walk(element, node.list)
      this.#variables.length = inside
      if (signal === 'break') break
    }
    // Whoever is outside this loop is not meant by its signals; those of its else are for the loop around it.
    signal = ran || node.elseList === undefined ? undefined : this.#walk(dot, node.elseList)
    this.#variables.length = known
    return signal
  }

  #setRange(pipe: PipeNode, name: string, value: GoValue, index: number): void {
    if (pipe.assigns) this.#assign(name, value)
    else (this.#variables[index] as Variable).value = value
  }

  *#elements(value: GoValue, node: BranchNode): Iterable<readonly [GoValue, GoValue]> {
    if (value === null) return
    if (typeof value === 'bigint') {
      if (node.pipe.variables.length > 1)
        this.#fail(node.at, `can't use ${value} to iterate over more than one variable`)
      for (let index = 0n; index < value; index += 1n) yield [null, index]
    } else if (value instanceof Uint8Array) {
      for (const [index, byte] of value.entries()) yield [BigInt(index), BigInt(byte)]
    } else if (isComposite(value) && value.kind === 'slice') {
      for (const [index, item] of value.items.entries()) yield [BigInt(index), item]
    } else if (isComposite(value) && value.kind === 'map') {
      yield* sortedEntries(value)
    } else {
      this.#fail(node.at, `range can't iterate over ${printed(value).slice(0, 100)}`)
    }
  }

  /** A defined template sees no variables but its own. */
  #call(dot: GoValue, node: TemplateNode): void {
    const list = node.name === '' ? this.#tree.root : this.#tree.defined.get(node.name)
    if (list === undefined) this.#fail(node.at, `template "${node.name}" not defined`)
    if (this.#depth >= maxCallDepth) this.#fail(node.at, `exceeded maximum template depth (${maxCallDepth})`)
    const value = node.pipe === undefined ? null : this.#pipeline(dot, node.pipe)
    const outer = this.#variables
    this.#variables = [{ name: '$', value }]
    this.#depth += 1
    this.#walk(value, list)
    this.#depth -= 1
    this.#variables = outer
  }

  #pipeline(dot: GoValue, pipe: PipeNode): GoValue {
    let final: Final
    for (const command of pipe.commands) final = { value: this.#command(dot, command, final) }
    const value = final?.value ?? null
    for (const name of pipe.variables) {
      if (pipe.assigns) this.#assign(name, value)
      else this.#variables.push({ name, value })
    }
    return value
  }

  #command(dot: GoValue, command: CommandNode, final: Final): GoValue {
    this.#step(command.at)
    const [first, ...args] = command.args as [Operand, ...Operand[]]
    if (first.kind === 'function') return this.#function(dot, first.name, first.at, args, final)
    if (first.kind === 'nil') this.#fail(first.at, 'nil is not a command')
    const value = this.#operand(dot, first)
    if (args.length > 0 || final !== undefined) {
      const named =
        first.kind === 'field' || first.kind === 'chain' || (first.kind === 'variable' && first.names.length > 1)
      this.#fail(
        first.at,
        named ? `${first.names.at(-1)} is not a method but has arguments` : "can't give argument to non-function",
      )
    }
    return value
  }

  #operand(dot: GoValue, operand: Operand): GoValue {
    switch (operand.kind) {
      case 'dot':
        return dot
      case 'nil':
        return null
      case 'constant':
        return operand.value
      case 'field':
        return this.#fields(dot, operand.names, operand.at)
      case 'variable':
        return this.#fields(this.#variable(operand.names[0] as string).value, operand.names.slice(1), operand.at)
      case 'chain':
        if (operand.operand.kind === 'nil') this.#fail(operand.at, 'indirection through explicit nil')
        return this.#fields(this.#operand(dot, operand.operand), operand.names, operand.at)
      case 'function':
        return this.#function(dot, operand.name, operand.at, [], undefined)
      case 'pipe':
        return this.#pipeline(dot, operand)
    }
  }

  #function(dot: GoValue, name: string, at: number, operands: readonly Operand[], final: Final): GoValue {
    this.#step(at)
    const found = functions.get(name)
    if (found === undefined) return this.#fail(at, `"${name}" is not a defined function`)
    const count = operands.length + (final === undefined ? 0 : 1)
    if (count < found.min || count > found.max) {
      const want = found.min === found.max ? `want ${found.min}` : `want at least ${found.min}`
      this.#fail(at, `wrong number of args for ${name}: ${want} got ${count}`)
    }
    if (name === 'and' || name === 'or') return this.#shortCircuit(dot, name === 'or', operands, final)
    const args = operands.map((operand) => this.#operand(dot, operand))
    if (final !== undefined) args.push(final.value)
    const value = this.#attempt(at, name, () => found.call(args, this.#now))
    if (typeof value === 'string' && value.length > maxOutputLength) this.#tooLong(at)
    return value
  }

  #shortCircuit(dot: GoValue, stopsAt: boolean, operands: readonly Operand[], final: Final): GoValue {
    let value: GoValue = null
    for (const operand of operands) {
      value = this.#operand(dot, operand)
      if (isTrue(value) === stopsAt) return value
    }
    return final === undefined ? value : final.value
  }

  #attempt(at: number, name: string, call: () => GoValue): GoValue {
    try {
      return call()
    } catch (error) {
      if (error instanceof FunctionError) return this.#fail(at, `error calling ${name}: ${error.message}`)
      throw error
    }
  }

  #fields(value: GoValue, names: readonly string[], at: number): GoValue {
    let current = value
    for (const [index, name] of names.entries()) {
      if (current === null) {
        // Nothing at all has no fields, and that is no error; what a key should have led to is one.
        if (index === 0) return null
        return this.#fail(at, `nil pointer evaluating interface {}.${name}`)
      }
      current = this.#field(current, name, at)
    }
    return current
  }

  #field(value: NonNullable<GoValue>, name: string, at: number): GoValue {
    if (isComposite(value)) {
      if (name === 'String' && value.text !== undefined) return value.text()
      if (value.kind === 'map') return value.entries.get(name) ?? null
      if (value.kind === 'struct') {
        const field = value.fields.find((candidate) => candidate.name === name)
        if (field !== undefined) return field.value
        const method = value.methods?.[name]
        if (method !== undefined) return method()
      }
    }
    return this.#fail(at, `can't evaluate field ${name} in type ${typeOf(value)}`)
  }

  #variable(name: string): Variable {
    // The parser has seen to it that every variable is known.
    return this.#variables.findLast((variable) => variable.name === name) as Variable
  }

  #assign(name: string, value: GoValue): void {
    this.#variable(name).value = value
  }

  #write(text: string, at: number): void {
    this.#outputLength += text.length
    if (this.#outputLength > maxOutputLength) this.#tooLong(at)
    this.#output.push(text)
  }

  #step(at: number): void {
    this.#steps += 1
    if (this.#steps > maxSteps) this.#fail(at, `more than ${maxSteps} steps`)
  }

  #tooLong(at: number): never {
    return this.#fail(at, `more than ${maxOutputLength} characters of output`)
  }

  #fail(at: number, reason: string): never {
    throw new TemplateError(this.#tree.source, at, reason)
  }
}
