/** Templates in the styles of well-known families, with what they make of one conversation. */
import type { ChatMessage, Tool } from '../../protocols/chat.ts'

export const weather: Tool = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'Weather <now>',
    parameters: {
      type: 'object',
      required: ['city'],
      properties: { unit: { type: 'string', enum: ['C', 'F'] }, city: { type: 'string', description: 'Where' } },
    },
  },
}

export const conversation: readonly ChatMessage[] = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Hello.' },
  { role: 'user', content: 'Weather in Oslo?' },
  {
    role: 'assistant',
    content: '',
    toolCalls: [{ id: 'call_1', index: 0, name: 'weather', arguments: { unit: 'C', city: 'Oslo' } }],
  },
  { role: 'tool', content: '7 degrees', toolName: 'weather', toolCallId: 'call_1' },
]

const toolJson =
  '[{"type":"function","function":{"name":"weather","description":"Weather \\u003cnow\\u003e","parameters":{"type":"object","required":["city"],"properties":{"city":{"type":"string","description":"Where"},"unit":{"type":"string","enum":["C","F"]}}}}}]'

interface Family {
  readonly template: string
  readonly prompt: string
}

export const families: Readonly<Record<string, Family>> = {
  ChatML: {
    template:
      '{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n',
    prompt:
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nWeather in Oslo?<|im_end|>\n<|im_start|>assistant\n<|im_end|>\n<|im_start|>tool\n7 degrees<|im_end|>\n<|im_start|>assistant\n',
  },
  'Llama 3 with tools': {
    template: `<|start_header_id|>system<|end_header_id|>
{{ if .System }}
{{ .System }}
{{- end }}
{{- if .Tools }}
Tools: {{ .Tools }}
{{- end }}<|eot_id|>
{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 }}
{{- if eq .Role "user" }}<|start_header_id|>user<|end_header_id|>

{{ .Content }}<|eot_id|>
{{- else if eq .Role "assistant" }}<|start_header_id|>assistant<|end_header_id|>

{{ if .ToolCalls }}
{{- range .ToolCalls }}{"name": "{{ .Function.Name }}", "parameters": {{ .Function.Arguments }}}{{ end }}
{{- else }}{{ .Content }}{{ end }}{{ if not $last }}<|eot_id|>{{ end }}
{{- else if eq .Role "tool" }}<|start_header_id|>ipython<|end_header_id|>

{{ .Content }}<|eot_id|>
{{- end }}
{{- if and (ne .Role "assistant") $last }}<|start_header_id|>assistant<|end_header_id|>

{{ end }}
{{- end }}`,
    prompt: `<|start_header_id|>system<|end_header_id|>

Be brief.
Tools: ${toolJson}<|eot_id|><|start_header_id|>user<|end_header_id|>

Hi<|eot_id|><|start_header_id|>assistant<|end_header_id|>

Hello.<|eot_id|><|start_header_id|>user<|end_header_id|>

Weather in Oslo?<|eot_id|><|start_header_id|>assistant<|end_header_id|>

{"name": "weather", "parameters": {"city":"Oslo","unit":"C"}}<|eot_id|><|start_header_id|>ipython<|end_header_id|>

7 degrees<|eot_id|><|start_header_id|>assistant<|end_header_id|>

`,
  },
  Mistral: {
    template: `{{- range $index, $_ := .Messages }}
{{- if eq .Role "user" }}
{{- if and (le (len (slice $.Messages $index)) 3) $.Tools }}[AVAILABLE_TOOLS] {{ $.Tools }}[/AVAILABLE_TOOLS]
{{- end }}[INST] {{ .Content }}[/INST]
{{- else if eq .Role "assistant" }}
{{- if .Content }} {{ .Content }}</s>
{{- else if .ToolCalls }}[TOOL_CALLS] [
{{- range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments": {{ json .Function.Arguments }}}
{{- end }}]</s>
{{- end }}
{{- else if eq .Role "tool" }}[TOOL_RESULTS] {"content": {{ json .Content }}}[/TOOL_RESULTS]
{{- end }}
{{- end }}`,
    prompt: `[INST] Hi[/INST] Hello.</s>[AVAILABLE_TOOLS] ${toolJson}[/AVAILABLE_TOOLS][INST] Weather in Oslo?[/INST][TOOL_CALLS] [{"name": "weather", "arguments": {"city":"Oslo","unit":"C"}}]</s>[TOOL_RESULTS] {"content": "7 degrees"}[/TOOL_RESULTS]`,
  },
  Gemma: {
    template: `{{- $first := true }}
{{- range .Messages }}
{{- if eq .Role "user" }}<start_of_turn>user
{{ if and $first $.System }}{{ $.System }}

{{ end }}{{ $first = false }}{{ .Content }}<end_of_turn>
{{ else if eq .Role "assistant" }}<start_of_turn>model
{{ .Content }}<end_of_turn>
{{ end }}
{{- end }}<start_of_turn>model
`,
    prompt:
      '<start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello.<end_of_turn>\n<start_of_turn>user\nWeather in Oslo?<end_of_turn>\n<start_of_turn>model\n<end_of_turn>\n<start_of_turn>model\n',
  },
  Phi: {
    template:
      '{{ if .System }}<|system|>\n{{ .System }}<|end|>\n{{ end }}{{ if .Prompt }}<|user|>\n{{ .Prompt }}<|end|>\n{{ end }}<|assistant|>\n{{ .Response }}<|end|>\n',
    prompt:
      '<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello.<|end|>\n<|user|>\nWeather in Oslo?<|end|>\n<|assistant|>\n',
  },
  'DeepSeek-R1': {
    template: `{{- if .System }}{{ .System }}{{ end }}
{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 }}
{{- if eq .Role "user" }}<|User|>{{ .Content }}
{{- else if eq .Role "assistant" }}<|Assistant|>
{{- if and $.IsThinkSet .Thinking }}<think>
{{ .Thinking }}
</think>
{{- end }}{{ .Content }}{{ if not $last }}<|end|>{{ end }}
{{- end }}
{{- if and $last (ne .Role "assistant") }}<|Assistant|>
{{- if and $.IsThinkSet $.Think }}<think>
{{ end }}
{{- end }}
{{- end }}`,
    prompt:
      'Be brief.<|User|>Hi<|Assistant|>Hello.<|end|><|User|>Weather in Oslo?<|Assistant|><|end|><|Assistant|><think>\n',
  },
  'Qwen with tools in XML': {
    template: `{{- if or .System .Tools }}<|im_start|>system
{{ .System }}
{{- if .Tools }}

<tools>
{{- range .Tools }}
{"type": "function", "function": {{ json .Function }}}
{{- end }}
</tools>
{{- end }}<|im_end|>
{{ end }}
{{- range .Messages }}
{{- if eq .Role "user" }}<|im_start|>user
{{ .Content }}<|im_end|>
{{ else if eq .Role "assistant" }}<|im_start|>assistant
{{ if .Content }}{{ .Content }}
{{- else if .ToolCalls }}<tool_call>
{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}
{{ end }}</tool_call>
{{- end }}<|im_end|>
{{ else if eq .Role "tool" }}<|im_start|>user
<tool_response>
{{ .Content }}
</tool_response><|im_end|>
{{ end }}
{{- end }}<|im_start|>assistant
`,
    prompt: `<|im_start|>system
Be brief.

<tools>
{"type": "function", "function": ${toolJson.slice('[{"type":"function","function":'.length, -2)}}
</tools><|im_end|>
<|im_start|>user
Hi<|im_end|>
<|im_start|>assistant
Hello.<|im_end|>
<|im_start|>user
Weather in Oslo?<|im_end|>
<|im_start|>assistant
<tool_call>
{"name": "weather", "arguments": {"city":"Oslo","unit":"C"}}
</tool_call><|im_end|>
<|im_start|>user
<tool_response>
7 degrees
</tool_response><|im_end|>
<|im_start|>assistant
`,
  },
  Alpaca: {
    template:
      '{{ if .System }}{{ .System }}\n\n{{ end }}{{ if .Prompt }}### Instruction:\n{{ .Prompt }}\n\n{{ end }}### Response:\n{{ .Response }}\n\n',
    prompt:
      'Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHello.\n\n### Instruction:\nWeather in Oslo?\n\n### Response:\n',
  },
}
