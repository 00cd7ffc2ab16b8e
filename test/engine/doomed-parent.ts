/** Loads the test model, prints its engine's process id and waits to be killed. */
import { createDriver } from '../../src/engine/drivers.ts'
import { tiny } from './models.ts'

const settings = { threads: 1, slots: 1, maxWaiting: 0, contextTokens: 256, prefillTokens: 64 }
const engine = await createDriver({ name: 'llama' }, { llama: { gpu: false } }).load(
  tiny,
  settings,
  new AbortController().signal,
)
process.stdout.write(String(engine.pid))
await engine.ended
