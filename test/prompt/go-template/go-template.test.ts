import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GoTemplate } from '../../../src/prompt/go-template/go-template.ts'
import { maxOutputLength, maxSteps } from '../../../src/prompt/go-template/limits.ts'
import { TemplateError } from '../../../src/prompt/go-template/template-error.ts'
import { data } from './data.ts'
import { goldens, refused } from './goldens.ts'

const now = new Date(2026, 2, 1, 12)
const execute = (source: string) => new GoTemplate(source).execute(data, now)

/** The error of a template; what it gives where there is none. */
function failure(source: string): unknown {
  try {
    return execute(source)
  } catch (error) {
    return error
  }
}

describe('a Go template', () => {
  it.each(goldens)('%j gives what Go gives', (source, output) => {
    expect(execute(source)).toBe(output)
  })

  it.each(refused)('%j is refused, as by Go', (source) => {
    expect(failure(source)).toBeInstanceOf(TemplateError)
  })

  it('knows today and yesterday on this machine’s calendar', () => {
    expect(execute('{{ currentDate }} {{ currentDate "2006" }} {{ yesterdayDate }}')).toBe(
      '2026-03-01 2026-03-01 2026-02-28',
    )
  })

  it('names line and column of what is wrong', () => {
    expect(failure('one\n  {{ nosuch }}')).toMatchObject({ line: 2, column: 6 })
    expect(failure('a\nb {{ .S.X }}')).toMatchObject({
      line: 2,
      column: 6,
      message: "template: :2:6: can't evaluate field X in type string",
    })
  })

  it('ends when it has taken too many steps, or written too much', () => {
    expect(String(failure('{{ range 1000000000 }}{{ end }}'))).toContain(`more than ${maxSteps} steps`)
    const twice = '{{ $x = printf "%s%s" $x $x }}'
    const grows = `{{ $x := "0123456789abcdef" }}${twice.repeat(40)}`
    expect(String(failure(grows))).toContain(`more than ${maxOutputLength} characters`)
  })

  it('ends when it is nested too deeply, or calls itself for ever', () => {
    expect(String(failure(`{{ ${'('.repeat(5000)}1${')'.repeat(5000)} }}`))).toContain('deep')
    expect(String(failure(`${'{{ if true }}'.repeat(5000)}${'{{ end }}'.repeat(5000)}`))).toContain('deep')
    expect(String(failure('{{ define "t" }}{{ template "t" }}{{ end }}{{ template "t" }}'))).toContain('depth')
  })

  it('gives back any text without actions', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('{{')),
        (text) => {
          expect(execute(text)).toBe(text)
        },
      ),
    )
  })

  it('gives a text or a TemplateError for anything, and nothing else', () => {
    const pieces =
      '{{|}}|{{-|-}}| |.S|.L|.M|.I|.Messages|$|$x|:=|=|,|(|)||| "a"|`b`|1|2.5|true|nil|if|else|end|range|with|define|template|block|break|continue|len|index|slice|printf|print|eq|lt|and|not|json|html|text'
    const source = fc.array(fc.constantFrom(...pieces.split('|'), '|', '\n', "'x'", '"%v"', '/*', '*/'), {
      maxLength: 30,
    })
    fc.assert(
      fc.property(source, (parts) => {
        const result = failure(parts.join(' '))
        expect(typeof result === 'string' || result instanceof TemplateError).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })

  it('gives a text or a TemplateError for any arguments of any function', () => {
    const value = fc.constantFrom(
      '.S',
      '.I',
      '.F',
      '.B',
      '.N',
      '.E',
      '.L',
      '.M',
      '.Messages',
      '1',
      '-1',
      '2.5',
      '"%5.2f%d%v"',
      'nil',
      'true',
    )
    const name = fc.constantFrom(
      'and',
      'or',
      'not',
      'eq',
      'ne',
      'lt',
      'le',
      'gt',
      'ge',
      'len',
      'index',
      'slice',
      'printf',
      'print',
      'println',
      'html',
      'js',
      'urlquery',
      'call',
      'json',
      'currentDate',
      'toTypeScriptType',
    )
    fc.assert(
      fc.property(name, fc.array(value, { maxLength: 4 }), (called, args) => {
        const result = failure(`{{ ${[called, ...args].join(' ')} }}`)
        expect(typeof result === 'string' || result instanceof TemplateError).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})
