import { describe, expect, it } from 'vitest'
import { progressBar, type Step, startProgress } from '../../src/cli/progress.ts'
import { recordedTerminal } from './kit.ts'
import { Screen } from './screen.ts'

const layer = (name: string, completed: number, total = 100): Step => ({
  ...{ status: `pulling ${name}`, digest: `sha256:${name}`, total, completed },
})

/** What a terminal of that size shows, its scrollback included, after these steps and the end. */
function shown(steps: readonly Step[], size = { columns: 60, rows: 24 }): string[] {
  const terminal = recordedTerminal({ interactive: true, size })
  const progress = startProgress(terminal)
  for (const step of steps) progress.show(step)
  progress.end()
  const screen = new Screen(size.columns)
  screen.write(terminal.noted())
  expect(screen.hasWrapped).toBe(false)
  return screen.text
}

describe('on a terminal', () => {
  it('every step has a line, and every layer a bar that stays one line', () => {
    const steps = [
      { status: 'pulling manifest' },
      ...Array.from({ length: 101 }, (_, completed) => layer('aaaa', completed)),
      layer('bbbb', 100),
      { status: 'writing manifest' },
    ]
    expect(shown(steps)).toEqual([
      'pulling manifest',
      expect.stringMatching(/^pulling aaaa 100% ▕█+▏ 100 B$/),
      expect.stringMatching(/^pulling bbbb 100% ▕█+▏ 100 B$/),
      'writing manifest',
      '',
    ])
  })

  it('what failed stays at where it was', () => {
    expect(shown([layer('aaaa', 57)])).toEqual([expect.stringMatching(/^pulling aaaa {2}57% ▕█+ +▏ 57 B\/100 B$/), ''])
  })

  it('more layers than rows scroll away when they are complete, each once', () => {
    const names = Array.from({ length: 40 }, (_, at) => `layer-${at}`)
    const begun = [0, 50, 100].flatMap((completed) => names.map((name) => layer(name, completed)))
    const lines = shown(begun, { columns: 60, rows: 5 }).slice(0, -1)
    expect(lines.map((line) => line.split(' ')[1]).toSorted()).toEqual(names.toSorted())
    expect(lines.every((line) => line.includes(' 100% '))).toBe(true)
  })

  it('it is drawn again while nothing happens, in the width that the terminal has by then', async () => {
    const size = { columns: 60, rows: 24 }
    const terminal = recordedTerminal({ interactive: true, size })
    const screen = new Screen(size.columns)
    let seen = 0
    const look = () => {
      screen.write(terminal.noted().slice(seen))
      seen = terminal.noted().length
      return screen.text
    }
    const progress = startProgress(terminal)
    try {
      progress.show(layer('aaaa', 57))
      expect(look()[0]).toMatch(/▏ 57 B\/100 B$/)
      size.columns = 30
      screen.resize(size.columns)
      await terminal.until('▏\x1b[K')
      expect(look()).toEqual([expect.stringMatching(/^pulling aaaa {2}57% ▕█+ +▏$/)])
    } finally {
      progress.end()
    }
  })

  it('control characters in a status are shown and not obeyed', () => {
    expect(shown([{ status: 'a\x1b[2Jb' }])).toEqual(['a\\x1b[2Jb', ''])
  })

  it('the bar of a file begins with its first bytes and leaves nothing where there were none', () => {
    const terminal = recordedTerminal({ interactive: true })
    progressBar('hashing x', 0, terminal).end()
    expect(terminal.noted()).toBe('')
    const bar = progressBar('hashing x', 10, terminal)
    bar.update(10)
    bar.end()
    expect(terminal.noted()).toMatch(/hashing x 100%.*\n$/s)
  })
})

describe('where no terminal is', () => {
  it('a step is a line when it begins, and a layer one when it is complete', () => {
    const terminal = recordedTerminal()
    const progress = startProgress(terminal)
    const counting = Array.from({ length: 101 }, (_, completed) => layer('aaaa', completed * 10_000_000, 1_000_000_000))
    const steps = [{ status: 'pulling manifest' }, { status: 'pulling manifest' }, ...counting, ...counting.slice(-1)]
    for (const step of [...steps, { status: 'pulling none', digest: 'sha256:none' }]) progress.show(step)
    progress.end()
    expect(terminal.noted()).toBe('pulling manifest\npulling aaaa 100%  1.0 GB\npulling none 100%  0 B\n')
  })

  it('the bar of a file is silent', () => {
    const terminal = recordedTerminal()
    const bar = progressBar('hashing x', 10, terminal)
    bar.update(10)
    bar.end()
    expect(terminal.noted()).toBe('')
  })
})
