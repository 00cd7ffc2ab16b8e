import { expect, it } from 'vitest'
import { createRenderer } from '../../src/prompt/renderer.ts'

const render = (chatTemplate: string) =>
  createRenderer({ bosToken: '', eosToken: '', addsBos: false, chatTemplate }).render({
    work: { kind: 'chat', messages: [{ role: 'user', content: 'x' }] },
    now: new Date(0),
  }).prompt

it.each([
  ['loops in loops', '{% for i in range(100000) %}{% for j in range(100000) %}{{ j }}{% endfor %}{% endfor %}'],
  ['loops that do nothing', '{% set r = range(100000) %}{% for i in r %}{% for j in r %}{% endfor %}{% endfor %}'],
  ['lists without a loop', '{% set r = range(100000) %}{% for i in r %}{{ r | sort | length }}{% endfor %}'],
])('a template with %s ends with an error after so many steps', (_, template) => {
  expect(() => render(template)).toThrow(/takes more than 1000000 steps/)
})

it.each([
  ['a range', '{{ range(1000000000) | length }}', /range of more than 100000/],
  [
    'a text',
    `{% set n = namespace(t='xxxxxxxx') %}{% for i in range(60) %}{% set n.t = n.t ~ n.t %}{% endfor %}`,
    /more than/,
  ],
])('a template that makes %s too large ends with an error', (_, template, error) => {
  expect(() => render(template)).toThrow(error)
})

it('a loop over a range does what it should', () => {
  expect(render('{% for i in range(1, 9, 3) %}{{ i }};{% endfor %}{{ range(3) | length }}{{ range(5, 2, -2) }}')).toBe(
    '1;4;7;3[5, 3]',
  )
})
