/** Thrown when a template cannot be read or executed; the message names the place, as Go's own does. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
  /** Both count from 1; columns count UTF-16 units. */
  readonly line: number
  readonly column: number

  constructor(source: string, offset: number, reason: string) {
    const before = source.slice(0, offset)
    const line = before.split('\n').length
    const column = offset - before.lastIndexOf('\n')
    super(`template: :${line}:${column}: ${reason}`)
    this.line = line
    this.column = column
  }
}

/** Thrown by a function of a template; whoever calls it adds the place. */
export class FunctionError extends Error {
  override readonly name = 'FunctionError'
}
