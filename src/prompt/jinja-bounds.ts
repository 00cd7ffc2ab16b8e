/** What a Jinja template may cost: a GGUF brings its own along, and the library has no limits. */
import { Environment, Interpreter, type Template } from '@huggingface/jinja'
import { maxOutputLength, maxSteps } from './go-template/limits.ts'

/** Numbers of one `range`: all of them are there before a loop takes its first turn. */
const maxRangeLength = 100_000
/** What costs about as much as one step, where it is done without any: elements of a list, characters of a text. */
const elementsPerStep = 16
const charactersPerStep = 256

/** What of a node of the library's tree tells where its lists are. */
interface Node {
  readonly type: string
  readonly iterable?: { readonly lhs?: object }
  readonly object?: object
}

/** The library's declarations of these lead nowhere. */
interface Evaluator {
  evaluate(node: Node | undefined, environment: object): { readonly value: unknown }
  run(program: Template['parsed']): { readonly value: unknown }
}
const LibraryInterpreter = Interpreter as new (environment: object) => Evaluator

/** A template that would take too long or too much. */
export class CostError extends Error {
  override readonly name = 'CostError'
}

/** Whatever a template does more than once is evaluated here. */
class BoundedInterpreter extends LibraryInterpreter {
  #steps = 0
  /** Lists that a loop is about to go through: a turn costs a step, also one that does nothing. */
  readonly #iterables = new WeakSet<object>()
  /** Lists and texts of which one element is taken. */
  readonly #looked = new WeakSet<object>()

  override evaluate(node: Node | undefined, environment: object): { readonly value: unknown } {
    this.#pay(1)
    if (node !== undefined) this.#note(node)
    const result = super.evaluate(node, environment)
    if (node !== undefined) this.#pay(this.#costOf(node, result.value))
    return result
  }

  #note({ type, iterable, object }: Node): void {
    if (type === 'For' && iterable !== undefined) this.#iterables.add(iterable.lhs ?? iterable)
    if (type === 'MemberExpression' && object !== undefined) this.#looked.add(object)
  }

  #costOf(node: Node, value: unknown): number {
    if (this.#looked.has(node)) return 0
    if (Array.isArray(value)) return this.#iterables.has(node) ? value.length : value.length / elementsPerStep
    if (typeof value !== 'string') return 0
    if (value.length > maxOutputLength)
      throw new CostError(`it makes a text of more than ${maxOutputLength} characters`)
    return value.length / charactersPerStep
  }

  #pay(steps: number): void {
    this.#steps += steps
    if (this.#steps > maxSteps) throw new CostError(`it takes more than ${maxSteps} steps`)
  }
}

/** As `Template.render`, with what it declares by itself. @throws CostError, or an Error of the template */
export function renderBounded(program: Template['parsed'], items: Readonly<Record<string, unknown>>): string {
  const environment = new Environment()
  for (const [name, value] of Object.entries({ ...globals, ...items })) environment.set(name, value)
  return String(new BoundedInterpreter(environment).run(program).value)
}

const globals: Readonly<Record<string, unknown>> = {
  ...{ true: true, false: false, none: null, True: true, False: false, None: null },
  range,
  raise_exception: (message: string) => {
    throw new Error(message)
  },
}

function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second]
  if (step === 0) throw new Error('range() step must not be zero')
  const length = Math.max(0, Math.ceil((stop - start) / step))
  if (length > maxRangeLength) throw new CostError(`it wants a range of more than ${maxRangeLength} numbers`)
  return Array.from({ length }, (_, index) => start + index * step)
}
