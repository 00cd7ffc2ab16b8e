/** The models that our own nodes are given, one for each kind that a row may need. */
import { ggufBytes, stockTiny, writeStockModel } from '../store/fixtures.ts'

const library = 'registry.ollama.ai/library'

/** What `stocked` is made of; the rows about `/api/show` name the same texts. */
const stocked = [
  { kind: 'template', content: '{{ .System }} | {{ .Prompt }} | {{ .Response }}' },
  { kind: 'system', content: 'You are a lighthouse.' },
  { kind: 'params', content: '{"stop":["<end>","<|im_end|>"],"temperature":0.5,"num_ctx":256}' },
  { kind: 'messages', content: '[{"role":"user","content":"Who?"},{"role":"assistant","content":"I."}]' },
  { kind: 'license', content: 'First licence' },
  { kind: 'license', content: 'Second licence' },
]

const toolsTemplate = [
  '{{ if .Tools }}tools: {{ .Tools }}\n{{ end }}',
  '{{ range .Messages }}{{ .Role }}: {{ .Content }}',
  '{{ if .ToolCalls }}<call>{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}{{ end }}</call>{{ end }}',
  '\n{{ end }}assistant: ',
].join('')

const thinkingTemplate = [
  '{{ range $i, $_ := .Messages }}{{ .Role }}: ',
  '{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}\n{{ end }}',
  'assistant: {{ if and $.IsThinkSet (not $.Think) }}<think></think>{{ end }}',
].join('')

const insertTemplate = '{{ if .Suffix }}<pre>{{ .Prompt }}<suf>{{ .Suffix }}<mid>{{ else }}{{ .Prompt }}{{ end }}'

/** Files without weights: the sim engine takes anything for a model. */
const weightless = ['embedder', 'seer']

/** What a node with this engine is given, in the order in which they are taken where several would do. */
export function ownNames(engine: 'llama' | 'sim'): readonly string[] {
  return ['tiny', 'callers', 'thinker', 'filler', 'stocked', ...(engine === 'sim' ? weightless : [])]
}

/** Writes all but `tiny`, which a cluster's own folder has already. */
export async function writeOwnModels(folder: string, engine: 'llama' | 'sim'): Promise<void> {
  const tiny = await stockTiny()
  const template = (content: string) => [tiny, { kind: 'template', content }]
  await writeStockModel(folder, `${library}/callers/latest`, template(toolsTemplate))
  await writeStockModel(folder, `${library}/thinker/latest`, template(thinkingTemplate))
  await writeStockModel(folder, `${library}/filler/latest`, template(insertTemplate))
  await writeStockModel(folder, `${library}/stocked/latest`, [tiny, ...stocked])
  if (engine === 'llama') return
  await writeStockModel(folder, `${library}/embedder/latest`, [{ kind: 'model', content: embedder }])
  await writeStockModel(folder, `${library}/seer/latest`, [{ kind: 'model', content: seer }])
}

const common = { 'general.architecture': 'llama', 'llama.context_length': 512, 'llama.embedding_length': 32 }
const embedder = ggufBytes({ ...common, 'llama.pooling_type': 1 })
const seer = ggufBytes({ ...common, 'llama.vision.block_count': 2 })
