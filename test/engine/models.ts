import { fileURLToPath } from 'node:url'
import type { ModelFile } from '../../actors/model-catalog.ts'

/** The test model, as the store would describe it. */
export const tiny: ModelFile = {
  digest: 'd',
  name: 'omx-tiny:latest',
  path: fileURLToPath(new URL('../../models/omx-tiny.gguf', import.meta.url)),
  sizeBytes: 1_669_600,
  parameters: {},
}
