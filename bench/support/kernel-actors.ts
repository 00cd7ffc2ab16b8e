/** The actors that the rows of the actor kernel are made of, and what waits for them. */
import type { Message, Ref } from '../../protocols/ref.ts'
import { here } from '../../src/runtime/here.ts'
import { assign, fromTransition, setup } from '../../src/runtime/logic.ts'

/** Resolves when `hit` was called `count` times. */
class Goal {
  #left = 0
  #reached: (() => void) | undefined

  readonly hit = (): void => {
    if (--this.#left === 0) this.#reached?.()
  }

  after(count: number): Promise<void> {
    this.#left = count
    return new Promise((resolve) => {
      this.#reached = resolve
    })
  }
}

/** Hit by every message that an actor of this file has handled. */
export const goal = new Goal()

export const add: Message = { type: 'add' }

/** A machine that counts. */
export const counter = setup({
  types: { context: {} as { n: number } },
  actions: { hit: () => goal.hit() },
}).createMachine({
  context: { n: 0 },
  on: { add: { actions: [assign({ n: ({ context }) => context.n + 1 }), 'hit'] } },
})

/** A reducer that counts, and answers questions. */
export const reducer = fromTransition((n: number, event: Message, { system }) => {
  if (event.type === 'question') here(system).tell(event.replyTo as Ref, { type: 'answer' })
  else goal.hit()
  return n + 1
}, 0)

/** Supervises and does nothing else. */
export const supervising = fromTransition((state: null) => state, null)
