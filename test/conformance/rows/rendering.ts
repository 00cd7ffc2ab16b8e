/** How requests become prompts, seen through `_debug_render_only`. */
import { both, containing, type Matcher, without } from '../match.ts'
import { post, type Row, row, section } from '../row.ts'

const chat = { model: '$model', stream: false, _debug_render_only: true }
const rendered = (matcher: Matcher) => ({ status: 200, json: { _debug_info: { rendered_template: matcher } } })
const user = (content: string) => ({ role: 'user', content })
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'a < b & c',
    parameters: {
      type: 'object',
      required: ['city'],
      properties: { zone: { type: 'string' }, city: { type: 'string' } },
    },
  },
}

export const renderingRows: readonly Row[] = section('6 rendering', [
  row(
    'a template layer is rendered turn by turn, the last up to the response',
    post('/api/chat', { ...chat, messages: [user('A'), { role: 'assistant', content: 'B' }, user('C')] }),
    rendered(/C \| $/),
    'stocked',
  ),
  row(
    'the model’s own system text comes first where the request has none',
    post('/api/chat', { ...chat, messages: [user('A')] }),
    rendered(containing('You are a lighthouse.')),
    'stocked',
  ),
  row(
    'a system message of the request replaces the model’s',
    post('/api/chat', { ...chat, messages: [{ role: 'system', content: 'Be a boat.' }, user('A')] }),
    rendered(both(containing('Be a boat.'), without('lighthouse'))),
    'stocked',
  ),
  row(
    'the model’s own messages come before those of the request',
    post('/api/chat', { ...chat, messages: [user('A')] }),
    rendered(/Who\?[\s\S]*I\.[\s\S]*A/),
    'stocked',
  ),
  row(
    'a system text of a completion replaces the model’s',
    post('/api/generate', { ...chat, prompt: 'A', system: 'Be a boat.' }),
    rendered(both(containing('Be a boat.', 'A'), without('lighthouse'))),
    'stocked',
  ),
  row(
    'a template of the request is written in Go',
    post('/api/generate', { ...chat, prompt: 'A', template: '{{ if .System }}[{{ .System }}]{{ end }}{{ .Prompt }}!' }),
    rendered('A!'),
    'plain',
  ),
  row(
    'a template that mentions neither messages nor a response gets the response at its end',
    post('/api/generate', { ...chat, prompt: 'A', template: '<{{ .Prompt }}>' }),
    rendered('<A>'),
    'plain',
  ),
  ...(
    [
      [{}, 'plain', 'false||false'],
      [{ think: false }, 'plain', 'false||true'],
      [{}, 'thinking', 'true|medium|true'],
      [{ think: true }, 'thinking', 'true|medium|true'],
      [{ think: 'high' }, 'thinking', 'true|high|true'],
      [{ think: false }, 'thinking', 'false||true'],
    ] as const
  ).map(([fields, kind, seen]) =>
    row(
      `a template of a model of the kind "${kind}" sees ${JSON.stringify(fields)} as ${seen}`,
      post('/api/generate', {
        ...chat,
        prompt: 'A',
        ...fields,
        template: '{{ .Think }}|{{ .ThinkLevel }}|{{ .IsThinkSet }}{{ if false }}{{ .Response }}{{ end }}',
      }),
      rendered(seen),
      kind,
    ),
  ),
  ...(
    [
      ['{{ range .Messages }}{{ .Role }}={{ .Content }};{{ end }}', 'system=S;user=A;'],
      [
        '{{ len .Messages }}{{ range $i, $m := .Messages }} {{ $i }}{{ $m.Role | printf "%-7s|" }}{{ end }}',
        /^2 0system \|/,
      ],
      ['{{ range .Messages }}{{ if eq .Role "user" }}{{ . }}{{ end }}{{ end }}', '{user A  [] []  }'],
      ['{{ with .Messages }}{{ json (index . 1).Content }}{{ else }}none{{ end }}', '"A"'],
      ['{{ $x := 1 }}{{ range slice .Messages 1 }}{{ $x = 2 }}{{ end }}{{ $x }}{{- "" }} |{{ .System }}', '2 |S'],
      [
        '{{ define "t" }}<{{ . }}>{{ end }}{{ template "t" .System }}{{/* .Messages */}}{{ if .Messages }}{{ end }}',
        '<S>',
      ],
      ['{{ currentDate }}{{ if .Messages }}{{ end }}', /^\d{4}-\d\d-\d\d$/],
      [
        '{{ if and .System (not .Tools) }}{{ html "<" }}{{ js "\'" }}{{ urlquery "a b" }}{{ end }}{{ range .Messages }}{{ break }}{{ end }}',
        "&lt;\\'a+b",
      ],
    ] as const
  ).map(([template, matcher]) =>
    row(
      `a template is executed as Go does it: ${template}`,
      post('/api/generate', { ...chat, prompt: 'A', system: 'S', template }),
      rendered(matcher),
      'plain',
    ),
  ),
  row(
    'messages of one role that follow each other are one',
    post('/api/chat', { ...chat, messages: [user('One'), user('Two')] }),
    rendered('user: One\n\nTwo\nassistant: '),
    'tools',
  ),
  row(
    'tools print as JSON with sorted keys and Go’s escapes',
    post('/api/chat', { ...chat, messages: [user('One')], tools: [weather] }),
    rendered(containing('"name":"get_weather"', 'a \\u003c b \\u0026 c', '"required":["city"]')),
    'tools',
  ),
  row(
    'arguments of calls print as JSON in their order',
    post('/api/chat', {
      ...chat,
      tools: [weather],
      messages: [
        user('One'),
        { role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: { zone: 'b', city: 'a' } } }] },
        { role: 'tool', content: 'fine', tool_name: 'f' },
      ],
    }),
    rendered(containing('<call>{"name": "f", "arguments": {', 'tool: fine')),
    'tools',
  ),
  row(
    'a suffix is rendered into the template of the model',
    post('/api/generate', { ...chat, prompt: 'A', suffix: 'B' }),
    rendered(containing('A', 'B')),
    'insert',
  ),
  row(
    'images leave a mark before the text',
    post('/api/chat', { ...chat, messages: [{ ...user('See'), images: ['aGk='] }] }),
    rendered(/\[img-0\]\s*See/),
    'vision',
  ),
  row(
    'an [img] in the text says where an image stands',
    post('/api/chat', { ...chat, messages: [{ ...user('This [img] here'), images: ['aGk='] }] }),
    rendered(containing('This [img-0] here')),
    'vision',
  ),
  row(
    'text in the prompt is no template',
    post('/api/generate', { ...chat, prompt: '{{ .System }} {% if x %}' }),
    rendered(containing('{{ .System }} {% if x %}')),
    'completion',
  ),
])
