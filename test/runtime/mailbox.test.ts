import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Mailbox } from '../../src/runtime/mailbox.ts'

/** The mailbox as two plain lists. */
class Model {
  readonly capacity: number
  messages: number[] = []
  signals: number[] = []

  constructor(capacity: number) {
    this.capacity = capacity
  }
}

type Step = { readonly kind: 'offer' | 'signal' | 'take' | 'dropSignals' }

/** Does one step on both and compares what each answers. */
function compare(step: Step, item: number, mailbox: Mailbox<number>, model: Model): void {
  if (step.kind === 'offer') {
    const fits = model.messages.length < model.capacity
    if (fits) model.messages.push(item)
    expect(mailbox.offer(item)).toBe(fits)
  } else if (step.kind === 'signal') {
    model.signals.push(item)
    mailbox.signal(item)
  } else if (step.kind === 'take') {
    expect(mailbox.take()).toBe(model.signals.shift() ?? model.messages.shift())
  } else {
    model.signals = []
    mailbox.dropSignals()
  }
  expect(mailbox.size).toBe(model.messages.length + model.signals.length)
}

describe('the mailbox', () => {
  it('agrees with two plain lists on order, capacity and signals first, whatever is done to it', () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.constant<Step>({ kind: 'offer' }) },
        { weight: 2, arbitrary: fc.constant<Step>({ kind: 'signal' }) },
        { weight: 5, arbitrary: fc.constant<Step>({ kind: 'take' }) },
        { weight: 1, arbitrary: fc.constant<Step>({ kind: 'dropSignals' }) },
      ),
      { maxLength: 200 },
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), steps, (capacity, script) => {
        const mailbox = new Mailbox<number>(capacity)
        const model = new Model(capacity)
        script.forEach((step, item) => {
          compare(step, item, mailbox, model)
        })
      }),
    )
  })

  it('takes a signal when it is full of messages', () => {
    const mailbox = new Mailbox<string>(1)
    expect(mailbox.offer('message')).toBe(true)
    expect(mailbox.offer('refused')).toBe(false)
    mailbox.signal('signal')
    expect([mailbox.take(), mailbox.take(), mailbox.take()]).toEqual(['signal', 'message', undefined])
  })
})
