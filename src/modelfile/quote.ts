/** A Modelfile's arguments as Ollama writes and reads them. */

/** Bare where a reader takes it so, else in the quotes that it allows; `"""` before the end of a line it cannot hold. */
export function quoted(text: string): string {
  const isBare = text !== '' && text.trim() === text && !/[\r\n]/.test(text) && !text.startsWith('"')
  if (isBare) return text
  return text.includes('"') ? `"""${text}"""` : `"${text}"`
}

/** The text of an argument; undefined while its closing quotes are still to come. */
export function unquoted(argument: string): string | undefined {
  const quote = ['"""', '"'].find((mark) => argument.startsWith(mark))
  if (quote === undefined) return argument
  const isClosed = argument.length >= 2 * quote.length && argument.endsWith(quote)
  return isClosed ? argument.slice(quote.length, -quote.length) : undefined
}
