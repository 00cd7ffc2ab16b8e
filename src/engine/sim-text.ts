/** The simulated model: text to tokens and back, answers and vectors that follow from the prompt alone. */

/** What a simulated model can say: token ids are places in this list. */
const vocabulary = (
  'the a one every small quiet bright cold river lamp node queue bird stone window letter road garden signal harbour ' +
  'finds keeps sends counts follows opens crosses carries answers waits turns moves under over near after before with ' +
  'without again slowly today always never and but while until because then so perhaps only still almost together'
).split(' ')

/** Width of a simulated embedding. */
const embeddingWidth = 32
/** An answer that nobody limits ends after this many tokens, and up to as many again. */
const shortestAnswerTokens = 24
/** Prompt tokens are hashes below this; large enough that two words rarely share one. */
const promptTokenRange = 2 ** 20

const fnvOffset = 0x811c9dc5
const fnvPrime = 0x01000193

/** FNV-1a of a text, 32 bits, continuing from `seed`. */
export function hashText(text: string, seed = fnvOffset): number {
  let hash = seed
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), fnvPrime)
  return hash >>> 0
}

/** Spreads the bits of a 32-bit number, so that neighbours have nothing in common. */
function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x45d9f3b)
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** One token per word, with the white space after it. */
export function tokenizeSim(text: string): number[] {
  return (text.match(/\s*\S+|\s+$/g) ?? []).map((word) => hashText(word) % promptTokenRange)
}

/** How a simulated model wants its conversations, where its file does not say. */
export const simChatTemplate =
  '{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:'

/** The token at `index` of the answer to what `seed` stands for. */
export function simToken(seed: number, index: number): number {
  return mix(seed + Math.imul(index + 1, 0x9e3779b1)) % vocabulary.length
}

/** How many tokens the answer has when nothing cuts it short. */
export function simAnswerLength(seed: number): number {
  return shortestAnswerTokens + (mix(seed) % shortestAnswerTokens)
}

/** Ids from here on stand for one character each: what a script says is said as it is written. */
const characterBase = promptTokenRange
/** Ids are below this: words first, then a character each. */
export const simVocabularyTokens = characterBase + 0x110000

/** A text as tokens of one character. */
export function simScriptTokens(text: string): number[] {
  return Array.from(text, (character) => characterBase + (character.codePointAt(0) ?? 0))
}

export function simTextOf(tokens: readonly number[]): string {
  let text = ''
  for (const token of tokens) text += textOf(token)
  return text
}

function textOf(token: number): string {
  if (token >= characterBase) return String.fromCodePoint(token - characterBase)
  return `${vocabulary[token % vocabulary.length]} `
}

/** The same text always gives the same vector; other texts give others. Not of length 1. */
export function simVector(text: string): number[] {
  const seed = hashText(text)
  return Array.from({ length: embeddingWidth }, (_, at) => mix(seed + at) / 2 ** 31 - 1)
}
