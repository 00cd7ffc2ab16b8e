/** Imports a source that never ends, so that a test can kill the process in the middle. Argument: the folder. */
import { openCatalog } from '../../src/store/catalog.ts'

async function* endless(): AsyncIterable<Uint8Array> {
  yield Buffer.concat([Buffer.from('GGUF'), Buffer.alloc(500_000)])
  process.stdout.write('copying\n')
  await new Promise<void>(() => setInterval(() => {}, 1_000))
}

const [folder = ''] = process.argv.slice(2)
const catalog = await openCatalog(folder)
await catalog.importGguf('killed', endless())
