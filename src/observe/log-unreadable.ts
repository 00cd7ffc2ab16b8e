/** Files of this node's models that others asked for and that could not be read, as log lines. */
import type { Logger } from 'pino'
import { sampler } from '../runtime/sampler.ts'
import type { World } from '../runtime/world.ts'

/** Of each file one line per this span: who asks for it tries again at once, and so do all others. */
const sampleMs = 10_000

const words = 'a model’s file cannot be read out: check who owns it and the disk, or pull its model again'

/** The error names the file's path and the cause. */
export function logUnreadable(log: Logger, world: Pick<World, 'monotonicMs'>): (digest: string, error: Error) => void {
  const sampled = sampler(sampleMs, () => world.monotonicMs())
  return (digest, { message }) => sampled(digest, (count) => log.warn({ digest, reason: message, count }, words))
}
