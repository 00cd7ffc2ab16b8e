import { describe, expect, it } from 'vitest'
import { checkImports } from '../../scripts/checks/imports.ts'
import { readTree } from '../../scripts/checks/source.ts'
import { planted } from './planted.ts'

function findingsIn(files: Readonly<Record<string, string>>): string[] {
  using project = planted(files)
  const findings = checkImports(readTree(project.root).sources)
  return findings.map(({ path, line, rule }) => `${path}:${line} ${rule}`)
}

describe('the import check', () => {
  it('accepts imports that run down the house', () => {
    const house = {
      'protocols/ref.ts': "import { Type } from 'typebox'\nimport { isUtf8 } from 'node:buffer'\n",
      'src/runtime/logic.ts': "export { setup } from 'xstate'\nimport '../../protocols/ref.ts'\n",
      'src/runtime/world.ts': "import { randomBytes } from 'node:crypto'\n",
      'actors/peer.ts': "import { setup } from '../src/runtime/logic.ts'\nimport type { A } from './task.ts'\n",
      'actors/task.ts': "import '../protocols/ref.ts'\n",
      'src/net/link.ts':
        "import { createServer } from 'node:net'\nimport '../../actors/peer.ts'\nimport './outbox.ts'\n",
      'src/net/outbox.ts': "import { version } from '../version.ts'\n",
      'src/version.ts': "import manifest from '../package.json' with { type: 'json' }\n",
      'src/config.ts': "import './config/kind.ts'\n",
      'src/config/kind.ts': "import '../../protocols/ref.ts'\n",
      'src/node.ts': "import './net/link.ts'\nimport './http/listener.ts'\nimport './config.ts'\n",
      'src/http/listener.ts': '',
      'src/cli/main.ts': "import '../config.ts'\nconst node = await import('../node.ts')\n",
      'test/any.test.ts': "import '../src/cli/main.ts'\nimport { setup } from 'xstate'\nawait import(name)\n",
      'vitest.config.ts': '',
    }
    expect(findingsIn(house)).toEqual([])
  })

  it.each([
    ['protocols/a.ts', '../src/runtime/b.ts'],
    ['src/runtime/a.ts', '../../actors/b.ts'],
    ['actors/a.ts', '../src/net/b.ts'],
    ['actors/a.ts', '../src/config.ts'],
    ['src/net/a.ts', '../http/b.ts'],
    ['src/store/a.ts', '../config.ts'],
    ['src/http/a.ts', '../node.ts'],
    ['src/config.ts', './store/b.ts'],
    ['src/node.ts', './cli/b.ts'],
    ['src/version.ts', '../protocols/b.ts'],
    ['src/cli/a.ts', '../../test/b.ts'],
    ['src/engine/a.ts', '../../bench/b.ts'],
    ['actors/a.ts', '../scripts/b.ts'],
    ['src/http/a.ts', '../../elsewhere/b.ts'],
  ])('finds that %s imports %s', (path, specifier) => {
    expect(findingsIn({ [path]: `import { b } from '${specifier}'\n` })).toEqual([`${path}:1 import-direction`])
  })

  it.each([
    ['a type', "import type { B } from '../src/net/b.ts'"],
    ['one type among values', "import { a, type B } from '../src/net/b.ts'"],
    ['a side effect', "import '../src/net/b.ts'"],
    ['a namespace', "import * as b from '../src/net/b.ts'"],
    ['a re-export', "export { b } from '../src/net/b.ts'"],
    ['a re-exported type', "export type { B } from '../src/net/b.ts'"],
    ['a star export', "export * from '../src/net/b.ts'"],
    ['a named star export', "export * as b from '../src/net/b.ts'"],
    ['several lines', "import {\n  a,\n  b,\n} from '../src/net/b.ts'"],
    ['a dynamic import', "const b = await import('../src/net/b.ts')"],
    ['an import type', "type B = import('../src/net/b.ts').B"],
    ['an import assignment', "import b = require('../src/net/b.ts')"],
    ['require', "const b = require('../src/net/b.ts')"],
    ['a comment in between', "import /* the link */ { b } from // here\n  '../src/net/b.ts'"],
  ])('sees %s', (_form, text) => {
    expect(findingsIn({ 'actors/a.ts': `\n${text}\n` })).toEqual(['actors/a.ts:2 import-direction'])
  })

  it('does not mistake text for imports', () => {
    const text = "// import '../src/net/b.ts'\nconst text = `import '../src/net/b.ts'`\n"
    expect(findingsIn({ 'actors/a.ts': text })).toEqual([])
  })

  it('finds an import whose target is computed', () => {
    expect(findingsIn({ 'src/net/a.ts': 'await import(name)\n' })).toEqual(['src/net/a.ts:1 computed-import'])
  })

  it('finds XState anywhere but behind its door', () => {
    expect(findingsIn({ 'actors/a.ts': "import type { Actor } from 'xstate'\n" })).toEqual([
      'actors/a.ts:1 xstate-door',
    ])
    expect(findingsIn({ 'src/runtime/cell.ts': "import { and } from 'xstate/guards'\n" })).toEqual([
      'src/runtime/cell.ts:1 xstate-door',
    ])
  })

  it.each(['protocols', 'actors', 'src/runtime'])('finds input and output in %s', (room) => {
    expect(findingsIn({ [`${room}/a.ts`]: "import { readFile } from 'node:fs/promises'\n" })).toEqual([
      `${room}/a.ts:1 pure-room`,
    ])
  })

  it('finds a file in no room', () => {
    expect(findingsIn({ 'helpers/a.ts': '' })).toEqual(['helpers/a.ts:1 unknown-room'])
    expect(findingsIn({ 'src/utilities/a.ts': '' })).toEqual(['src/utilities/a.ts:1 unknown-room'])
  })

  it('finds circles, through types and at any length, and prints the way round', () => {
    using project = planted({
      'actors/a.ts': "import { b } from './b.ts'\n",
      'actors/b.ts': "\nimport type { C } from './c.ts'\n",
      'actors/c.ts': "export * from './a.ts'\n",
      'actors/d.ts': "import './d.ts'\n",
    })
    const findings = checkImports(readTree(project.root).sources)
    expect(findings.map(({ path, rule, advice }) => [path, rule, advice.split(': ')[1]])).toEqual([
      ['actors/c.ts', 'import-cycle', 'actors/a.ts → actors/b.ts → actors/c.ts → actors/a.ts'],
      ['actors/d.ts', 'import-cycle', 'actors/d.ts → actors/d.ts'],
    ])
  })
})
