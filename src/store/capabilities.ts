/** What a model can do: what its file says, its templates, and the parser that its configuration names. */
import { styleOfParser } from '../prompt/answer/detect.ts'
import { createRenderer } from '../prompt/renderer.ts'
import type { GgufFacts } from './gguf.ts'
import { type Config, layersOf, type Manifest } from './manifest.ts'

export interface CapabilityFacts {
  readonly manifest: Manifest
  readonly config: Config
  readonly facts: GgufFacts
  /** The template layer. */
  readonly goTemplate: string | undefined
}

/** In Ollama's order: completion or embedding, then tools, insert, vision, thinking and audio. */
export function capabilitiesOf({ manifest, config, facts, goTemplate }: CapabilityFacts): readonly string[] {
  if (!facts.capabilities.includes('completion')) return facts.capabilities
  const { renderer, parser, model_family, model_families } = config
  const { chatTemplate } = facts
  const { capabilities } = createRenderer({
    families: [model_family ?? '', ...(model_families ?? [])],
    ...(renderer === undefined ? {} : { renderer }),
    ...(parser === undefined ? {} : { parser }),
    ...(goTemplate === undefined ? {} : { goTemplate }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    bosToken: '',
    eosToken: '',
    addsBos: false,
  })
  const style = parser === undefined ? undefined : styleOfParser(parser)
  const sees = facts.capabilities.includes('vision') || layersOf(manifest, 'projector').length > 0
  return [
    'completion',
    ...(capabilities.tools || style?.calls !== undefined ? ['tools'] : []),
    ...(capabilities.insert ? ['insert'] : []),
    ...(sees ? ['vision'] : []),
    ...(capabilities.thinking || style?.thinking !== undefined ? ['thinking'] : []),
    ...(facts.capabilities.includes('audio') ? ['audio'] : []),
  ]
}
