/** Network namespaces on one bridge, for nodes that can be parted by routes: made for one test file, and removed after it. */
import { execFileSync } from 'node:child_process'

/** Why there can be none; undefined when there can. */
export function namespacesMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  try {
    ip('-V')
    ip('netns', 'add', `omx-try-${process.pid}`)
    ip('netns', 'del', `omx-try-${process.pid}`)
    return undefined
  } catch (error) {
    return `network namespaces cannot be made here: ${(error as Error).message.split('\n')[0]}`
  }
}

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** The host of the test itself, which reaches all the others at all times. */
const ownHost = 254

/** `count` hosts with the addresses 1, 2 and so on of a network 10.x.y.0/24, where `x` and `y` come from the process id. */
export class Namespaces {
  readonly #tag = `o${process.pid}`
  readonly #net = `10.${128 + ((process.pid >> 8) % 128)}.${process.pid % 256}`
  readonly #count: number

  constructor(count: number) {
    this.#count = count
    try {
      ip('link', 'add', this.#tag, 'type', 'bridge')
      ip('addr', 'add', `${this.addressOf(ownHost)}/24`, 'dev', this.#tag)
      ip('link', 'set', this.#tag, 'up')
      for (let host = 1; host <= count; host++) this.#add(host)
    } catch (error) {
      this.dispose()
      throw error
    }
  }

  #add(host: number): void {
    const [outside, inside] = [this.#outsideOf(host), `${this.#tag}w${host}`]
    ip('netns', 'add', this.nameOf(host))
    ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', inside)
    ip('link', 'set', outside, 'master', this.#tag, 'up')
    ip('link', 'set', inside, 'netns', this.nameOf(host))
    for (const words of [
      ['addr', 'add', `${this.addressOf(host)}/24`, 'dev', inside],
      ['link', 'set', inside, 'up'],
      ['link', 'set', 'lo', 'up'],
    ]) {
      ip('-n', this.nameOf(host), ...words)
    }
  }

  /** The end of its cable that is on the bridge. */
  #outsideOf(host: number): string {
    return `${this.#tag}v${host}`
  }

  nameOf(host: number): string {
    return `${this.#tag}n${host}`
  }

  addressOf(host: number): string {
    return `${this.#net}.${host}`
  }

  /** Nothing passes between the two sides any more: each host has no route to those of the other. */
  part(left: readonly number[], right: readonly number[]): void {
    this.silence(left, right)
    this.silence(right, left)
  }

  heal(left: readonly number[], right: readonly number[]): void {
    this.unsilence(left, right)
    this.unsilence(right, left)
  }

  /** Nothing that the first hosts send reaches the others; the other way all passes. */
  silence(from: readonly number[], to: readonly number[]): void {
    this.#routes('add', from, to)
  }

  unsilence(from: readonly number[], to: readonly number[]): void {
    this.#routes('del', from, to)
  }

  #routes(verb: 'add' | 'del', from: readonly number[], to: readonly number[]): void {
    for (const host of from) {
      for (const other of to) ip('-n', this.nameOf(host), 'route', verb, 'blackhole', `${this.addressOf(other)}/32`)
    }
  }

  dispose(): void {
    for (let host = 1; host <= this.#count; host++) {
      // By itself it goes only when the last connection of a killed node has run out, which takes minutes.
      quietly(() => ip('link', 'del', this.#outsideOf(host)))
      quietly(() => ip('netns', 'del', this.nameOf(host)))
    }
    quietly(() => ip('link', 'del', this.#tag))
  }
}

/** What is not there need not be removed. */
function quietly(run: () => void): void {
  try {
    run()
  } catch {
    // It was never made.
  }
}
