import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Command, parseModelfile } from '../../src/modelfile/modelfile.ts'
import { quoted } from '../../src/modelfile/quote.ts'

describe('a Modelfile', () => {
  it('has commands in any case, comments, and arguments in quotes over several lines', () => {
    const text = [
      '\ufeff# of the house',
      'from ./tiny.gguf',
      '  Parameter TEMPERATURE 0.5',
      'PARAMETER stop "<end> "',
      '',
      'SYSTEM """You are a lighthouse.',
      '# no comment, and a " in it',
      '"""',
      'TEMPLATE "{{ .Prompt }}',
      '{{ .Response }}"',
      'MESSAGE user Who is there?',
      'RENDERER qwen3',
    ].join('\r\n')
    expect(parseModelfile(text)).toEqual([
      { name: 'from', text: './tiny.gguf' },
      { name: 'parameter', parameter: 'temperature', text: '0.5' },
      { name: 'parameter', parameter: 'stop', text: '<end> ' },
      { name: 'system', text: 'You are a lighthouse.\n# no comment, and a " in it\n' },
      { name: 'template', text: '{{ .Prompt }}\n{{ .Response }}' },
      { name: 'message', role: 'user', text: 'Who is there?' },
      { name: 'renderer', text: 'qwen3' },
    ])
  })

  it.each([
    ['', 'no FROM line'],
    ['FROM', 'line 1: FROM needs'],
    ['FROM a\nBREW tea', 'line 2: "brew" is no command'],
    ['FROM a\nMESSAGE cook Hello', 'message role must be one of'],
    ['FROM a\nPARAMETER seed', 'PARAMETER needs'],
    ['FROM a\nSYSTEM """never', 'line 2: the quotes of SYSTEM are never closed'],
    ['FROM a\nSYSTEM "never', 'never closed'],
  ])('%j is refused with its line', (text, words) => {
    expect(() => parseModelfile(text)).toThrow(words)
  })

  it('that show prints is read back as it was', () => {
    // What no quotes can hold: three of them before the end of a line; and a lone carriage return, which ends a line.
    const text = fc
      .array(fc.constantFrom('a', ' ', '"', '#', '\n', '\t', '\\', 'é', 'FROM b'), { maxLength: 30 })
      .map((parts) => parts.join(''))
      .filter((content) => !/"""[ \t]*\n/.test(content))
    fc.assert(
      fc.property(text, text, (system, content) => {
        const commands: readonly Command[] = [
          { name: 'from', text: 'base' },
          { name: 'system', text: system },
          { name: 'message', role: 'user', text: content },
        ]
        const printed = `FROM base\nSYSTEM ${quoted(system)}\nMESSAGE user ${quoted(content)}\n`
        expect(parseModelfile(printed)).toEqual(commands)
      }),
      { numRuns: 500 },
    )
  })

  it('of any text is read or refused, never otherwise, in time that grows with its length', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        try {
          parseModelfile(text)
        } catch (error) {
          expect(error).toMatchObject({ name: 'ModelfileError' })
        }
      }),
    )
    expect(() => parseModelfile(`FROM a\nSYSTEM """${'x\n'.repeat(200_000)}`)).toThrow('never closed')
  })
})
