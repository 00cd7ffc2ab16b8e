/** What a model can do: what its file says, its templates, and the parser that its configuration names. */
import { styleOfParser } from '../prompt/answer/detect.ts'
import { createRenderer, type Renderer } from '../prompt/renderer.ts'
import type { GgufFacts } from './gguf.ts'
import { type Config, layersOf, type Manifest } from './manifest.ts'

/** Of a model that has none. */
const bareTemplate = '{{ .Prompt }}'

export interface CapabilityFacts {
  readonly manifest: Manifest
  readonly config: Config
  readonly facts: GgufFacts
  /** The template layer. */
  readonly goTemplate: string | undefined
}

/** What renders the model's prompts. */
function rendererOf({ config, facts, goTemplate }: Omit<CapabilityFacts, 'manifest'>): Renderer {
  const { renderer, parser, model_family, model_families } = config
  const { chatTemplate } = facts
  return createRenderer({
    families: [model_family ?? '', ...(model_families ?? [])],
    ...(renderer === undefined ? {} : { renderer }),
    ...(parser === undefined ? {} : { parser }),
    ...(goTemplate === undefined ? {} : { goTemplate }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    bosToken: '',
    eosToken: '',
    addsBos: false,
  })
}

/** The template that `/api/show` shows: the one that renders, else Ollama's own for models without any. */
export function shownTemplate(model: Omit<CapabilityFacts, 'manifest'>): string {
  const { chatTemplate } = model.facts
  const { way } = rendererOf(model).choice
  return (way === 'jinja' ? chatTemplate : model.goTemplate) ?? chatTemplate ?? bareTemplate
}

/** In Ollama's order: completion or embedding, then tools, insert, vision, thinking and audio. */
export function capabilitiesOf({ manifest, ...model }: CapabilityFacts): readonly string[] {
  const { config, facts } = model
  if (!facts.capabilities.includes('completion')) return facts.capabilities
  const { capabilities } = rendererOf(model)
  const { parser } = config
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
