/** Server-sent events: how the APIs of OpenAI and Anthropic stream. */

export const eventHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  // A proxy that buffers would turn tokens into one answer at the end.
  'x-accel-buffering': 'no',
}

/** One event without a name. */
export const dataEvent = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`

/** One event whose name clients dispatch on. */
export const namedEvent = (name: string, data: object): string => `event: ${name}\n${dataEvent(data)}`
