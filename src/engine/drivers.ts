/** The drivers by name, and what they need to know about the host. */
import os from 'node:os'
import type { Driver } from './driver.ts'
import { LlamaDriver, type LlamaDriverOptions } from './llama/driver.ts'
import { SimDriver, type SimOptions } from './sim.ts'

export interface DriverOptions {
  readonly llama?: LlamaDriverOptions
  readonly sim?: SimOptions
}

export function createDriver(name: 'llama' | 'sim', options: DriverOptions = {}): Driver {
  return name === 'sim' ? new SimDriver(options.sim) : new LlamaDriver(options.llama)
}

/**
 * Compute threads for this host: one core stays with Node. Threads spin while they wait for each other, so that one too
 * many costs far more than one too few.
 */
export function defaultThreads(): number {
  return Math.max(1, os.availableParallelism() - 1)
}
