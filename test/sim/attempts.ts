/** Looks at the attempts of an entry node: what each tells its task and puts into the response, and when it is left. */
import type { AttemptEvent, taskMachine } from '../../actors/task.ts'
import type { TreeInit } from '../../actors/tree.ts'
import type { InferFrame, InferRequest } from '../../protocols/infer.ts'
import type { NodeId } from '../../protocols/ref.ts'
import type { Response, Responses } from '../../src/http/responses.ts'
import type { AttemptSink } from '../../src/net/attempt.ts'
import { fromCallback } from '../../src/runtime/logic.ts'
import { replaceMethods } from './methods.ts'
import type { Attempt, OnSighting } from './sighting.ts'

/** The callback of the logic that a task machine is given for its attempts. */
type Callback = (given: {
  readonly input: { readonly node: NodeId; readonly request: InferRequest }
  readonly sendBack: (event: AttemptEvent) => void
}) => (() => void) | undefined

/** The tree with another attempt for its tasks: `change` is given the one that it has. */
export function withAttempt(init: TreeInit, change: (attempt: Callback) => Callback): TreeInit {
  const task = init.scheduler.input.task as typeof taskMachine
  const { config } = task.implementations.actors.attempt as unknown as { readonly config: Callback }
  const logic = task.provide({ actors: { attempt: fromCallback(change(config) as never) } } as never)
  return { ...init, scheduler: { ...init.scheduler, input: { ...init.scheduler.input, task: logic } } }
}

/** The tree with attempts that are looked at; their responses are looked at too. */
export function lookAtAttempts(init: TreeInit, responses: Responses, onSighting: OnSighting): TreeInit {
  const get = responses.get.bind(responses)
  const end = responses.end.bind(responses)
  replaceMethods(responses, {
    end: (id, frame) => {
      onSighting({ kind: 'responseEnded', id, frame })
      end(id, frame)
    },
  })
  return withAttempt(init, (begin) => (given) => {
    const { node, request } = given.input
    const attempt: Attempt = { id: request.id, node, left: false }
    onSighting({ kind: 'attemptBegan', attempt })
    replaceMethods(responses, {
      get: (id) => {
        const response = get(id)
        return response === undefined
          ? undefined
          : (new SightedSink(response, attempt, onSighting) as unknown as Response)
      },
    })
    const leave = begin({
      ...given,
      sendBack: (event) => {
        onSighting({ kind: 'attemptTold', attempt, event })
        given.sendBack(event)
      },
    })
    replaceMethods(responses, { get })
    return () => {
      attempt.left = true
      onSighting({ kind: 'attemptLeft', attempt })
      leave?.()
    }
  })
}

/** A response as one attempt has it. */
class SightedSink implements AttemptSink {
  readonly #response: Response
  readonly #attempt: Attempt
  readonly #onSighting: OnSighting

  constructor(response: Response, attempt: Attempt, onSighting: OnSighting) {
    this.#response = response
    this.#attempt = attempt
    this.#onSighting = onSighting
  }

  get nextIndex() {
    return this.#response.nextIndex
  }

  get resume() {
    return this.#response.resume
  }

  acceptedBy(node: NodeId): void {
    this.#onSighting({ kind: 'carried', attempt: this.#attempt, what: 'accept' })
    this.#response.acceptedBy(node)
  }

  push(frame: InferFrame): boolean {
    this.#onSighting({ kind: 'carried', attempt: this.#attempt, what: frame })
    return this.#response.push(frame)
  }

  drained(): Promise<void> {
    return this.#response.drained()
  }
}
