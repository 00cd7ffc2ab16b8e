/** A template in the language of Go's text/template, with Ollama's functions: read once, executed often. */
import type { Tree } from './ast.ts'
import { evaluate } from './evaluate.ts'
import { functions } from './functions.ts'
import { parse } from './parser.ts'
import type { GoValue } from './values.ts'

const names: ReadonlySet<string> = new Set(functions.keys())

export class GoTemplate {
  readonly source: string
  readonly tree: Tree

  /** @throws TemplateError */
  constructor(source: string) {
    this.source = source
    this.tree = parse(source, names)
  }

  /** @throws TemplateError where the data do not fit the template, or it exceeds a limit */
  execute(data: GoValue, now: Date): string {
    return evaluate(this.tree, data, now)
  }
}
