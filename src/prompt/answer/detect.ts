/** Which format a model writes in: told from its Jinja template's text, or from the name of Ollama's parser for it. */
import type { CallFormatName } from './formats.ts'
import type { ThinkingTags } from './thinking.ts'

/** How a model marks what is no answer; `calls` is absent where it never calls tools. */
export interface AnswerStyle {
  readonly calls?: CallFormatName
  /** Absent where it does not think, and where its messages say so (`tellsThoughts`). */
  readonly thinking?: ThinkingTags
}

/** The first row all of whose words stand in the template wins: the special before the general. */
const callSigns: readonly (readonly [format: CallFormatName, ...words: string[]])[] = [
  ['harmony', '<|channel|>', '<|message|>'],
  ['glimmer', '<atem:function_calls>'],
  ['deepseek', '<｜tool▁calls▁begin｜>'],
  ['deepseek', '<｜tool▁call▁begin｜>'],
  ['cohere', '<|START_ACTION|>'],
  ['toolCall', '<|tool_call|>'],
  ['toolCall', '<|tool|>', '<|/tool|>'],
  ['glm', '<arg_key>'],
  ['seed', '<seed:tool_call>'],
  ['minimax', '<minimax:tool_call>'],
  ['qwen', '<function=', '<parameter='],
  ['kimi', '<|tool_call_begin|>'],
  ['gemma', '<|tool_call>'],
  ['functionGemma', '<start_function_call>'],
  ['lfm', '<|tool_call_start|>'],
  ['lfm', '<|tool_list_start|>'],
  ['olmo', '<function_calls>'],
  ['nemotron', '<TOOLCALL>'],
  ['apertus', '<|tools_prefix|>'],
  ['mistral', '[TOOL_CALLS]'],
  ['hermes', '<tool_call>'],
  ['functionary', '>>>all'],
  ['functools', 'functools['],
  ['functionTag', '<function='],
  ['llama', '<|start_header_id|>ipython'],
  ['llama', '<|python_tag|>'],
]

const think: ThinkingTags = { open: '<think>', close: '</think>' }
const mistralThink: ThinkingTags = { open: '[THINK]', close: '[/THINK]' }
const cohereThink: ThinkingTags = { open: '<|START_THINKING|>', close: '<|END_THINKING|>' }
/** What follows `thought` is a line break, which is eaten as all white space after an opening tag. */
const gemmaThink: ThinkingTags = { open: '<|channel>thought', close: '<channel|>' }

/** A tag that only this kind of thinking has, and the tags it means. */
const thinkingSigns: readonly (readonly [sign: string, tags: ThinkingTags])[] = [
  ['[THINK]', mistralThink],
  ['<|START_THINKING|>', cohereThink],
  ['<seed:think>', { open: '<seed:think>', close: '</seed:think>' }],
  ['<|inner_prefix|>', { open: '<|inner_prefix|>', close: '<|inner_suffix|>' }],
  ['<|channel>', gemmaThink],
  ['</think>', think],
  ['<think>', think],
]

/** @returns `json` for a template that names no format: calls are then JSON as the answer's first word */
export function callFormatOf(template: string): CallFormatName {
  const sign = callSigns.find(([, ...words]) => words.every((word) => template.includes(word)))
  return sign?.[0] ?? 'json'
}

/** @returns undefined for a template that knows no thoughts, or tells them by messages */
export function thinkingTagsOf(template: string): ThinkingTags | undefined {
  return thinkingSigns.find(([sign]) => template.includes(sign))?.[1]
}

/** Ollama's names; those with thoughts of their own take the same tags whether they think by default or not. */
const parsers: ReadonlyMap<string, AnswerStyle> = new Map<string, AnswerStyle>([
  ['passthrough', {}],
  ['qwen3', { calls: 'hermes' }],
  ['qwen3-thinking', { calls: 'hermes', thinking: think }],
  ['qwen3-coder', { calls: 'qwen' }],
  ['qwen3-vl-instruct', { calls: 'hermes' }],
  ['qwen3-vl-thinking', { calls: 'hermes', thinking: think }],
  ['qwen3.5', { calls: 'qwen', thinking: think }],
  ['qwen3.8', { calls: 'qwen', thinking: think }],
  ['ornith', { calls: 'qwen', thinking: think }],
  ['nemotron-3-nano', { calls: 'qwen', thinking: think }],
  ['nemotron-3.5-nano', { calls: 'qwen', thinking: think }],
  ['ministral', { calls: 'mistral', thinking: mistralThink }],
  ['harmony', { calls: 'harmony' }],
  ['glimmer', { calls: 'glimmer' }],
  ['cogito', { calls: 'deepseek', thinking: think }],
  ['deepseek3', { calls: 'deepseek', thinking: think }],
  ['deepseek3.1', { calls: 'deepseek', thinking: think }],
  ['olmo3', { calls: 'olmo' }],
  ['olmo3-think', { calls: 'olmo', thinking: think }],
  ['functiongemma', { calls: 'functionGemma' }],
  ['gemma4', { calls: 'gemma', thinking: gemmaThink }],
  ['glm-4.6', { calls: 'glm', thinking: think }],
  ['glm-4.7', { calls: 'glm', thinking: think }],
  ['glm-ocr', { calls: 'glm', thinking: think }],
  ['laguna', { calls: 'glm', thinking: think }],
  ['poolside-v1', { calls: 'glm', thinking: think }],
  ['lfm2', { calls: 'lfm' }],
  ['lfm2-thinking', { calls: 'lfm', thinking: think }],
  ['cohere', { calls: 'cohere', thinking: cohereThink }],
])

/** Formats whose messages say themselves which of them are thoughts. */
const withThoughts: ReadonlySet<string> = new Set<CallFormatName>(['harmony', 'glimmer'])

export function tellsThoughts(calls: unknown): boolean {
  return typeof calls === 'string' && withThoughts.has(calls)
}

/** @returns undefined for a name that Ollama has and this table has not: the template then tells the style */
export function styleOfParser(name: string): AnswerStyle | undefined {
  return parsers.get(name)
}
