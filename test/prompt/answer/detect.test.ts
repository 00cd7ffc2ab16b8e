import { describe, expect, it } from 'vitest'
import { callFormatOf, styleOfParser, thinkingTagsOf } from '../../../src/prompt/answer/detect.ts'

/** The parts of real templates that tell them apart. */
const templates: readonly (readonly [format: string, template: string])[] = [
  ['harmony', `{{- "<|start|>assistant<|channel|>analysis<|message|>" + message.thinking + "<|end|>" }}`],
  ['glimmer', `{{- "<|start|>assistant to=" + name + "<|message|><atem:function_calls>" }}`],
  ['deepseek', `{{'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>'}}`],
  ['cohere', `<|END_THINKING|><|START_ACTION|>[ {"tool_call_id": "0", "tool_name": name, "parameters": {}} ]`],
  ['toolCall', `{{- '<|tool_call|>' + message.tool_calls|tojson }} {# or <tool_call> #}`],
  ['toolCall', `{{ '<|system|>' + message['content'] + '<|tool|>' + message['tools'] + '<|/tool|>' }}`],
  ['glm', `{{ '\\n<tool_call>' + tc.name }}<arg_key>{{ k }}</arg_key>\\n<arg_value>{{ v }}</arg_value>`],
  ['seed', `<seed:tool_call>\\n<function={{ name }}>\\n<parameter={{ key }}>`],
  ['minimax', `{%- set toolcall_begin_token = '<minimax:tool_call>' -%}<invoke name="`],
  ['qwen', `<tool_call>\\n<function=example_function_name>\\n<parameter=example_parameter_1>\\nvalue_1`],
  ['kimi', `<|tool_calls_section_begin|>{%- for t in calls -%}<|tool_call_begin|>{{ t.id }}`],
  ['gemma', `{{- '<|tool_call>call:' + function['name'] + '{' -}}`],
  ['functionGemma', `{{- '<start_function_call>call:' + function['name'] + '{' -}}`],
  ['lfm', `{%- set ns.system_prompt = "List of tools: <|tool_list_start|>[" -%}`],
  ['olmo', `{{ '<function_calls>' + message['function_calls'] + '</function_calls>' }}`],
  ['nemotron', `{{- '<TOOLCALL>[' -}}`],
  ['apertus', `{{- '<|tools_prefix|>[' -}}`],
  ['mistral', `{{- "[TOOL_CALLS] [" }}`],
  ['hermes', `{{- '<tool_call>\\n{"name": "' }}{{- tool_call.name }}`],
  ['functionary', `{{ '>>>all\\n' + message['content'] }}`],
  ['functools', `{{ ' functools[' }}`],
  [
    'functionTag',
    `{{ '<function=' + name + '>' + arguments + '</function>' }}<|start_header_id|>ipython<|end_header_id|>`,
  ],
  ['llama', `{{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}`],
  ['json', `{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}`],
]

describe('how a model writes', () => {
  it('is told from its template', () => {
    expect(templates.map(([, template]) => callFormatOf(template))).toEqual(templates.map(([format]) => format))
  })

  it('is told from its template for thoughts too', () => {
    const opens = [
      '[THINK]a[/THINK]',
      '<|START_THINKING|>',
      '<seed:think>',
      '<|inner_prefix|>',
      `split('</think>')`,
    ].map((template) => thinkingTagsOf(template)?.open)
    expect(opens).toEqual(['[THINK]', '<|START_THINKING|>', '<seed:think>', '<|inner_prefix|>', '<think>'])
    expect(thinkingTagsOf('<|channel>thought\n')).toEqual({ open: '<|channel>thought', close: '<channel|>' })
    expect(thinkingTagsOf('<|start|>assistant<|channel|>analysis<|message|>')).toBeUndefined()
  })

  it('is told from the name of a parser that Ollama has', () => {
    expect(styleOfParser('qwen3-coder')).toEqual({ calls: 'qwen' })
    expect(styleOfParser('harmony')).toEqual({ calls: 'harmony' })
    expect(styleOfParser('qwen3-thinking')).toEqual({
      calls: 'hermes',
      thinking: { open: '<think>', close: '</think>' },
    })
    expect(styleOfParser('passthrough')).toEqual({})
    expect(styleOfParser('from-the-future')).toBeUndefined()
  })
})
