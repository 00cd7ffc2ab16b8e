/** Templates of any kind, as a file from anywhere may bring them along. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { GoTemplate } from '../../src/prompt/go-template/go-template.ts'
import { JinjaRenderer } from '../../src/prompt/jinja-renderer.ts'
import { PromptError } from '../../src/prompt/prompt-error.ts'
import { analyse } from '../../src/prompt/template-analysis.ts'

const turn = {
  messages: [
    { role: 'user', content: 'x' },
    { role: 'assistant', content: '', toolCalls: [{ id: 'c', index: 0, name: 'f', arguments: { a: 1 } }] },
  ],
  tools: [],
  think: undefined,
  now: new Date(0),
}

it('a Jinja template renders, or is refused with a PromptError', () => {
  const words =
    '{{ }} {% %} {%- -%} for m in messages endfor if else endif elif set x = 1 ( ) [ ] . | ~ + - * / % "a" range(3) ' +
    "m.role m['content'] loop.index tools length join tojson trim upper not and or is defined none namespace macro " +
    'endmacro strftime_now(x) raise_exception(x) bos_token {# #} tool_calls first last 10 : , {'
  const source = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(...words.split(' '), ' '), { maxLength: 20 }).map((parts) => parts.join(' ')),
    fc
      .array(fc.constantFrom('m.role', 'm', '1', 'x', "'%Y'", 'range(2)', 'tools', 'messages', 'strftime_now'), {
        maxLength: 6,
      })
      .chain((values) =>
        fc
          .array(fc.constantFrom('|length', '|join', '|tojson', '[0]', '()', '(1)', ' + 1', '|sort', '[1:]', '.x.y'))
          .map(
            (ends) =>
              `{% for m in messages %}${values.map((each, at) => `{{ ${each}${ends[at] ?? ''} }}`).join('')}{% endfor %}`,
          ),
      ),
  )
  let rendered = 0
  fc.assert(
    fc.property(source, (text) => {
      try {
        expect(typeof new JinjaRenderer(text, { bosToken: '<s>', eosToken: '</s>' }).render(turn)).toBe('string')
        rendered += 1
      } catch (error) {
        expect(error).toBeInstanceOf(PromptError)
      }
    }),
    { numRuns: 500 },
  )
  expect(rendered).toBeGreaterThan(50)
})

it('a Go template that can be read can be judged', () => {
  const action = fc.constantFrom(
    ...['{{ range .Messages }}', '{{ if .ToolCalls }}', '{{ if .Thinking }}', '{{ else }}', '{{ end }}', '{{ end }}'],
    ...[
      '{{ .Thinking }}',
      '<think>',
      '</think>',
      '{{ .Tools }}',
      '{{ with .Function }}',
      '[TOOL]',
      '{{ .Suffix }}',
      '{',
    ],
    ...[
      '{{ json .Arguments }}',
      '{{ break }}',
      '{{ $x := .System }}',
      '{{ define "t" }}',
      '{{ template "t" . }}',
      '\n',
    ],
  )
  let judged = 0
  fc.assert(
    fc.property(fc.array(action, { maxLength: 14 }), (parts) => {
      let template: GoTemplate
      try {
        template = new GoTemplate(parts.join(''))
      } catch {
        return
      }
      const { toolTag, thinkingTags } = analyse(template)
      expect(toolTag).not.toBe('')
      if (thinkingTags !== undefined) expect(thinkingTags.open.length * thinkingTags.close.length).toBeGreaterThan(0)
      judged += 1
    }),
    { numRuns: 600 },
  )
  expect(judged).toBeGreaterThan(50)
})
