/** Fault scripts as data: what happens to whom and when. fast-check makes them and shrinks the ones that fail. */
import fc from 'fast-check'
import type { NodeId } from '../../protocols/ref.ts'

export const nodeNames: readonly NodeId[] = ['a', 'b', 'c', 'd', 'e']

/** Faults begin within this; what they last may end later, unless the end of the faults comes first. */
const faultsMs = 18_000

/** When a majority is healed: what was under way has a moment more. */
export const healMs = faultsMs + 2000

/** Children of the root that a script may crash. `engine`, `task`, `peer` and `check` stand for whichever is there. */
export const crashable = [
  'reporter',
  'network',
  'membership',
  'peers',
  'prober',
  'models',
  'worker',
  'engines',
  'health',
  'scheduler',
  'tasks',
  'ollama-api',
  'inspector',
  'engine',
  'task',
  'peer',
  'check',
] as const

/** Those with the usual mailbox: filling a larger one would only take longer. */
const floodable = ['reporter', 'models', 'health', 'ollama-api', 'network'] as const

/** What is sent as garbage is at most this long. */
export const maxGarbageBytes = 24

interface At {
  readonly atMs: number
  readonly node: NodeId
}

interface Between extends At {
  readonly other: NodeId
}

export type Command =
  | (At & {
      readonly kind: 'request'
      /** `m` and `n` are held by some nodes, `x` by none. */
      readonly model: 'm' | 'n' | 'x'
      readonly words: number
      readonly client: 'reads' | 'leaves' | 'dawdles' | 'hurries'
      /** When it leaves, how long it takes over each batch, or its deadline. */
      readonly ms: number
    })
  /** Nothing passes between `left` and the others, or only towards them. */
  | {
      readonly kind: 'partition'
      readonly atMs: number
      readonly left: readonly NodeId[]
      readonly oneWay: boolean
      readonly forMs: number
    }
  | (Between & { readonly kind: 'hold'; readonly forMs: number })
  | (Between & { readonly kind: 'slowLink'; readonly byMs: number; readonly forMs: number })
  | (Between & { readonly kind: 'cut' })
  | (Between & { readonly kind: 'halfOpen' })
  | (Between & {
      readonly kind: 'flaky'
      readonly loss: number
      readonly duplication: number
      readonly reordering: number
      readonly forMs: number
    })
  /** More than an outbox holds, for somebody who reads nothing of it; then the connections break. */
  | (Between & { readonly kind: 'gush'; readonly forMs: number })
  | (Between & { readonly kind: 'garbage'; readonly bytes: readonly number[] })
  /** The process dies and starts again after `forMs`; with the whole host, nobody is told. */
  | (At & { readonly kind: 'crash'; readonly wholeHost: boolean; readonly forMs: number })
  | (At & { readonly kind: 'leave'; readonly drainMs: number; readonly forMs: number })
  | (At & { readonly kind: 'pause'; readonly forMs: number })
  | (At & { readonly kind: 'slowNode'; readonly costMs: number; readonly forMs: number })
  /** Answers everything but health checks. */
  | (At & { readonly kind: 'unwell'; readonly forMs: number })
  | (At & { readonly kind: 'clockJump'; readonly byMs: number })
  | (At & { readonly kind: 'actorCrash'; readonly actor: (typeof crashable)[number]; readonly times: number })
  /** Many ask at once. */
  | (At & { readonly kind: 'crowd'; readonly model: 'm' | 'n'; readonly clients: number })
  | (At & { readonly kind: 'flood'; readonly actor: (typeof floodable)[number] })
  | (At & {
      readonly kind: 'engine'
      readonly fault: 'stall' | 'crash' | 'refuse' | 'loadFails'
      readonly forMs: number
    })
  /** `m2` is a newer version of `m`, under the same name. */
  | (At & { readonly kind: 'import'; readonly model: 'm' | 'n' | 'm2' })
  | (At & { readonly kind: 'remove'; readonly model: 'm' | 'n' })

export type Script = readonly Command[]

const atMs = fc.integer({ min: 0, max: faultsMs })
const node = fc.constantFrom(...nodeNames)
const forMs = (max: number) => fc.integer({ min: 10, max })
const at = { atMs, node }
/** The first health checks come in the second second, the next half a minute later. */
const beforeChecksMs = fc.integer({ min: 0, max: 1300 })
const chance = fc.integer({ min: 0, max: 30 }).map((percent) => percent / 100)
const as = <K extends Command['kind']>(kind: K) => fc.constant(kind)

/** Two different nodes. */
const pair = fc
  .tuple(fc.nat({ max: nodeNames.length - 1 }), fc.nat({ max: nodeNames.length - 2 }))
  .map(([first, second]) => ({
    node: nodeNames[first] as NodeId,
    other: nodeNames[second < first ? second : second + 1] as NodeId,
  }))

const between = <T extends object>(rest: fc.Arbitrary<T>) =>
  fc.tuple(atMs, pair, rest).map(([when, nodes, more]) => ({ atMs: when, ...nodes, ...more }))

/** One node alone, a minority, or any division at all. */
const left = fc.oneof(
  node.map((one) => [one]),
  fc.shuffledSubarray([...nodeNames], { minLength: 2, maxLength: 2 }),
  fc.shuffledSubarray([...nodeNames], { minLength: 1, maxLength: nodeNames.length - 1 }),
)

const request = fc.record({
  ...at,
  kind: as('request'),
  model: fc.constantFrom('m' as const, 'm' as const, 'm' as const, 'n' as const, 'n' as const, 'x' as const),
  words: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 20, max: 120 })),
  client: fc.constantFrom(
    'reads' as const,
    'reads' as const,
    'reads' as const,
    'leaves' as const,
    'dawdles' as const,
    'hurries' as const,
  ),
  ms: fc.integer({ min: 1, max: 2500 }),
})

const weighted: fc.WeightedArbitrary<Command>[] = [
  { weight: 30, arbitrary: request },
  { weight: 5, arbitrary: fc.record({ atMs, kind: as('partition'), left, oneWay: fc.boolean(), forMs: forMs(9000) }) },
  { weight: 4, arbitrary: between(fc.record({ kind: as('hold'), forMs: forMs(7000) })) },
  { weight: 3, arbitrary: between(fc.record({ kind: as('slowLink'), byMs: forMs(800), forMs: forMs(6000) })) },
  { weight: 5, arbitrary: between(fc.record({ kind: as('cut') })) },
  { weight: 3, arbitrary: between(fc.record({ kind: as('halfOpen') })) },
  {
    weight: 4,
    arbitrary: between(
      fc.record({ kind: as('flaky'), loss: chance, duplication: chance, reordering: chance, forMs: forMs(8000) }),
    ),
  },
  {
    weight: 2,
    arbitrary: between(
      fc.record({ kind: as('garbage'), bytes: fc.array(fc.nat(255), { maxLength: maxGarbageBytes }) }),
    ),
  },
  { weight: 1, arbitrary: between(fc.record({ kind: as('gush'), forMs: forMs(2000) })) },
  { weight: 6, arbitrary: fc.record({ ...at, kind: as('crash'), wholeHost: fc.boolean(), forMs: forMs(8000) }) },
  {
    weight: 2,
    arbitrary: fc.record({ ...at, kind: as('leave'), drainMs: fc.constantFrom(0, 500, 3000), forMs: forMs(5000) }),
  },
  { weight: 5, arbitrary: fc.record({ ...at, kind: as('pause'), forMs: forMs(9000) }) },
  {
    weight: 2,
    arbitrary: fc.record({ ...at, kind: as('slowNode'), costMs: fc.integer({ min: 1, max: 12 }), forMs: forMs(4000) }),
  },
  { weight: 2, arbitrary: fc.record({ node, atMs: beforeChecksMs, kind: as('unwell'), forMs: forMs(faultsMs) }) },
  {
    weight: 3,
    arbitrary: fc.record({ ...at, kind: as('clockJump'), byMs: fc.integer({ min: -100_000, max: 100_000 }) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      ...at,
      kind: as('actorCrash'),
      actor: fc.constantFrom(...crashable),
      times: fc.constantFrom(1, 1, 1, 1, 1, 1, 1, 7),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      ...at,
      kind: as('crowd'),
      model: fc.constantFrom('m' as const, 'n' as const),
      clients: fc.integer({ min: 10, max: 50 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ ...at, kind: as('flood'), actor: fc.constantFrom(...floodable) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      ...at,
      kind: as('engine'),
      fault: fc.constantFrom(
        'stall' as const,
        'crash' as const,
        'crash' as const,
        'refuse' as const,
        'loadFails' as const,
      ),
      forMs: forMs(4000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      ...at,
      kind: as('import'),
      model: fc.constantFrom('m' as const, 'n' as const, 'm2' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ ...at, kind: as('remove'), model: fc.constantFrom('m' as const, 'n' as const) }),
  },
]

const maxCommands = 30

/** Unbiased: a script is to be full of faults, not to begin with the simplest one; shrinking finds that. */
export const scripts: fc.Arbitrary<Script> = fc.noBias(
  fc.array(fc.oneof(...weighted), { maxLength: maxCommands, size: 'max' }),
)

/** A script's commands in the order of their time; equal times keep theirs. */
export const inOrder = (script: Script): Script => script.toSorted((a, b) => a.atMs - b.atMs)
