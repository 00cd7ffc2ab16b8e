/**
 * Go templates for formats that many models share. A GGUF brings a Jinja template, which a stock Ollama that pulls the model
 * from here does not read; where one of these renders the same prompts, the model gets it, and the strings that end an answer.
 * A text that stands here once is never changed: models that are made of one file are then one version on every node.
 */

export interface KnownTemplate {
  /** What Ollama calls the format. */
  readonly name: string
  readonly source: string
  /** What the model writes where its turn is over. */
  readonly stop: readonly string[]
}

/** `title`: between the mark of a role and its text; `end`: behind the text. */
const roleInMarks = (open: string, title: string, end: string): string =>
  `{{ range .Messages }}${open}{{ .Role }}${title}{{ .Content }}${end}{{ end }}${open}assistant${title}`

/** A system text stands before the first question, in its brackets. */
const inBrackets = (end: string): string =>
  `{{ $open := false }}{{ range .Messages }}{{ if eq .Role "assistant" }}{{ .Content }}${end}{{ else }}{{ if not $open }}[INST] {{ end }}{{ .Content }}{{ if eq .Role "system" }}

{{ $open = true }}{{ else }} [/INST]{{ $open = false }}{{ end }}{{ end }}{{ end }}`

export const knownTemplates: readonly KnownTemplate[] = [
  {
    name: 'chatml',
    source: roleInMarks('<|im_start|>', '\n', '<|im_end|>\n'),
    stop: ['<|im_start|>', '<|im_end|>'],
  },
  {
    name: 'llama3-instruct',
    source: roleInMarks('<|start_header_id|>', '<|end_header_id|>\n\n', '<|eot_id|>'),
    stop: ['<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>'],
  },
  {
    name: 'phi-3',
    source: roleInMarks('<|', '|>\n', '<|end|>\n'),
    stop: ['<|end|>', '<|system|>', '<|user|>', '<|assistant|>'],
  },
  {
    name: 'zephyr',
    source: roleInMarks('<|', '|>\n', '</s>\n'),
    stop: ['</s>', '<|system|>', '<|user|>', '<|assistant|>'],
  },
  { name: 'mistral-instruct', source: inBrackets('</s>'), stop: ['[INST]', '[/INST]'] },
  { name: 'mistral-instruct', source: inBrackets('</s> '), stop: ['[INST]', '[/INST]'] },
  {
    name: 'openchat',
    source:
      '{{ range .Messages }}GPT4 Correct {{ if eq .Role "user" }}User{{ else if eq .Role "assistant" }}Assistant{{ else }}System{{ end }}: {{ .Content }}<|end_of_turn|>{{ end }}GPT4 Correct Assistant:',
    stop: ['<|end_of_turn|>'],
  },
]
