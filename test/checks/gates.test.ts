/** Each gate of `.ci/run` fails on what it is there for, with the settings that the repository has. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { planted } from './planted.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(join(repository, path), 'utf8')

function run(script: string, ...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(repository, script), ...words], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { status, output: stdout + stderr }
}

describe('npm run check', () => {
  it('prints file, line, rule and advice, and fails', () => {
    using project = planted({ 'actors/a.ts': "\nimport '../src/net/b.ts'\n", 'src/net/b.ts': '' })
    const { status, output } = run('scripts/check.ts', project.root)
    expect(status).toBe(1)
    expect(output).toContain('actors/a.ts:2  import-direction  actors may import protocols, runtime, actors')
    expect(output).toContain('1 finding\n')
  })

  it('succeeds where there is nothing to find, and fails where there is nothing at all', () => {
    using tidy = planted({ 'actors/a.ts': '' })
    expect(run('scripts/check.ts', tidy.root).status).toBe(0)
    using empty = planted({ 'readme.md': '' })
    expect(run('scripts/check.ts', empty.root).status).toBe(1)
  })

  it('finds dead files, dead exports, and dependencies that are unused or not declared, by knip', () => {
    using project = planted({
      'package.json': JSON.stringify({
        type: 'module',
        bin: { 'omx-node': 'dist/src/cli/omx-node.js' },
        scripts: { 'omx-node': 'node src/cli/omx-node.ts' },
        dependencies: { 'left-behind': '1.0.0' },
      }),
      'knip.json': read('knip.json'),
      'tsconfig.json': read('tsconfig.json'),
      'src/cli/omx-node.ts': "import { used } from '../../protocols/used.ts'\nimport 'undeclared-package'\nused()\n",
      'protocols/used.ts': 'export function used() {}\nexport function deadExport() {}\n',
      'src/dead-file.ts': 'export {}\n',
    })
    const { status, output } = run('node_modules/knip/bin/knip.js', '--directory', project.root, '--no-progress')
    expect(status).toBe(1)
    for (const dead of ['src/dead-file.ts', 'deadExport', 'left-behind', 'undeclared-package']) {
      expect(output).toContain(dead)
    }
  })
})

describe('npm run lint', () => {
  it.each([
    ['an unused import', "import { a } from './a.ts'\n"],
    ['any', 'export const a: any = 1\n'],
    ['another layout', 'export const a = "1";\n'],
    ['a type imported as a value', "import { Config } from './a.ts'\n\nexport type A = Config\n"],
  ])('fails on %s', (_what, text) => {
    using project = planted({ 'biome.json': read('biome.json'), 'src/b.ts': text })
    const words = ['check', '--error-on-warnings', '--vcs-enabled=false', '--config-path', project.root]
    expect(run('node_modules/@biomejs/biome/bin/biome', ...words, project.root).status).toBe(1)
  })

  it('passes what is in order', () => {
    using project = planted({ 'biome.json': read('biome.json'), 'src/b.ts': "export const a = '1'\n" })
    const words = ['check', '--error-on-warnings', '--vcs-enabled=false', '--config-path', project.root]
    expect(run('node_modules/@biomejs/biome/bin/biome', ...words, project.root)).toMatchObject({ status: 0 })
  })
})

describe('npm run typecheck', () => {
  it.each([
    ['a wrong type', 'export const a: number = "1"\n', 'TS2322'],
    ['an enum, which cannot be stripped', 'export enum A {\n  B,\n}\n', 'TS1294'],
    ['a parameter property', 'export class A {\n  constructor(readonly b: number) {}\n}\n', 'TS1294'],
    ['a namespace', 'export namespace A {\n  export const b = 1\n}\n', 'TS1294'],
    ['an unchecked index', 'export const a = (list: number[]): number => list[0]\n', 'TS2322'],
  ])('fails on %s', (_what, text, code) => {
    const { compilerOptions } = JSON.parse(read('tsconfig.json')) as { compilerOptions: object }
    using project = planted({
      'tsconfig.json': JSON.stringify({ compilerOptions: { ...compilerOptions, types: [] }, include: ['src'] }),
      'package.json': '{ "type": "module" }',
      'src/a.ts': text,
    })
    const { status, output } = run('node_modules/typescript/bin/tsc', '-p', project.root)
    expect(status).not.toBe(0)
    expect(output).toContain(code)
  })
})
