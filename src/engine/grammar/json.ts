/** The grammar of JSON itself, in llama.cpp's notation (GBNF), by rule name; and literals in it. */

/** Digits, spaces and text are bounded so that a model which has lost its way cannot fill its context with them. */
export const jsonRules: Readonly<Record<string, string>> = {
  space: '| " " | "\\n" [ \\t]{0,20}',
  boolean: '("true" | "false") space',
  null: '"null" space',
  'integral-part': '"0" | [1-9] [0-9]{0,20}',
  'decimal-part': '[0-9]{1,32}',
  integer: '"-"? integral-part space',
  number: '"-"? integral-part ("." decimal-part)? ([eE] [-+]? [0-9]{1,3})? space',
  char: '[^"\\\\\\x7F\\x00-\\x1F] | "\\\\" (["\\\\/bfnrt] | "u" [0-9a-fA-F]{4})',
  string: '"\\"" char* "\\"" space',
  member: 'string ":" space value',
  object: '"{" space (member ("," space member)*)? "}" space',
  array: '"[" space (value ("," space value)*)? "]" space',
  value: 'object | array | string | number | boolean | null',
  date: '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])',
  time: '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,9})? ("Z" | [-+] [0-9]{2} ":" [0-9]{2})',
  'date-time': 'date "T" time',
  uuid: '[0-9a-fA-F]{8} "-" [0-9a-fA-F]{4} "-" [0-9a-fA-F]{4} "-" [0-9a-fA-F]{4} "-" [0-9a-fA-F]{12}',
}

const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '"': '\\"', '\\': '\\\\' }

/** A text that must stand there as it is. */
export function literal(text: string): string {
  return `"${text.replace(/[\n\r\t"\\]/g, (character) => escapes[character] ?? character)}"`
}
