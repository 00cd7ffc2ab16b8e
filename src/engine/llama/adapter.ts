/** Whether a LoRA adapter was made for a model: llama.cpp refuses one that was not, but says no reason to its caller. */
import type { GgufHeader, Tensor } from '../../gguf/header.ts'

/** Endings of the two halves of what an adapter adds to one tensor of the model. */
const halves = ['.lora_a', '.lora_b'] as const

/** llama.cpp passes over what an adapter says of these. */
const ignored = '_norm.weight'

/** @returns why the adapter cannot be applied to the model, as a clause; undefined when it can */
export function mismatchOf(adapter: GgufHeader, model: GgufHeader): string | undefined {
  const { 'general.type': kind, 'adapter.type': type, 'general.architecture': architecture } = adapter.values
  if (kind !== 'adapter') return `the file is a ${kind ?? 'model'}, not an adapter`
  if (type !== 'lora') return `it is an adapter of type ${type ?? 'unknown'}, where only lora can be applied`
  const own = model.values['general.architecture']
  if (architecture !== own) return `it was made for the architecture ${architecture}, and the model is ${own}`
  const targets = new Map(model.tensors.map((tensor) => [tensor.name, tensor]))
  for (const [name, pair] of pairsOf(adapter.tensors)) {
    const mismatch = pairMismatch(name, pair, targets.get(name))
    if (mismatch !== undefined) return mismatch
  }
  return undefined
}

/** The two halves, each absent where the adapter has none. */
type Pair = Partial<Record<(typeof halves)[number], Tensor>>

/** By the name of the model's tensor; '' half: what is no half of a pair. */
function pairsOf(tensors: readonly Tensor[]): ReadonlyMap<string, Pair> {
  const pairs = new Map<string, Pair>()
  for (const tensor of tensors) {
    const half = halves.find((ending) => tensor.name.endsWith(ending))
    if (half === undefined && tensor.name.endsWith(ignored)) continue
    const name = half === undefined ? tensor.name : tensor.name.slice(0, -half.length)
    pairs.set(name, { ...pairs.get(name), ...(half === undefined ? {} : { [half]: tensor }) })
  }
  return pairs
}

function pairMismatch(name: string, pair: Pair, target: Tensor | undefined): string | undefined {
  const { '.lora_a': down, '.lora_b': up } = pair
  if (down === undefined || up === undefined) return `it is damaged: ${name} is no pair of lora_a and lora_b`
  if (target === undefined) return `it changes ${name}, which the model does not have`
  const [inputs, outputs] = target.shape
  // What is looked up by token lies the other way around.
  const isLookup = name.endsWith('token_embd.weight')
  const fits = isLookup
    ? up.shape[1] === inputs && down.shape[1] === outputs
    : down.shape[0] === inputs && up.shape[1] === outputs && down.shape[1] === up.shape[0]
  if (fits) return undefined
  const shapes = `${down.shape.join(' x ')} and ${up.shape.join(' x ')}`
  return `its ${shapes} for ${name} do not fit the model's ${target.shape.join(' x ')}`
}
