/** A LoRA adapter for the tiny model, made on the spot: of rank 1, and so strong that nothing is said as before. */
import { mulberry32 } from '../../src/engine/seeded-draw.ts'
import { type FloatTensor, ggufBytes } from '../store/fixtures.ts'

/** What it says of itself. */
export const loraValues = { 'general.architecture': 'llama', 'general.type': 'adapter', 'adapter.type': 'lora' }

/** Of the tiny model's `output.weight`. */
const inputs = 128
const outputs = 1024

/** Far above the model's own weights. */
const strength = 8

/** The two halves for `output.weight`, of numbers that a seed gives. */
export function loraTensors(seed = 1): [FloatTensor, FloatTensor] {
  const draw = mulberry32(seed)
  const numbers = (length: number) => Float32Array.from({ length }, () => (draw() - 0.5) * strength)
  return [
    { name: 'output.weight.lora_a', shape: [inputs, 1], data: numbers(inputs) },
    { name: 'output.weight.lora_b', shape: [1, outputs], data: numbers(outputs) },
  ]
}

export const loraBytes = (seed = 1): Buffer => ggufBytes(loraValues, loraTensors(seed))
