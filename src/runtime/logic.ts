/**
 * The only door to XState: everything the project uses of it, named in one file, so that a new major version is one
 * file's work. Machines import from here.
 */
export {
  type AnyActor,
  type AnyActorLogic,
  assign,
  createActor,
  fromCallback,
  fromPromise,
  fromTransition,
  setup,
} from 'xstate'

/** For every machine: an endless loop of eventless transitions is a crash, where XState's default is to loop for ever. */
export const machineOptions = { maxIterations: 1000 } as const
