import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { displayName, fullName, type ModelName, parseModelName, sameName } from '../../protocols/model-name.ts'

const first = fc.constantFrom(...'ABZabz019_')
const part = (rest: string) =>
  fc
    .tuple(first, fc.string({ unit: fc.constantFrom(...'ABZabz019_-', ...rest), maxLength: 79 }))
    .map(([head, tail]) => head + tail)

const names: fc.Arbitrary<ModelName> = fc.record({
  host: fc.oneof(fc.constant('registry.ollama.ai'), part('.:')),
  namespace: fc.oneof(fc.constant('library'), part('')),
  model: part('.'),
  tag: fc.oneof(fc.constant('latest'), part('.')),
})

describe('model names', () => {
  it.each([
    ['llama3.2', 'registry.ollama.ai/library/llama3.2:latest', 'llama3.2:latest'],
    ['llama3.2:3b', 'registry.ollama.ai/library/llama3.2:3b', 'llama3.2:3b'],
    ['user/m', 'registry.ollama.ai/user/m:latest', 'user/m:latest'],
    ['hf.co/u/m:Q4_K_M', 'hf.co/u/m:Q4_K_M', 'hf.co/u/m:Q4_K_M'],
    ['localhost:5000/u/m', 'localhost:5000/u/m:latest', 'localhost:5000/u/m:latest'],
    ['http://localhost:5000/u/m:x', 'localhost:5000/u/m:x', 'localhost:5000/u/m:x'],
    ['hf.co/library/m', 'hf.co/library/m:latest', 'hf.co/library/m:latest'],
    ['Registry.Ollama.AI/Library/M', 'Registry.Ollama.AI/Library/M:latest', 'M:latest'],
  ])('%s means %s and is shown as %s', (text, full, shown) => {
    const name = parseModelName(text)
    expect(name && fullName(name)).toBe(full)
    expect(name && displayName(name)).toBe(shown)
  })

  it.each([
    '',
    ':latest',
    'm:',
    '/m',
    'm/',
    'a//m',
    '..',
    '../m',
    'a/../m',
    '../../../etc:passwd',
    '.hidden',
    '-m',
    'm:.t',
    'm m',
    'm\\n',
    'm\n',
    'ü',
    'a.b/m',
    'a/b/c/m',
    'm@sha256:00',
    'h/n/m:t:u/',
    `${'m'.repeat(81)}`,
    `m:${'t'.repeat(81)}`,
    `${'n'.repeat(81)}/m`,
    `${'h'.repeat(351)}/n/m`,
  ])('%j is no name', (text) => {
    expect(parseModelName(text)).toBeUndefined()
  })

  it('takes parts of the longest allowed length', () => {
    expect(parseModelName(`${'h'.repeat(350)}/${'n'.repeat(80)}/${'m'.repeat(80)}:${'t'.repeat(80)}`)).toBeDefined()
  })

  it('reads what it shows as the same name', () => {
    fc.assert(
      fc.property(names, (name) => {
        const shown = parseModelName(displayName(name))
        expect(shown !== undefined && sameName(shown, name)).toBe(true)
        expect(parseModelName(fullName(name))).toEqual(name)
      }),
    )
  })

  it('never yields a part that is no plain path component', () => {
    const texts = fc.string({ unit: fc.constantFrom(...'a.:/\\-_~ \0', '..', '://'), maxLength: 30 })
    fc.assert(
      fc.property(texts, (text) => {
        const name = parseModelName(text)
        for (const component of Object.values(name ?? {})) {
          expect(component).not.toMatch(/[/\\\0 ~]/)
          expect(component).toMatch(/^[^.]/)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('compares without regard to case', () => {
    const [lower, upper, other] = ['m:latest', 'M:LATEST', 'm:other'].map((text) => parseModelName(text) as ModelName)
    expect(sameName(lower as ModelName, upper as ModelName)).toBe(true)
    expect(sameName(lower as ModelName, other as ModelName)).toBe(false)
  })
})
