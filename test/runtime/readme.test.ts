import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const readme = readFileSync(new URL('../../src/runtime/README.md', import.meta.url), 'utf8')
const claims = readme.slice(readme.indexOf('## Guaranteed'), readme.indexOf('## Not guaranteed')).split('\n')
const holders = claims.flatMap((line) => {
  const [, file, title] = /^ {2}`([a-z-]+)` (.+)$/.exec(line) ?? []
  return file === undefined || title === undefined ? [] : [{ file, title }]
})

describe('the page of guarantees', () => {
  it('names tests that exist', () => {
    const sources = new Map(
      readdirSync(new URL('.', import.meta.url))
        .filter((name) => name.endsWith('.test.ts'))
        .map((name) => [name.replace('.test.ts', ''), readFileSync(new URL(name, import.meta.url), 'utf8')]),
    )
    const missing = holders.filter(({ file, title }) => !sources.get(file)?.includes(`'${title}'`))
    expect(missing).toEqual([])
    expect(holders.length).toBeGreaterThan(20)
  })

  it('names a test under every sentence', () => {
    const unheld = claims.filter((line, i) => line.startsWith('- ') && !claims[i + 1]?.startsWith('  `'))
    expect(unheld).toEqual([])
  })
})
