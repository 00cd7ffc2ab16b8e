/** What is read off a frame of the actor protocol without taking it apart: most of a run is frames. */

/** The first elements of a frame's array, as `protocols/actor.ts` writes them. */
export const marks = { tell: 0, ask: 1, reply: 2 } as const

/** The kind of a frame: a short array's header, then a small number. */
export const markOf = (frame: Uint8Array): number => frame[1] ?? -1

/** Whether a message travels in it. */
export const isMessage = (frame: Uint8Array): boolean => {
  const mark = markOf(frame)
  return mark === marks.tell || mark === marks.ask || mark === marks.reply
}

const probe = 'health.probe'

/** Whether somebody asks how the node is. */
export const isHealthProbe = (frame: Uint8Array): boolean =>
  markOf(frame) === marks.ask && Buffer.from(frame.buffer, frame.byteOffset, frame.length).includes(probe)
