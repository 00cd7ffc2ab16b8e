/** Posts JSON and reads what comes back, as one value or as events. */

interface Answer {
  readonly status: number
  readonly type: string | null
  readonly text: string
  /** The body as JSON; undefined for events. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it by path.
  readonly json: any
}

export async function sse(url: string, body: unknown): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) })
  const text = await response.text()
  const type = response.headers.get('content-type')
  return {
    status: response.status,
    type,
    text,
    json: type?.startsWith('application/json') ? JSON.parse(text) : undefined,
  }
}

/** The data of each event; an event that was not ended is an error. */
export function eventsOf(text: string): string[] {
  if (!text.endsWith('\n\n')) throw new Error(`the last event is cut short: ${text.slice(-80)}`)
  return text
    .slice(0, -2)
    .split('\n\n')
    .map((event) => event.slice(event.indexOf('data: ') + 'data: '.length))
}
