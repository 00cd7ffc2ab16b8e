/** What a new model gets beside its file: the Go template that renders what the file's own does, and its stop strings. */
import { detectTemplate } from '../prompt/detect-template.ts'
import type { Creation, DraftLayer, Parts } from './creation.ts'
import { readChatTemplate } from './gguf.ts'
import { blobPath } from './layout.ts'
import { layersOf, textLayer } from './manifest.ts'

/** The parts as they are where the request brings a template, or none is known. Throws a StoreError. */
export async function withKnownTemplate({ layout, request }: Creation, parts: Parts): Promise<Parts> {
  const [model] = layersOf(parts, 'model') as readonly DraftLayer[]
  if (request.template || model === undefined) return parts
  const chat = await readChatTemplate(model.staged?.path ?? blobPath(layout, model.digest))
  const known = chat && detectTemplate(chat)
  if (known === undefined) return parts
  return {
    ...parts,
    layers: [
      ...parts.layers,
      { ...textLayer('template', known.source), status: `using autodetected template ${known.name}` },
    ],
    parameters: { ...parts.parameters, stop: known.stop },
  }
}
