/** What the rows about OpenAI's and Anthropic's APIs, as Ollama serves them, have in common. */
import type { Matcher } from '../match.ts'
import type { Expectation } from '../row.ts'
import type { Answer } from '../server.ts'

export const user = (content: unknown) => ({ role: 'user', content })
export const told = (content: string) => [user(`⟦${content}⟧`)]
export const call = '<call>{"name": "get_weather", "arguments": {"city": "Paris"}}</call>'

export function refused(status: number, type: string, words: Matcher): Expectation {
  return { status, type: /^application\/json/, json: { error: { message: words, type, param: null, code: null } } }
}

export function refusedMessage(status: number, type: string, words: Matcher): Expectation {
  return { status, json: { type: 'error', error: { type, message: words }, request_id: /^req_/ } }
}

/** The data of each event, read as JSON where it is. */
function eventsOf({ text: body }: Answer): Record<string, unknown>[] {
  return body
    .split('\n\n')
    .map((event) => event.slice(event.indexOf('data: ') + 'data: '.length))
    .filter((data) => data.startsWith('{'))
    .map((data) => JSON.parse(data) as Record<string, unknown>)
}

export const stream = (
  check: (events: readonly Record<string, unknown>[], answer: Answer) => string | undefined,
): Expectation => ({
  status: 200,
  type: /^text\/event-stream/,
  check: (answer) => check(eventsOf(answer), answer),
})

export const wants = (condition: boolean, what: string): string | undefined => (condition ? undefined : what)

/** A picture of one point. */
export const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
