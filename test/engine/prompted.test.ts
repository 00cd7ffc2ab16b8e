/** Requests to prompts and answers to messages, over a driver that says what the test wrote into the prompt. */
import { describe, expect, it } from 'vitest'
import type { ModelFile } from '../../actors/model-catalog.ts'
import type { ChatMessage, Tool } from '../../protocols/chat.ts'
import type { ChatWork, InferRequest, InferWork } from '../../protocols/infer.ts'
import { createDriver } from '../../src/engine/drivers.ts'
import { collect, type Outcome, request, settings } from './collect.ts'
import { tiny } from './models.ts'

/** A template that knows tools and thoughts, as many of Ollama's do. */
const template = `{{ if .System }}<sys>{{ .System }}</sys>{{ end }}{{ if .Tools }}<tools>{{ .Tools }}</tools>{{ end }}
{{- range .Messages }}<{{ .Role }}>{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}
{{- if .ToolCalls }}<call>{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}{{ end }}{{ end }}
{{- end }}<assistant>`

const weather: Tool = {
  type: 'function',
  function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
}

async function say(work: InferWork, rest: Partial<InferRequest> = {}, file: Partial<ModelFile> = {}): Promise<Outcome> {
  const driver = createDriver({ name: 'sim' })
  const engine = await driver.load({ ...tiny, template, ...file }, settings, new AbortController().signal)
  try {
    return await collect(engine.infer(request(work, {}, undefined, rest)))
  } finally {
    await engine.close()
  }
}

const user = (content: string): ChatMessage => ({ role: 'user', content })
const chat = (script: string, rest: Partial<ChatWork> = {}): InferWork => ({
  kind: 'chat',
  messages: [user(`⟦${script}⟧`)],
  ...rest,
})

const thinkingOf = ({ frames }: Outcome) =>
  frames.map((frame) => (frame.kind === 'token' ? (frame.thinking ?? '') : '')).join('')
const callsOf = ({ frames }: Outcome) =>
  frames.flatMap((frame) => (frame.kind === 'token' ? (frame.toolCalls ?? []) : []))

describe('a model that thinks', () => {
  it('has its thoughts apart from its answer, and every token counted once', async () => {
    const outcome = await say(chat('<think>Let me see.</think>\n\nYes.'))
    expect([thinkingOf(outcome), outcome.text]).toEqual(['Let me see.', 'Yes.'])
    expect(outcome.tokens).toHaveLength(outcome.done.evalTokens - 1)
  })

  it('is shown as it speaks where it was told not to think', async () => {
    const outcome = await say(chat('<think>hm</think>Yes.', { think: false }))
    expect([thinkingOf(outcome), outcome.text]).toEqual(['', '<think>hm</think>Yes.'])
  })

  it('thinks freely and then keeps to the format', async () => {
    const format = { type: 'object', properties: { ok: { type: 'boolean' } } }
    const outcome = await say(chat('<think>Should I?</think>never said', { format }))
    expect(thinkingOf(outcome)).toBe('Should I?')
    expect(JSON.parse(outcome.text)).toEqual({ ok: true })
    expect(outcome.frames.filter(({ kind }) => kind === 'accepted')).toHaveLength(1)
    let next = 0
    for (const frame of outcome.frames) {
      if (frame.kind !== 'token') continue
      expect(frame.index).toBe(next)
      next += frame.tokens.length
    }
  })

  it('goes on where it was interrupted, in its thoughts and after them', async () => {
    const work = chat('<think>One two three.</think>Four five.')
    const whole = await say(work)
    for (const known of [5, 12, whole.tokens.length - 3]) {
      const resumed = await say(work, { resume: { tokens: whole.tokens.slice(0, known) } })
      expect(resumed.tokens).toEqual(whole.tokens.slice(known))
      expect('Four five.'.endsWith(resumed.text), `after ${known}: ${resumed.text}`).toBe(true)
    }
  })

  it('goes on within its format where it was interrupted after its thoughts', async () => {
    const format = { type: 'object', properties: { name: { type: 'string' } } }
    const work = chat('<think>hm</think>x', { format })
    const whole = await say(work)
    const known = whole.tokens.length - 4
    const resumed = await say(work, { resume: { tokens: whole.tokens.slice(0, known) } })
    expect(resumed.tokens).toEqual(whole.tokens.slice(known))
  })
})

describe('a model that calls tools', () => {
  const script = 'Let me look.<call>{"name": "weather", "arguments": {"city": "Oslo"}}'

  it('has its calls apart from its words, whole', async () => {
    const outcome = await say(chat(script, { tools: [weather] }))
    expect(outcome.text).toBe('Let me look.')
    expect(callsOf(outcome)).toEqual([
      { id: expect.stringMatching(/^call_[a-z0-9]{8}$/), index: 0, name: 'weather', arguments: { city: 'Oslo' } },
    ])
    expect(outcome.done.reason).toBe('stop')
  })

  it('only writes where it was given none', async () => {
    const outcome = await say(chat(script))
    expect([outcome.text, callsOf(outcome)]).toEqual([script, []])
  })

  it('is shown the tools, its earlier calls and what they gave', async () => {
    const toolCalls = [{ id: 'c', index: 0, name: 'weather', arguments: { city: 'Oslo' } }]
    const messages: ChatMessage[] = [
      user('Weather?'),
      { role: 'assistant', content: '', thinking: 'hm', toolCalls },
      { role: 'tool', content: '11 °C', toolName: 'weather' },
    ]
    const { frames } = await say({ kind: 'chat', messages, tools: [weather] }, { renderOnly: true })
    const prompt = frames[1]?.kind === 'rendered' ? frames[1].prompt : ''
    expect(prompt).toContain('<tools>[{"type":"function","function":{"name":"weather"')
    expect(prompt).toContain('<assistant><think>hm</think><call>{"name": "weather", "arguments": {"city":"Oslo"}}')
    expect(prompt).toMatch(/<tool>11 °C<assistant>$/)
  })
})

describe('a completion', () => {
  it('uses the template and the system text of the request over the model’s', async () => {
    const work = { kind: 'generate', prompt: 'Hi', raw: false, system: 'Be brief.' } as const
    const own = { ...work, template: '[{{ .System }}|{{ .Prompt }}]' }
    const promptOf = async (asked: InferWork) => {
      const { frames } = await say(asked, { renderOnly: true }, { system: 'Be long.' })
      return frames[1]?.kind === 'rendered' ? frames[1].prompt : frames.at(-1)
    }
    expect(await promptOf(work)).toBe('<sys>Be brief.</sys><system>Be brief.<user>Hi<assistant>')
    expect(await promptOf(own)).toBe('[Be brief.|Hi]')
    expect(await promptOf({ ...work, template: '{{ .Prompt' })).toMatchObject({
      kind: 'failed',
      code: 'model-unusable',
    })
  })

  it('fills in between two texts where the template knows how', async () => {
    const work = { kind: 'generate', prompt: 'def add(', suffix: 'return c', raw: false } as const
    const { frames } = await say(work, { renderOnly: true }, { template: '<pre>{{ .Prompt }}<suf>{{ .Suffix }}<mid>' })
    expect(frames[1]).toMatchObject({ prompt: '<pre>def add(<suf>return c<mid>' })
  })

  it('begins a chat with the model’s own messages', async () => {
    const messages = [user('Ping'), { role: 'assistant', content: 'Pong' }]
    const { frames } = await say(chat('x'), { renderOnly: true }, { messages })
    expect(frames[1]).toMatchObject({ prompt: '<user>Ping<assistant>Pong<user>⟦x⟧<assistant>' })
  })
})
