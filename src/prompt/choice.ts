/** Which of a model's templates renders its prompts, in the order in which Ollama looks. */
import type { JinjaFacts } from './jinja-renderer.ts'
import type { TemplateFacts } from './template-analysis.ts'

/** What is known of a model before any request. */
export interface ChoiceFacts {
  /** Names of Ollama's built-in renderer and parser, from the model's configuration. */
  readonly renderer?: string
  readonly parser?: string
  /** `model_family` and `model_families` of the configuration. */
  readonly families?: readonly string[]
  /** The template layer's text, and what it tells; absent where there is none, or it cannot be read. */
  readonly go?: { readonly source: string; readonly facts: TemplateFacts }
  /** Likewise of the GGUF's own chat template. */
  readonly jinja?: { readonly facts: JinjaFacts }
  /** `OLLAMA_GO_TEMPLATE`: true or false overrules what the templates can do. */
  readonly preferGo?: boolean
}

export interface Choice {
  readonly way: 'go' | 'jinja' | 'plain'
  /** The parser that the model's answers need, by Ollama's names; absent: what the template tells. */
  readonly parser?: string
  readonly why: string
  /** Prompts may differ from Ollama's. */
  readonly warning?: string
}

export function choose(facts: ChoiceFacts): Choice {
  if (facts.renderer !== undefined || facts.parser !== undefined) return chooseConfigured(facts)
  if (isHarmony(facts)) return { way: 'go', parser: 'harmony', why: 'the family gptoss with a harmony template' }
  const { go, jinja, preferGo } = facts
  if (go === undefined) {
    return jinja === undefined
      ? plain('the model has no template')
      : { way: 'jinja', why: 'the only template is the GGUF’s' }
  }
  if (jinja === undefined) return { way: 'go', why: 'the only template is the template layer' }
  if (preferGo !== undefined) return { way: preferGo ? 'go' : 'jinja', why: 'OLLAMA_GO_TEMPLATE says so' }
  return prefersJinja(go.facts, jinja.facts)
    ? { way: 'jinja', why: 'the GGUF’s template can do more than the template layer' }
    : { way: 'go', why: 'the model has a template layer' }
}

/** Ollama's built-in renderers are code of its own; the GGUF's template is the nearest to them. */
function chooseConfigured(facts: ChoiceFacts): Choice {
  const { renderer, parser, go, jinja } = facts
  const answers = parser === undefined ? {} : { parser }
  if (renderer === undefined && go !== undefined)
    return { way: 'go', ...answers, why: `the parser ${parser} with the template layer` }
  const name = renderer ?? parser
  const why = `the model asks for the built-in renderer ${name}`
  const warning = `${why}, which is not available here: prompts may differ from Ollama's`
  if (jinja !== undefined) return { way: 'jinja', ...answers, why, warning }
  return { way: go === undefined ? 'plain' : 'go', ...answers, why, warning }
}

function plain(why: string): Choice {
  return { way: 'plain', why }
}

function isHarmony({ families = [], go }: ChoiceFacts): boolean {
  const tagged = go?.source.includes('<|start|>') === true && go.source.includes('<|end|>')
  return tagged && families.some((family) => family === 'gptoss' || family === 'gpt-oss')
}

function prefersJinja(go: TemplateFacts, jinja: JinjaFacts): boolean {
  const ofGo = [go.tools, go.insert, go.thinking].filter(Boolean).length
  const ofJinja = [jinja.tools, jinja.thinking].filter(Boolean).length
  if (ofJinja > ofGo) return !go.toolRoundTrip || jinja.toolRoundTrip
  const same = ofJinja === ofGo && go.tools === jinja.tools && go.thinking === jinja.thinking && !go.insert
  return same && go.tools && jinja.toolRoundTrip && !go.toolRoundTrip
}
