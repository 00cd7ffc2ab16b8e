/**
 * An actor's scope for one step of XState, after which nothing of the step is held. For each step XState assigns a function
 * to the scope's `actionExecutor`. V8 takes a function that is assigned to a property for a method, and keeps it where only
 * a full collection looks; through the step's actions and the executor before it, that one function keeps the context, the
 * actor and its whole system. Most actors are gone long before: here they go with the next collection of what is young.
 */

/** What XState is about to do, as it hands it to the executor. */
interface Action {
  readonly type: string
  info: { readonly self: Actor } | undefined
  params: unknown
  exec: unknown
}

/** As much of XState's actor as its actions need. */
interface Actor {
  readonly _actorScope: Scope
}

interface Scope {
  readonly actionExecutor: (action: Action) => void
}

/** Holds no actor: it finds it in the action. XState keeps a list of the actions, so each is emptied. */
const executeDetached = (action: Action): void => {
  const { type, info, params, exec } = action
  action.info = undefined
  action.params = undefined
  action.exec = undefined
  info?.self._actorScope.actionExecutor({ type, info, params, exec })
}

/** A copy of the scope: XState restores the executor of the one that it was given. */
export const detachedScope = <S extends object>(scope: S): S => ({ ...scope, actionExecutor: executeDetached })
