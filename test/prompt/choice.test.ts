import { describe, expect, it } from 'vitest'
import { createRenderer, type ModelFacts } from '../../src/prompt/renderer.ts'

const choice = (facts: Partial<ModelFacts>) =>
  createRenderer({ bosToken: '', eosToken: '', addsBos: false, ...facts }).choice

const plainGo = '{{ .Prompt }}'
const toolsGo = '{{ .Tools }}{{ range .Messages }}{{ if .ToolCalls }}x{{ end }}{{ end }}'
const roundTripGo = `${toolsGo}{{ range .Messages }}{{ if eq .Role "tool" }}r{{ end }}{{ end }}`
const plainJinja = '{{ messages }}'
const toolsJinja = '{{ tools }}'
const roundTripJinja =
  "{{ tools }}{% for message in messages %}{% if message.role == 'tool' %}{{ message.tool_calls }}{% endif %}{% endfor %}"

describe('the template of a model', () => {
  it.each([
    ['a template layer alone', { goTemplate: plainGo }, 'go'],
    ['the GGUF’s alone', { chatTemplate: plainJinja }, 'jinja'],
    ['none', {}, 'plain'],
    ['a layer that can do as much', { goTemplate: plainGo, chatTemplate: plainJinja }, 'go'],
    ['a GGUF’s that can do more', { goTemplate: plainGo, chatTemplate: toolsJinja }, 'jinja'],
    [
      'a layer with a round trip against more without one',
      { goTemplate: roundTripGo, chatTemplate: `${toolsJinja}<think></think>` },
      'go',
    ],
    ['tools in both, a round trip in the GGUF’s only', { goTemplate: toolsGo, chatTemplate: roundTripJinja }, 'jinja'],
    ['a round trip in both', { goTemplate: roundTripGo, chatTemplate: roundTripJinja }, 'go'],
    [
      'more in the GGUF’s, but the layer is wished for',
      { goTemplate: plainGo, chatTemplate: toolsJinja, preferGo: true },
      'go',
    ],
    [
      'the layer, but it is not wished for',
      { goTemplate: plainGo, chatTemplate: plainJinja, preferGo: false },
      'jinja',
    ],
    ['a layer that is not wished for, and nothing else', { goTemplate: plainGo, preferGo: false }, 'go'],
    ['a layer that cannot be read', { goTemplate: '{{ if }}', chatTemplate: plainJinja }, 'jinja'],
  ] as const)('is chosen with %s', (_, facts, way) => {
    expect(choice(facts).way).toBe(way)
    expect(choice(facts).warning).toBeUndefined()
  })

  it('is the GGUF’s, with a warning, where the model asks for a built-in renderer', () => {
    const found = choice({
      renderer: 'qwen3-coder',
      parser: 'qwen3-coder',
      goTemplate: plainGo,
      chatTemplate: plainJinja,
    })
    expect(found).toMatchObject({ way: 'jinja', parser: 'qwen3-coder' })
    expect(found.warning).toContain('qwen3-coder')
  })

  it('is the template layer where the model asks for a parser only', () => {
    const found = choice({ parser: 'passthrough', goTemplate: plainGo, chatTemplate: toolsJinja })
    expect(found).toMatchObject({ way: 'go', parser: 'passthrough' })
    expect(found.warning).toBeUndefined()
  })

  it('is the template layer, with the harmony parser, for gptoss', () => {
    const goTemplate = '<|start|>user{{ .Prompt }}<|end|>'
    expect(choice({ families: ['gptoss'], goTemplate, chatTemplate: toolsJinja })).toMatchObject({
      way: 'go',
      parser: 'harmony',
    })
  })

  it('tells what a model can do together with the parser that the model asks for', () => {
    const facts = { bosToken: '', eosToken: '', addsBos: false, goTemplate: plainGo }
    expect(createRenderer({ ...facts, parser: 'qwen3-thinking' }).capabilities).toMatchObject({
      tools: true,
      thinking: true,
    })
    expect(createRenderer({ ...facts, parser: 'passthrough' }).capabilities).toMatchObject({
      tools: false,
      thinking: false,
    })
  })
})
