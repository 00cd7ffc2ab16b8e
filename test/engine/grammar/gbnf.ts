/** Whether a text is in a grammar of llama.cpp's notation: enough of it to try what this project writes. */

/** Where a match that begins at `from` may end. */
type Matcher = (text: string, from: number) => readonly number[]

/** Repetitions without an end are followed this far. */
const maxRepetition = 400

export function accepts(grammar: string, text: string, root = 'root'): boolean {
  const rules = new Map<string, Matcher>()
  for (const line of grammar.split('\n').filter((each) => each !== '')) {
    const at = line.indexOf(' ::= ')
    rules.set(line.slice(0, at), new Reader(line.slice(at + 5), rules).alternatives())
  }
  const matcher = rules.get(root)
  if (matcher === undefined) throw new Error(`the grammar has no rule ${root}`)
  return matcher(text, 0).includes(text.length)
}

class Reader {
  readonly #source: string
  readonly #rules: ReadonlyMap<string, Matcher>
  #at = 0

  constructor(source: string, rules: ReadonlyMap<string, Matcher>) {
    this.#source = source
    this.#rules = rules
  }

  alternatives(): Matcher {
    const branches = [this.#sequence()]
    while (this.#take(/\|\s*/y) !== undefined) branches.push(this.#sequence())
    return (text, from) => [...new Set(branches.flatMap((branch) => branch(text, from)))]
  }

  #sequence(): Matcher {
    const parts: Matcher[] = []
    for (let part = this.#repeated(); part !== undefined; part = this.#repeated()) parts.push(part)
    return (text, from) =>
      parts.reduce<readonly number[]>((ends, part) => [...new Set(ends.flatMap((end) => part(text, end)))], [from])
  }

  #repeated(): Matcher | undefined {
    const atom = this.#atom()
    if (atom === undefined) return undefined
    const sign = this.#take(/[*+?]|\{(\d+)(?:,(\d*))?\}/y)
    this.#take(/\s*/y)
    if (sign === undefined) return atom
    const [least, most] = boundsOf(sign)
    return (text, from) => {
      const found = new Set<number>()
      let ends: readonly number[] = [from]
      for (let count = 0; ends.length > 0 && count <= most; count++) {
        if (count >= least) for (const end of ends) found.add(end)
        ends = [...new Set(ends.flatMap((end) => atom(text, end).filter((next) => next > end)))]
      }
      return [...found]
    }
  }

  #atom(): Matcher | undefined {
    const literal = this.#take(/"(?:[^"\\]|\\.)*"/y)
    if (literal !== undefined) {
      const wanted = unescaped(literal.slice(1, -1))
      return (text, from) => (text.startsWith(wanted, from) ? [from + wanted.length] : [])
    }
    const set = this.#take(/\[(?:[^\]\\]|\\.)*\]/y)
    if (set !== undefined) {
      const pattern = new RegExp(set, 'u')
      return (text, from) => (from < text.length && pattern.test(text.charAt(from)) ? [from + 1] : [])
    }
    if (this.#take(/\(\s*/y) !== undefined) {
      const inner = this.alternatives()
      if (this.#take(/\)/y) === undefined) throw new Error(`no end of a group: ${this.#source}`)
      return inner
    }
    const name = this.#take(/[a-z][a-z0-9-]*/y)
    if (name === undefined) return undefined
    return (text, from) => {
      const rule = this.#rules.get(name)
      if (rule === undefined) throw new Error(`the grammar has no rule ${name}`)
      return rule(text, from)
    }
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#source)
    if (found === null) return undefined
    this.#at += found[0].length
    return found[0]
  }
}

function boundsOf(sign: string): [least: number, most: number] {
  if (sign === '*') return [0, maxRepetition]
  if (sign === '+') return [1, maxRepetition]
  if (sign === '?') return [0, 1]
  const [least = '', most] = sign.slice(1, -1).split(',')
  if (most === undefined) return [Number(least), Number(least)]
  return [Number(least), most === '' ? maxRepetition : Number(most)]
}

const unescaped = (text: string): string =>
  text.replace(/\\(.)/g, (_, character: string) => ({ n: '\n', r: '\r', t: '\t' })[character] ?? character)
