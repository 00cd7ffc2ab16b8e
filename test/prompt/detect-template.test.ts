import { describe, expect, it } from 'vitest'
import { detectTemplate } from '../../src/prompt/detect-template.ts'

const tokens = { bosToken: '<s>', eosToken: '</s>', addsBos: true }
const detect = (source: string, more: Partial<typeof tokens> = {}) => detectTemplate({ source, ...tokens, ...more })

/** One line for each message: `{{ head }}{{ content }}{{ tail }}`. */
const eachMessage = (text: string, end: string): string =>
  `{% for m in messages %}{{ ${text} }}{% endfor %}{% if add_generation_prompt %}{{ ${end} }}{% endif %}`

const chatml = eachMessage(
  "'<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n'",
  "'<|im_start|>assistant\\n'",
)

describe('the Go template of a Jinja template', () => {
  it.each([
    ['chatml', chatml],
    ['chatml', `{{ bos_token }}${chatml}`],
    [
      'chatml',
      // Worded quite otherwise, for the same prompts.
      `{%- macro turn(role, text) -%}{{ '<|im_start|>' ~ role ~ '\\n' ~ text ~ '<|im_end|>\\n' }}{%- endmacro -%}
{%- for m in messages -%}{{ turn(m.role, m.content) }}{%- endfor -%}{{ '<|im_start|>assistant\\n' }}`,
    ],
    [
      'llama3-instruct',
      `{{ bos_token }}${eachMessage(
        "'<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] + '<|eot_id|>'",
        "'<|start_header_id|>assistant<|end_header_id|>\\n\\n'",
      )}`,
    ],
    ['phi-3', eachMessage("'<|' + m['role'] + '|>' + '\\n' + m['content'] + '<|end|>\\n'", "'<|assistant|>\\n'")],
    [
      'zephyr',
      `{% for m in messages %}
{% if m['role'] == 'user' %}
{{ '<|user|>\\n' + m['content'] + eos_token }}
{% elif m['role'] == 'system' %}
{{ '<|system|>\\n' + m['content'] + eos_token }}
{% elif m['role'] == 'assistant' %}
{{ '<|assistant|>\\n' + m['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}`,
    ],
    ...['eos_token', "eos_token + ' '"].map((end): [string, string] => [
      'mistral-instruct',
      `{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('they take turns') }}{% endif %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% else %}{{ m['content'] + ${end} }}{% endif %}{% endfor %}`,
    ]),
    [
      'openchat',
      `{{ bos_token }}${eachMessage(
        "'GPT4 Correct ' + m['role'].title() + ': ' + m['content'] + '<|end_of_turn|>'",
        "'GPT4 Correct Assistant:'",
      )}`,
    ],
  ])('is that of %s where the prompts are the same', (name, source) => {
    expect(detect(source)?.name).toBe(name)
  })

  it.each([
    ['trims what people write', chatml.replace("m['content']", "m['content'] | trim")],
    ['adds a system text of its own', `{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}${chatml}`],
    ['leaves an answer out', chatml.replace('{{ ', "{{ '' if m['role'] == 'assistant' else ")],
    ['differs in a blank', chatml.replace("'<|im_end|>\\n'", "'<|im_end|> \\n'")],
    ['knows tools', `${chatml}{% if tools %}{{ tools | tojson }}{% endif %}`],
    ['shows thoughts', `${chatml}{% if enable_thinking %}<think></think>{% endif %}`],
    ['refuses every conversation', "{{ raise_exception('no') }}"],
    ['cannot be read', '{% for %}'],
    ['never ends', '{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}'],
    ['is empty', ''],
  ])('is unknown where the template %s', (_, source) => {
    expect(detect(source)).toBeUndefined()
  })

  it('is unknown where it ends turns with another token than the format has', () => {
    const zephyr = eachMessage("'<|' + m['role'] + '|>\\n' + m['content'] + eos_token + '\\n'", "'<|assistant|>\\n'")
    expect(detect(zephyr)?.name).toBe('zephyr')
    expect(detect(zephyr, { eosToken: '<|eot|>' })).toBeUndefined()
  })

  it('is unknown where the mark of the beginning would be lost: the tokenizer does not write it', () => {
    expect(detect(`{{ bos_token }}${chatml}`, { addsBos: false })).toBeUndefined()
    expect(detect(chatml, { addsBos: false })?.name).toBe('chatml')
  })
})
