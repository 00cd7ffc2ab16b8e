import { describe, expect, it } from 'vitest'
import type { ChatMessage } from '../../protocols/chat.ts'
import type { ConversationWork } from '../../src/prompt/conversation.ts'
import { PromptError } from '../../src/prompt/prompt-error.ts'
import { createRenderer, type ModelFacts } from '../../src/prompt/renderer.ts'
import { conversation, families, weather } from './families.ts'

const now = new Date(2026, 2, 1, 12)
const base: ModelFacts = { bosToken: '<s>', eosToken: '</s>', addsBos: true }
const chat = (messages: readonly ChatMessage[], more: object = {}): ConversationWork => ({
  kind: 'chat',
  messages,
  ...more,
})
const generate = (more: object): ConversationWork => ({ kind: 'generate', prompt: 'Why?', raw: false, ...more })
const render = (facts: Partial<ModelFacts>, work: ConversationWork) =>
  createRenderer({ ...base, ...facts }).render({ work, now })
const user = (content: string): ChatMessage => ({ role: 'user', content })
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content })

/** A struct prints its fields in their order, nil as `<nil>`; a map of properties is JSON, with its keys sorted. */
const properties = '{"city":{"type":"string","description":"Where"},"unit":{"type":"string","enum":["C","F"]}}'
const parameters = `{object <nil> <nil> [city] ${properties}}`
const described = `{weather Weather <now> ${parameters}}`
const tool = `{function <nil> ${described}}`

describe('a model with a Go template', () => {
  it.each(Object.entries(families))('renders a conversation in the style of %s', (_, { template, prompt }) => {
    expect(render({ goTemplate: template }, chat(conversation, { tools: [weather] })).prompt).toBe(prompt)
  })

  it('tells from its template what it can do, and how its answers are tagged', () => {
    const facts = (name: string) => {
      const renderer = createRenderer({ ...base, goTemplate: families[name]?.template ?? '' })
      const { answer } = renderer.render({ work: chat([user('x')]), now })
      return { ...renderer.capabilities, ...answer }
    }
    expect(facts('Mistral')).toMatchObject({ tools: true, calls: { tag: '[TOOL_CALLS] [' } })
    expect(facts('Qwen with tools in XML')).toMatchObject({ tools: true, insert: false, calls: { tag: '<tool_call>' } })
    expect(facts('Llama 3 with tools')).toMatchObject({ tools: true, calls: { tag: '{' } })
    expect(facts('DeepSeek-R1')).toMatchObject({
      thinking: { open: '<think>', close: '</think>', started: true },
    })
    expect(facts('Phi')).toMatchObject({ tools: false, calls: { tag: '{' } })
  })

  it('thinks by itself where it can, and not when it is told not to', () => {
    const goTemplate = families['DeepSeek-R1']?.template ?? ''
    expect(render({ goTemplate }, chat([user('x')], { think: false })).answer.thinking?.started).toBe(false)
    const levels = '{{ .Think }} {{ .ThinkLevel }} {{ .IsThinkSet }}{{ .Messages | len }}'
    expect(render({ goTemplate: levels }, chat([user('x')], { think: 'high' })).prompt).toBe('true high true1')
    expect(render({ goTemplate: levels }, chat([user('x')], { think: true })).prompt).toBe('true medium true1')
    expect(render({ goTemplate: levels }, chat([user('x')])).prompt).toBe('false  false1')
  })

  it('knows three levels of thought where it writes harmony, of which the highest is high', () => {
    const goTemplate = '<|start|>{{ .ThinkLevel }}<|end|>{{ range .Messages }}{{ .Content }}{{ end }}'
    const level = (facts: Partial<ModelFacts>, think: unknown) =>
      render({ goTemplate, ...facts }, chat([user('')], { think })).prompt
    const levels = [true, 'low', 'medium', 'high', 'max', false]
    const gptoss = { families: ['gptoss'] }
    expect(levels.map((think) => level(gptoss, think))).toEqual(
      ['medium', 'low', 'medium', 'high', 'high', ''].map((text) => `<|start|>${text}<|end|>`),
    )
    expect(level(gptoss, undefined)).toBe('<|start|>medium<|end|>')
    expect(level({}, 'max')).toBe('<|start|>max<|end|>')
  })

  it.each([
    ['.Tools', '{{ . }}', tool],
    ['.Tools', '{{ .Function }}', described],
    ['.Tools', '{{ .Function.Parameters }}', parameters],
    ['.Tools', '{{ .Function.Parameters.Properties }}', properties],
    ['.Tools', '{{ json .Function.Parameters.Required }}{{ .Function.Parameters.Required }}', '["city"][city]'],
    [
      '.Tools',
      '{{ range $name, $_ := .Function.Parameters.Properties }}{{ $name }}={{ . }};{{ end }}',
      'city={[] string <nil> Where [] <nil> []};unit={[] string <nil>  [C F] <nil> []};',
    ],
    ['.Messages', '{{ . }}', '{user Hi  [] []  }'],
    ['.Messages', '{{ .ToolCalls }}|{{ .Images }}|{{ .ToolName }}', '[]|[]|'],
  ])('prints each of %s by %s as Go prints its own types', (list, action, text) => {
    const goTemplate = `{{ range ${list} }}${action}{{ end }}{{/* .Messages */}}{{ if false }}{{ .Messages }}{{ end }}`
    expect(render({ goTemplate }, chat([user('Hi')], { tools: [weather] })).prompt).toBe(text)
  })

  it('joins neighbours of one role by a blank line, but not the answers of tools', () => {
    const goTemplate = '{{ .System }}|{{ range .Messages }}{{ .Role }}={{ .Content }};{{ end }}'
    const messages = [
      { role: 'system', content: 'a' },
      user('1'),
      user('2'),
      { role: 'system', content: 'b' },
      { role: 'tool', content: 't' },
      { role: 'tool', content: 'u' },
    ]
    expect(render({ goTemplate }, chat(messages)).prompt).toBe('a\n\nb|system=a;user=1\n\n2;system=b;tool=t;tool=u;')
  })

  it('gets .Response appended where its template mentions neither that nor messages', () => {
    const goTemplate = 'Q: {{ .Prompt }}\nA: '
    expect(render({ goTemplate }, chat([user('1'), assistant('2'), user('3')])).prompt).toBe('Q: 1\nA: 2Q: 3\nA: ')
  })

  it('continues an assistant’s message at the end', () => {
    const { prompt, answer } = render(
      { goTemplate: families.Alpaca?.template ?? '' },
      chat([user('1'), assistant('So')]),
    )
    expect(prompt).toBe('### Instruction:\n1\n\n### Response:\nSo')
    expect(answer.prefill).toBe('So')
  })

  it('numbers images through the conversation, each in the place of an [img] or before the content', () => {
    const image = (byte: number) => Uint8Array.of(byte)
    const messages = [
      { ...user('two'), images: [image(1), image(2)] },
      assistant('ok'),
      { ...user('here [img] it is'), images: [image(3)] },
    ]
    const { prompt, images } = render({ goTemplate: '{{ range .Messages }}{{ .Content }};{{ end }}' }, chat(messages))
    expect(prompt).toBe('[img-0][img-1]two;ok;here [img-2] it is;')
    expect(images.map(([byte]) => byte)).toEqual([1, 2, 3])
  })

  it('takes old thoughts out of the answers of families that are trained so', () => {
    const goTemplate = '{{ range .Messages }}{{ .Content }};{{ end }}'
    const work = chat([user('1'), assistant('<think>hm</think>\n\nyes'), user('2'), assistant('<think>new</think>no')])
    expect(render({ goTemplate, families: ['qwen3'] }, work).prompt).toBe('1;yes;2;<think>new</think>no;')
    expect(render({ goTemplate, name: 'deepseek-r1' }, work).prompt).toBe('1;yes;2;<think>new</think>no;')
    expect(render({ goTemplate, families: ['llama'] }, work).prompt).toContain('hm')
  })

  it('shows types of properties as TypeScript', () => {
    const goTemplate =
      '{{ range .Tools }}{{ range $k, $v := .Function.Parameters.Properties }}{{ $k }}: {{ toTypeScriptType $v }} {{ $v.Type }}; {{ end }}{{ end }}{{ .Messages | len }}'
    const properties = { b: { type: ['integer', 'null'] }, a: { anyOf: [{ type: 'array' }, { type: 'object' }] } }
    const tool = { type: 'function', function: { name: 'f', parameters: { type: 'object', properties } } }
    const { prompt } = render({ goTemplate }, chat([user('x')], { tools: [tool] }))
    expect(prompt).toBe('a: any[] | Record<string, any> ; b: number | null [integer null]; 1')
  })

  it('says that the template is at fault when it cannot be read or executed', () => {
    const fault = (goTemplate: string) => {
      try {
        return render({ goTemplate }, chat([user('x')])).prompt
      } catch (error) {
        return error instanceof PromptError ? error.fault : error
      }
    }
    expect(fault('{{ if }}')).toBe('template')
    expect(fault('{{ range .Messages }}{{ .Nope }}{{ end }}')).toBe('template')
  })
})

describe('a generate request', () => {
  const goTemplate = '{{ .System }}|{{ .Prompt }}|{{ .Suffix }}|{{ .Response }}'

  it('brings system and template of its own, which go before the model’s', () => {
    expect(render({ goTemplate, system: 'model' }, generate({})).prompt).toBe('model|Why?|<no value>|')
    expect(render({ goTemplate, system: 'model' }, generate({ system: 'mine' })).prompt).toBe('mine|Why?|<no value>|')
    expect(render({ goTemplate }, generate({ template: '[{{ .Prompt }}]' })).prompt).toBe('[Why?]')
    expect(() => render({ goTemplate }, generate({ template: '{{ .Prompt' }))).toThrow(PromptError)
  })

  it('fills in the middle where the template has a place for a suffix', () => {
    const insert = '<PRE> {{ .Prompt }} <SUF> {{ .Suffix }} <MID>'
    expect(render({ goTemplate: insert }, generate({ suffix: 'end' })).prompt).toBe('<PRE> Why? <SUF> end <MID>')
    expect(() => render({ goTemplate: '{{ .Prompt }}' }, generate({ suffix: 'end' }))).toThrow(PromptError)
  })

  it('is left as it is when it is raw, the mark of its beginning included: the engine sees to that', () => {
    expect(render({ goTemplate }, generate({ raw: true, prompt: '<s>x' })).prompt).toBe('<s>x')
    expect(render({ goTemplate: '<s>{{ .Prompt }}' }, generate({})).prompt).toBe('<s>Why?')
  })

  it('goes through as it is where the model has no template', () => {
    expect(render({}, generate({})).prompt).toBe('Why?')
    expect(render({}, chat(conversation)).prompt).toBe('HiHello.Weather in Oslo?')
  })

  it('has the model’s example messages before it, unless it continues from a context', () => {
    const facts = { goTemplate: '{{ range .Messages }}{{ .Content }};{{ end }}', messages: [user('e'), assistant('f')] }
    expect(render(facts, generate({})).prompt).toBe('e;f;Why?;')
    expect(render(facts, generate({ context: [1] })).prompt).toBe('Why?;')
  })
})

describe('a model with the template of its GGUF', () => {
  const chatTemplate = `{{ bos_token }}{% if tools %}{{ tools | tojson }}{% endif %}{% for message in messages %}<{{ message.role }}>{{ message.content }}{% for call in message.tool_calls or [] %}[{{ call.function.name }} {{ call.function.arguments | tojson }}]{% endfor %}{% endfor %}{% if add_generation_prompt %}<assistant>{% if enable_thinking is defined and enable_thinking %}<think>{% endif %}{% endif %}{# </think> message.role == 'tool' #}`

  it('renders tools, calls and what starts a thought', () => {
    const { prompt, answer } = render({ chatTemplate }, chat(conversation, { tools: [weather] }))
    expect(prompt).toMatch(/^\[\{"type": "function", "function": \{"name": "weather"/)
    expect(prompt).toMatch(/<assistant>\[weather \{"unit": "C", "city": "Oslo"\}\]<tool>7 degrees<assistant><think>$/)
    expect(answer).toMatchObject({ thinking: { open: '<think>', close: '</think>', started: true } })
  })

  it('begins without the mark that the tokenizer adds', () => {
    expect(render({ chatTemplate }, chat([user('x')])).prompt).toMatch(/^<user>/)
    expect(render({ chatTemplate, addsBos: false }, chat([user('x')])).prompt).toMatch(/^<s><user>/)
  })

  it('gives arguments as text to templates that insist on it', () => {
    const insists = `{% for message in messages %}{% for call in message.tool_calls or [] %}{{ '<' + call.function.arguments + '>' }}{% endfor %}{{ message.content }}{% endfor %}`
    expect(render({ chatTemplate: insists }, chat(conversation)).prompt).toContain('<{"unit":"C","city":"Oslo"}>')
  })

  it('gives the effort of thinking and the date', () => {
    const source = `{{ reasoning_effort }} {{ strftime_now('%d %B %Y, %-d') }}`
    expect(render({ chatTemplate: source }, chat([user('x')], { think: 'low' })).prompt).toBe('low 01 March 2026, 1')
  })

  it('says whose fault a failure is', () => {
    const fault = (source: string) => {
      try {
        return render({ chatTemplate: source }, chat([user('x')])).prompt
      } catch (error) {
        return error instanceof PromptError ? error.fault : error
      }
    }
    expect(fault('{% if %}')).toBe('template')
    expect(fault("{{ raise_exception('only one message') }}")).toBe('conversation')
  })
})
