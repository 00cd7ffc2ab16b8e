/** A LoRA adapter for the tiny model, made on the spot: of rank 1, and so strong that nothing is said as before. */
import { mulberry32 } from '../../src/engine/seeded-draw.ts'
import { type FloatTensor, ggufBytes } from '../store/fixtures.ts'

/** What it says of itself. */
export const loraValues = { 'general.architecture': 'llama', 'general.type': 'adapter', 'adapter.type': 'lora' }

/** Of the tiny model's `output.weight`. */
const inputs = 128
const outputs = 1024

/** Some logits grow or fall by dozens, far above what the model's own weights give. */
const strength = 4

/** Few of the outputs are much stronger than all others, so that what is said hangs on no rounding. */
const steepness = 31

/** The two halves for `output.weight`, of numbers that a seed gives. */
export function loraTensors(seed = 1): [FloatTensor, FloatTensor] {
  const draw = mulberry32(seed)
  const numbers = (length: number, power: number) =>
    Float32Array.from({ length }, () => strength * (2 * draw() - 1) ** power)
  return [
    { name: 'output.weight.lora_a', shape: [inputs, 1], data: numbers(inputs, 1) },
    { name: 'output.weight.lora_b', shape: [1, outputs], data: numbers(outputs, steepness) },
  ]
}

export const loraBytes = (seed = 1): Buffer => ggufBytes(loraValues, loraTensors(seed))
