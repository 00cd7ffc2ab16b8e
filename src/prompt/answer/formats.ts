/** The ways in which models write calls, one row each. Only their markers and the reading of their bodies differ. */
import type { Calls, NamedCall } from './calls.ts'
import type { BlockFormat, CallFormat, JsonBlock, MessageFormat, MessageKind, TextBlock } from './format.ts'
import { readGemma, readPython } from './literal.ts'
import { type MarkupSyntax, readMarkup } from './markup.ts'

const qwenSyntax: MarkupSyntax = {
  call: '<function=',
  nameEnd: '>',
  callEnd: '</function>',
  key: '<parameter=',
  keyEnd: '>',
  value: '',
  valueEnd: '</parameter>',
}

const glmSyntax: MarkupSyntax = {
  call: '',
  nameEnd: '',
  callEnd: '',
  key: '<arg_key>',
  keyEnd: '</arg_key>',
  value: '<arg_value>',
  valueEnd: '</arg_value>',
}

const miniMaxSyntax: MarkupSyntax = {
  call: '<invoke name="',
  nameEnd: '">',
  callEnd: '</invoke>',
  key: '<parameter name="',
  keyEnd: '">',
  value: '',
  valueEnd: '</parameter>',
}

function blocks(...rows: (JsonBlock | TextBlock)[]): BlockFormat {
  return { kind: 'blocks', blocks: rows, silent: [] }
}

function json(open: string, ...close: string[]): JsonBlock {
  return { kind: 'json', open, close }
}

/** Several JSON values after one tag. */
function several(open: string, ...close: string[]): JsonBlock {
  return { kind: 'json', open, close, many: true }
}

/** JSON arguments after a head that names the tool. */
function named(head: RegExp, open: string, ...close: string[]): JsonBlock {
  return { kind: 'json', open, close, head }
}

function markup(syntax: MarkupSyntax, open: string, close: string): TextBlock {
  return { kind: 'text', open, close: [close], read: (body, calls) => readMarkup(body, syntax, calls) }
}

/** Text that is complete by itself, so that its closing tag may be missing. */
function code(read: (body: string, calls: Calls) => readonly NamedCall[] | undefined, open: string, close: string) {
  return { kind: 'text', open, close: [close], read, openEnded: true } as const
}

const hermes = several('<tool_call>', '</tool_call>')
const llamaClose = [',', ';', '<|eom_id|>', '<|eot_id|>']

const deepSeekHead =
  /^\s*(?:<｜tool▁call▁begin｜>)?\s*(?:function<｜tool▁sep｜>([^\n<]+)\n```json|([^\n<]+)<｜tool▁sep｜>)\s*$/
const deepSeekClose = ['```', '<｜tool▁call▁end｜>', '<｜tool▁calls▁end｜>', '<｜end▁of▁sentence｜>']

const kimiHead =
  /^\s*(?:<\|tool_call_begin\|>)?\s*(?:functions\.)?([^\s:<]+)(?::\d+)?\s*<\|tool_call_argument_begin\|>\s*$/
const kimiClose = ['<|tool_call_end|>', '<|tool_calls_section_end|>']

const harmony: MessageFormat = {
  kind: 'messages',
  starts: ['<|start|>', '<|channel|>'],
  headerEnd: '<|message|>',
  ends: ['<|end|>', '<|call|>', '<|return|>'],
  plausible: (header) => {
    const text = header.trimStart()
    const beginnings = ['<|start|>', '<|channel|>', '<|constrain|>', '<|message|>', 'to=', 'assistant']
    return beginnings.some((beginning) => beginning.startsWith(text) || text.startsWith(beginning))
  },
  read: (header): MessageKind => {
    const tool = /(?:^|\s|<\|\w+\|>|assistant)to=([^\s<]+)/.exec(header)?.[1]
    if (tool !== undefined) return { tool: tool.replace(/^functions\./, '') }
    return /<\|channel\|>\s*analysis\b/.test(header) ? 'thinking' : 'text'
  },
  known: false,
}

/** One invocation, within the tag that would hold several. */
const atemSyntax: MarkupSyntax = {
  call: '<atem:invoke name="',
  nameEnd: '">',
  callEnd: '</atem:invoke>',
  key: '<atem:parameter name="',
  keyEnd: '">',
  value: '',
  valueEnd: '</atem:parameter>',
}
const atemBody = /^\s*<atem:function_calls>(.*)<\/atem:function_calls>\s*$/s

/** A tool is also called by its own name twice, as a member of the namespace that its name begins with. */
function knownTool(name: string, calls: Calls): string | undefined {
  if (calls.knows(name)) return name
  const [namespace, tool] = name.split(/\.(.*)/s)
  return tool !== undefined && tool.split('.')[0] === namespace && calls.knows(tool) ? tool : undefined
}

const glimmer: MessageFormat = {
  kind: 'messages',
  starts: ['<|start|>'],
  headerEnd: '<|message|>',
  ends: ['<|eom|>', '<|eot|>'],
  plausible: (header) => {
    const text = header.trimStart()
    const beginnings = ['<|start|>', '<|message|>', 'to=', 'assistant']
    return beginnings.some((beginning) => beginning.startsWith(text) || text.startsWith(beginning))
  },
  read: (header, calls): MessageKind => {
    const recipient = /(?:^|\s|assistant)to=([^\s<]+)/.exec(header)?.[1] ?? ''
    const tool = knownTool(recipient, calls)
    if (tool !== undefined) return { tool }
    return recipient === 'self' ? 'thinking' : 'text'
  },
  readBody: (body, tool, calls) => {
    const [call, ...others] = readMarkup(atemBody.exec(body)?.[1] ?? '', atemSyntax, calls) ?? []
    return call !== undefined && others.length === 0 && knownTool(call.name, calls) === tool ? call.args : undefined
  },
  known: true,
}

const functionary: MessageFormat = {
  kind: 'messages',
  starts: ['>>>'],
  headerEnd: '\n',
  ends: [],
  plausible: (header) => /^(?:>{0,2}|(?:>>>)?[\w.-]{0,64}\n?)$/.test(header),
  read: (header) => {
    const recipient = header.replace('>>>', '')
    return recipient === 'all' ? 'text' : { tool: recipient }
  },
  known: true,
}

export const callFormats = {
  /** Hermes 2 and 3, Qwen 2.5 and 3, Granite 4. */
  hermes: blocks(hermes),
  /** Qwen3-Coder, Qwen 3.5, Nemotron 3; the outer tag is often forgotten. */
  qwen: blocks(markup(qwenSyntax, '<tool_call>', '</tool_call>'), {
    ...markup(qwenSyntax, '<function=', '</function>'),
    close: ['</function>', '</tool_call>'],
    inclusive: true,
  }),
  seed: blocks(markup(qwenSyntax, '<seed:tool_call>', '</seed:tool_call>')),
  minimax: blocks(markup(miniMaxSyntax, '<minimax:tool_call>', '</minimax:tool_call>')),
  /** GLM 4.5 and later, Laguna. */
  glm: blocks(markup(glmSyntax, '<tool_call>', '</tool_call>')),
  /** Llama 3.1 and later. */
  llama: blocks(several('<|python_tag|>', ...llamaClose), several('', ...llamaClose)),
  /** Templates that name no format: what Ollama falls back to. */
  json: blocks(several('', ',', ';')),
  mistral: blocks(named(/^\s*([^\s[\]]+)\s*(?:\[CALL_ID\]\w*)?\s*(?:\[ARGS\])?\s*$/, '[TOOL_CALLS]')),
  /** DeepSeek V3 and R1, with and without a code fence; Cogito 2. */
  deepseek: blocks(
    named(deepSeekHead, '<｜tool▁calls▁begin｜>', ...deepSeekClose),
    named(deepSeekHead, '<｜tool▁call▁begin｜>', ...deepSeekClose),
  ),
  kimi: blocks(
    named(kimiHead, '<|tool_calls_section_begin|>', ...kimiClose),
    named(kimiHead, '<|tool_call_begin|>', ...kimiClose),
  ),
  /** Command R7B, Command A. */
  cohere: {
    ...blocks(json('<|START_ACTION|>', '<|END_ACTION|>')),
    silent: ['<|START_RESPONSE|>', '<|END_RESPONSE|>', '<|START_TEXT|>', '<|END_TEXT|>', '<|END_OF_TURN_TOKEN|>'],
  },
  /** Granite 3, Phi-4-mini. */
  toolCall: blocks(json('<|tool_call|>', '<|/tool_call|>', '</tool_call>'), hermes),
  /** Phi-4 and Firefunction. */
  functools: blocks(json('functools')),
  /** Nemotron Nano 2. */
  nemotron: blocks(json('<TOOLCALL>', '</TOOLCALL>')),
  apertus: blocks(json('<|tools_prefix|>', '<|tools_suffix|>')),
  /** Functionary 3.1, on Llama. */
  functionTag: blocks(named(/^([^>{\s]+)>\s*$/, '<function=', '</function>')),
  lfm: blocks(code(readPython, '<|tool_call_start|>', '<|tool_call_end|>')),
  olmo: blocks(code(readPython, '<function_calls>', '</function_calls>')),
  functionGemma: blocks(code((body) => readGemma(body, '<escape>'), '<start_function_call>', '<end_function_call>')),
  gemma: blocks(code((body) => readGemma(body, '<|"|>'), '<|tool_call>', '<tool_call|>')),
  harmony,
  glimmer,
  /** Functionary 3.2. */
  functionary,
} as const satisfies Readonly<Record<string, CallFormat>>

export type CallFormatName = keyof typeof callFormats
