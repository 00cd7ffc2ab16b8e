/** The escapes of `html`, `js` and `urlquery`. */

const htmlEscapes: Readonly<Record<string, string>> = {
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
}

export function htmlText(text: string): string {
  return text.replace(/["'&<>]/g, (character) => htmlEscapes[character] as string).replaceAll('\0', '\ufffd')
}

const jsEscapes: Readonly<Record<string, string>> = { '\\': '\\\\', "'": "\\'", '"': '\\"' }

/** Printable characters beyond ASCII stay. */
export function jsText(text: string): string {
  return text.toWellFormed().replace(/[\\'"<>&=]|[^\x20-\x7f\p{L}\p{M}\p{N}\p{P}\p{S}]/gu, (character) => {
    const code = (character.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')
    return jsEscapes[character] ?? `\\u${code}`
  })
}

export function queryText(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replaceAll('%20', '+')
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}
