import { describe, expect, it } from 'vitest'
import { readTree } from '../../scripts/checks/source.ts'
import { checkTidy } from '../../scripts/checks/tidy.ts'
import { planted } from './planted.ts'

function findingsIn(files: Readonly<Record<string, string>>): string[] {
  using project = planted(files)
  return checkTidy(readTree(project.root)).map(({ path, line, rule }) => `${path}:${line} ${rule}`)
}

function lines(count: number, text = 'work()'): string {
  return `${text}\n`.repeat(count)
}

describe('the tidy check', () => {
  it('finds a file of more than 500 lines', () => {
    expect(findingsIn({ 'src/net/a.ts': lines(500) })).toEqual([])
    expect(findingsIn({ 'test/a.test.ts': lines(501) })).toEqual(['test/a.test.ts:501 file-length'])
  })

  it.each([
    ['a function', (body: string) => `function a() {\n${body}}\n`],
    ['an arrow function', (body: string) => `const a = () => {\n${body}}\n`],
    ['a method', (body: string) => `class A { a() {\n${body}} }\n`],
  ])('finds %s of more than 70 lines, in tests excepted', (_what, wrap) => {
    expect(findingsIn({ 'src/net/a.ts': wrap(lines(68)) })).toEqual([])
    expect(findingsIn({ 'src/net/a.ts': wrap(lines(69)) })).toEqual(['src/net/a.ts:1 function-length'])
    expect(findingsIn({ 'test/a.test.ts': wrap(lines(69)) })).toEqual([])
  })

  it.each([
    'Date.now()',
    'new Date()',
    'performance.now()',
    'Math.random()',
    'crypto.randomUUID()',
    'globalThis.crypto.randomUUID()',
    'process.nextTick(run)',
    'process.hrtime.bigint()',
    'AbortSignal.timeout(5)',
    'setTimeout(run, 5)',
    'setInterval(run, 5)',
    'setImmediate(run)',
    'queueMicrotask(run)',
    'globalThis.setTimeout(run, 5)',
    'const later = setTimeout',
    'const timers = { setTimeout }',
  ])('finds %s where only World may bring time and chance', (text) => {
    for (const room of ['protocols', 'actors', 'src/runtime']) {
      expect(findingsIn({ [`${room}/a.ts`]: `${text}\n` })).toEqual([`${room}/a.ts:1 outside-world`])
    }
    expect(findingsIn({ 'src/runtime/world.ts': text, 'src/net/a.ts': text })).toEqual([])
  })

  it("accepts World's own words and dates that are given", () => {
    const text = 'world.setTimeout(run, 5)\nconst world = { setTimeout: run }\nnew Date(wallMs)\nMath.floor(1)\n'
    expect(findingsIn({ 'actors/a.ts': `${text}interface World { setTimeout(run: () => void): void }\n` })).toEqual([])
  })

  it.each(['TODO', 'FIXME', 'XXX'])('finds %s in comments and texts', (word) => {
    expect(findingsIn({ 'src/net/a.ts': `work()\n// ${word}: later\n` })).toEqual(['src/net/a.ts:2 leftover'])
    expect(findingsIn({ 'docs/a.md': `\n${word}\n` })).toEqual(['docs/a.md:2 leftover'])
    expect(findingsIn({ 'src/net/a.ts': `const word = '${word}'\n` })).toEqual([])
  })

  it.each(['it.only(', 'describe.skip(', 'test.todo(', 'it.only.each([1])(', 'it.concurrent.skip('])(
    'finds %s',
    (call) => {
      expect(findingsIn({ 'test/a.test.ts': `${call}'works', () => {})\n` })).toContain('test/a.test.ts:1 test-marker')
    },
  )

  it('accepts skip and only as words of other things', () => {
    const text = "stream.skip(3)\nit.skipIf(windows)('works', () => {})\nexpect(list.only()).toBe(1)\n"
    expect(findingsIn({ 'test/a.test.ts': text })).toEqual([])
  })

  it.each(["const path = '/root/data'", '// see /work/notes.md', "const path = '/home/ada/omx'"])(
    'finds a path of one machine: %s',
    (text) => {
      expect(findingsIn({ 'src/net/a.ts': `${text}\n` })).toEqual(['src/net/a.ts:1 machine-path'])
      expect(findingsIn({ 'docs/a.md': `${text}\n` })).toEqual(['docs/a.md:1 machine-path'])
    },
  )

  it('accepts paths that only look like one', () => {
    const text =
      "const a = 'https://example.org/home/page'\nconst b = '~/work/omx'\nconst c = './root/a'\nconst d = '/workers'\n"
    expect(findingsIn({ 'src/net/a.ts': text })).toEqual([])
  })

  it('finds a registry that not everybody has', () => {
    expect(findingsIn({ '.npmrc': 'fund=false\nregistry=https://npm.example.org\n' })).toEqual(['.npmrc:2 registry'])
    const resolved = (host: string) => `{ "resolved": "https://${host}/a/-/a-1.0.0.tgz" }\n`
    expect(findingsIn({ 'package-lock.json': resolved('npm.example.org') })).toEqual(['package-lock.json:1 registry'])
    expect(findingsIn({ 'package-lock.json': resolved('registry.npmjs.org') })).toEqual([])
  })

  it('finds a handler of every event in a machine', () => {
    const machine = (event: string) =>
      `setup({}).createMachine({\n  options: { maxIterations: 9 },\n  on: { '${event}': {} },\n})\n`
    expect(findingsIn({ 'actors/a.ts': machine('*') })).toEqual(['actors/a.ts:3 wildcard-handler'])
    expect(findingsIn({ 'actors/a.ts': machine('task.*') })).toEqual([])
  })

  it('finds a machine that may loop for ever', () => {
    expect(findingsIn({ 'actors/a.ts': 'setup({})\n  .createMachine({ initial: 1 })\n' })).toEqual([
      'actors/a.ts:2 endless-machine',
    ])
    expect(findingsIn({ 'actors/a.ts': 'setup({}).createMachine({ options: { maxIterations: 9 } })\n' })).toEqual([])
    expect(findingsIn({ 'actors/a.ts': 'setup({}).createMachine({ options: machineOptions })\n' })).toEqual([])
  })

  it('finds a file that does not parse', () => {
    expect(findingsIn({ 'src/net/a.ts': '\nconst = 1\n' })).toEqual(['src/net/a.ts:2 syntax'])
  })

  it('leaves alone what is installed or built', () => {
    expect(findingsIn({ 'node_modules/a/b.ts': lines(501), 'dist/a.ts': lines(501) })).toEqual([])
  })
})
