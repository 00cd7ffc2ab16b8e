import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { main } from '../../src/cli/main.ts'
import { writeRunFile } from '../../src/store/run-file.ts'
import { answering, answers, recordedTerminal } from './kit.ts'

const status = {
  node: '12D3KooWlovelace',
  name: 'lovelace',
  version: '0.1.0',
  state: 'serving',
  uptimeMs: 65_000,
  api: '127.0.0.1:11434',
  p2p: ['/ip4/127.0.0.1/tcp/11435/p2p/12D3KooWlovelace', '/ip4/10.0.0.1/tcp/11435/p2p/12D3KooWlovelace'],
  peers: { healthy: 1, total: 2 },
  models: 3,
  loaded: 1,
  tasks: { active: 4, queued: 5 },
}
const peer = {
  node: '12D3KooWcharlesbabbage',
  name: 'babbage',
  state: 'healthy',
  sinceMs: 60_000,
  reason: '',
  addresses: ['/ip4/10.0.0.2/tcp/11435'],
  rttMs: 1.25,
  lastSeenMs: 300,
  software: 'omx-node/0.1.0',
  models: 1,
  loaded: 0,
  active: 0,
}
const actor = { state: 'running', waiting: 0, restarts: 0, epoch: 1, lastExit: null }

let data: string

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'omx-cli-'))
})

afterEach(async () => {
  await rm(data, { recursive: true })
})

async function run(words: readonly string[], init: Parameters<typeof recordedTerminal>[0] = {}) {
  const terminal = recordedTerminal(init)
  const code = await main(words, terminal)
  return { code, printed: terminal.printed(), noted: terminal.noted() }
}

describe('status', () => {
  it('prints one node at a glance', async () => {
    await using node = await answering(answers({ '/omx/v1/status': status }))
    const { code, printed } = await run(['status', '--api', node.api])
    expect(code).toBe(0)
    expect(printed).toContain('state     serving for 1 min\n')
    expect(printed).toContain('peers     1 healthy of 2\n')
    expect(printed).toContain(`p2p       ${status.p2p[0]}\n          ${status.p2p[1]}\n`)
  })

  it('prints the answer itself with --json', async () => {
    await using node = await answering(answers({ '/omx/v1/status': status }))
    expect(JSON.parse((await run(['status', '--api', node.api, '--json'])).printed)).toEqual(status)
  })

  it('finds the node that runs on the data folder', async () => {
    await using node = await answering(answers({ '/omx/v1/status': status }))
    const { api } = node
    const run_ = { pid: process.pid, p2p: [], node: 'n', name: 'n', token: 't', startedAt: '2026-01-01T00:00:00Z' }
    await writeRunFile(data, { ...run_, api: `http://${api}` })
    expect((await run(['status', '--data', data])).code).toBe(0)
    expect((await run(['status'], { env: { OMX_DATA: data } })).code).toBe(0)
  })

  it('says what to do when no node runs on the folder', async () => {
    const { code, noted } = await run(['status', '--data', data])
    expect(code).toBe(1)
    expect(noted).toBe(
      `omx-node: No node runs on ${data}. Start one with \`omx-node start\`, or name one with --api HOST:PORT or --data DIR.\n`,
    )
  })

  it('says what to do when nobody answers any more', async () => {
    const node = await answering(answers({}))
    await node[Symbol.asyncDispose]()
    const { code, noted } = await run(['status', '--api', node.api])
    expect(code).toBe(1)
    expect(noted).toContain(`No node answers at http://${node.api} (ECONNREFUSED)`)
  })

  it('tells another server from a node, and a refusal from both', async () => {
    await using other = await answering(answers({}))
    expect((await run(['status', '--api', other.api])).noted).toContain('it is not an omx-node of this version')
    await using odd = await answering(answers({ '/omx/v1/status': { name: 'half' } }))
    expect((await run(['status', '--api', odd.api])).noted).toContain('it is not an omx-node of this version')
    await using refusing = await answering((_request, response) => {
      response.writeHead(503).end('{"error":"this node is stopping"}')
    })
    expect((await run(['status', '--api', refusing.api])).noted).toContain('this node is stopping')
  })

  it('refuses an address that is none', async () => {
    expect((await run(['status', '--api', 'host:port:more'])).noted).toContain('expected HOST:PORT')
  })
})

describe('peers and models', () => {
  it('align what they list', async () => {
    const why = 'silent for 4.2 s; none of 3 others hears it'
    const stranger = { ...peer, name: '', rttMs: null, addresses: [], lastSeenMs: 7_200_000, reason: why }
    await using node = await answering(answers({ '/omx/v1/peers': { peers: [peer, stranger] } }))
    const [title = '', first = '', second = ''] = (await run(['peers', '--api', node.api])).printed.split('\n')
    expect(first).toMatch(/^babbage {2}…sbabbage {2}healthy {2}\s*1 min {2}1\.3 ms {2}0 s ago/)
    expect(second).toMatch(/^\? {8}…sbabbage {2}healthy {2}\s*1 min {7}- {2}2 h ago.*none of 3 others hears it$/)
    expect(title.indexOf('STATE')).toBe(first.indexOf('healthy'))
  })

  it('say what to do next when there are none', async () => {
    await using node = await answering(answers({ '/omx/v1/peers': { peers: [] }, '/omx/v1/models': { models: [] } }))
    expect((await run(['peers', '--api', node.api])).printed).toContain('--join')
    expect((await run(['models', '--api', node.api])).printed).toContain('omx-node import')
  })

  it('name every holder of a version', async () => {
    const holders = [
      { node: 'a', name: 'lovelace', loaded: true },
      { node: 'b', name: 'babbage', loaded: false },
    ]
    const models = [{ name: 'tiny:latest', digest: 'ab'.repeat(32), size: 4_661_211_808, holders }]
    await using node = await answering(answers({ '/omx/v1/models': { models } }))
    expect((await run(['models', '--api', node.api])).printed).toContain(
      'tiny:latest  abababababab  4.7 GB  lovelace (loaded), babbage\n',
    )
    expect(JSON.parse((await run(['models', '--api', node.api, '--json'])).printed)).toEqual({ models })
  })

  it('show control characters in a name instead of obeying them', async () => {
    await using node = await answering(answers({ '/omx/v1/peers': { peers: [{ ...peer, name: 'a\x1b[2Jb' }] } }))
    expect((await run(['peers', '--api', node.api])).printed).toContain('a\\x1b[2Jb')
  })
})

describe('inspect', () => {
  const actors = [
    { ...actor, path: 'network' },
    { ...actor, path: 'peers' },
    { ...actor, path: 'peers/peer-1', state: 'healthy', waiting: 3 },
    { ...actor, path: 'peers/peer-1/health-check', restarts: 2, lastExit: 'crash: Error: no route' },
    { ...actor, path: 'scheduler' },
  ]
  const tree = [
    'lovelace (id)',
    '├─ network             running',
    '├─ peers               running',
    '│  └─ peer-1           healthy  3 waiting',
    '│     └─ health-check  running  2 restarts, last exit: crash: Error: no route',
    '└─ scheduler           running',
    '',
  ].join('\n')

  it('draws the tree, each actor below its supervisor', async () => {
    await using node = await answering(answers({ '/omx/v1/inspect': { node: 'id', name: 'lovelace', actors } }))
    expect((await run(['inspect', '--api', node.api])).printed).toBe(tree)
  })

  it('asks about the peer that is named', async () => {
    let asked = ''
    await using node = await answering((request, response) => {
      asked = request.url ?? ''
      response.end(JSON.stringify({ node: 'id', name: 'attic', actors: [] }))
    })
    await run(['inspect', '--api', node.api, '--peer', 'the attic'])
    expect(asked).toBe('/omx/v1/inspect?peer=the+attic')
  })

  it('draws it again with --watch until a signal', async () => {
    let count = 0
    await using node = await answering((_request, response) => {
      count += 1
      response.end(JSON.stringify({ node: 'id', name: `draw ${count}`, actors: [] }))
    })
    const terminal = recordedTerminal({ interactive: true })
    const done = main(['inspect', '--api', node.api, '--watch'], terminal)
    await terminal.until('draw 2')
    terminal.signal('SIGINT')
    expect(await done).toBe(0)
    expect(terminal.printed()).toContain('\x1b[H\x1b[2J\x1b[3Jdraw 2 (id)')
  })

  const asksFailed = { absent: 0, full: 0, expired: 0, unreachable: 0, invalid: 0, down: 0, timeout: 0 }
  const deadLetters = { absent: 0, full: 0, expired: 0, unreachable: 0, invalid: 0 }
  const counters = (atMs: number, told: number) => ({
    ...{ atMs, told, handled: told - 1, restarts: 1, links: 2, asks: 8, asksOpen: 2 },
    asksFailed: { ...asksFailed, timeout: 3 },
    deadLetters: { ...deadLetters, full: 4 },
    rejected: { evil: 5 },
  })
  const busy = (atMs: number, told: number) => ({
    node: 'id',
    name: 'lovelace',
    actors: [
      {
        ...{
          ...actor,
          path: 'node',
          born: 7,
          waiting: 2,
          capacity: 64,
          oldestMs: 1500,
          handled: told,
          refused: 4,
          owes: 1,
        },
        ...{ longestMs: 120, runs: [{ name: 'reading', forMs: 3210 }] },
      },
    ],
    counters: counters(atMs, told),
    dead: [{ path: 'node/tasks/1', epoch: 3, restarts: 0, handled: 9, exit: 'crash: boom', agoMs: 2000 }],
    asks: [{ ask: 'id/$ask/1', asker: 'node', asked: 'id/node/b', type: 'health.probe', ageMs: 3200, leftMs: 1800 }],
  })

  it('shows what passes through each actor and what it waits for, the node’s counters, and the dead', async () => {
    await using node = await answering(answers({ '/omx/v1/inspect': busy(1000, 500) }))
    expect((await run(['inspect', '--api', node.api])).printed).toBe(
      [
        'lovelace (id)',
        '└─ node  running  2 waiting for 1.5 s, 500 handled, 4 refused, asks node/b (health.probe, 3.2 s), runs reading for 3.2 s, owes 1 answer, once took 120 ms',
        'gone 2.0 s ago: node/tasks/1  crash: boom',
        'told 500  handled 499  asks 8 (2 open, failed: timeout 3)  dead letters 4: full 4  restarts 1  links opened 2  frames refused 5: from evil 5',
        '',
      ].join('\n'),
    )
  })

  it('computes rates between two looks with --watch on a terminal', async () => {
    let looks = 0
    await using node = await answering((_request, response) => {
      looks += 1
      response.end(JSON.stringify(busy(1000 + looks * 2000, looks * 500)))
    })
    const terminal = recordedTerminal({ interactive: true })
    const done = main(['inspect', '--api', node.api, '--watch'], terminal)
    await terminal.until('told 250/s  handled 250/s')
    terminal.signal('SIGINT')
    expect(await done).toBe(0)
    expect(terminal.printed()).toContain('2 waiting for 1.5 s, 250/s, 4 refused')
  })

  it('prints a line a look with --watch where no terminal is, and objects with --json', async () => {
    let looks = 0
    await using node = await answering((_request, response) => {
      looks += 1
      response.end(JSON.stringify(busy(1000 + looks * 2000, looks * 500)))
    })
    for (const [words, expected] of [
      [['--watch'], /^[\d:.]+ {2}told 500 {2}.*\n[\d:.]+ {2}told 250\/s {2}.*\n/],
      [['--watch', '--json'], /^\{"node":.*\}\n\{"node":.*\}\n/],
    ] as const) {
      looks = 0
      const terminal = recordedTerminal()
      const done = main(['inspect', '--api', node.api, ...words], terminal)
      await terminal.until(words.length === 1 ? '/s' : '"told":1000')
      terminal.signal('SIGINT')
      expect(await done).toBe(0)
      expect(terminal.printed()).toMatch(expected)
    }
  })

  it('says of a node that started anew what it has counted, not a rate', async () => {
    const told = [500, 20]
    await using node = await answering((_request, response) => {
      response.end(JSON.stringify(busy(told.length === 2 ? 9000 : 10_000, told.shift() ?? 0)))
    })
    const terminal = recordedTerminal({ interactive: true })
    const done = main(['inspect', '--api', node.api, '--watch'], terminal)
    await terminal.until('told 20 ')
    terminal.signal('SIGINT')
    expect(await done).toBe(0)
  })

  it('shows actors that wait for each other, and what to do', async () => {
    const wait = (asker: string, asked: string, ageMs: number) => {
      return { asker, asked, type: 'report.request', ageMs, leftMs: 5000 - ageMs }
    }
    const far = '12D3KooWcharlesbabbage'
    const deadlocks = [[wait('id/node/a', `${far}/node/b`, 3200), wait(`${far}/node/b`, 'id/node/a', 3100)]]
    await using node = await answering(answers({ '/omx/v1/inspect': { node: 'id', name: 'n', actors: [], deadlocks } }))
    expect((await run(['inspect', '--api', node.api])).printed).toContain(
      'deadlock: node/a waits for …sbabbage/node/b (report.request, 3.2 s), …sbabbage/node/b waits for node/a (report.request, 3.1 s)\n' +
        '  The first of these asks times out in 1.8 s. Watch it with: omx-node inspect --follow node/a. One of them must answer before it asks.\n',
    )
    expect((await run(['inspect', '--api', node.api, '--peer', 'attic'])).printed).toContain(
      'Watch it with: omx-node inspect --peer attic --follow node/a.',
    )
  })

  it.each([
    [
      [],
      '12:00:00.000  exited  node/x  crash: boom\n',
      '7 missed: more happened than is kept\n12:00:00.000  deadLetter  node/y  (3 times)\n',
    ],
    [['--json'], '{"sequence":11,', '{"missed":7}\n{"sequence":20,'],
  ] as const)(
    'prints facts with --facts %j after the cursor of the last answer, and what was missed',
    async (words, first, second) => {
      const asked: string[] = []
      const atMs = Date.UTC(2026, 0, 1, 12)
      const exited = { sequence: 11, atMs, kind: 'exited', subject: 'node/x', detail: 'crash: boom', count: 1 }
      const lost = { sequence: 20, atMs, kind: 'deadLetter', subject: 'node/y', detail: '', count: 3 }
      await using node = await answering((request, response) => {
        asked.push(request.url ?? '')
        const news = [
          { facts: [exited], cursor: 11, missed: 0 },
          { facts: [lost], cursor: 20, missed: 7 },
        ][asked.length - 1] ?? { facts: [], cursor: 20, missed: 0 }
        response.end(JSON.stringify({ node: 'id', name: 'attic', ...news }))
      })
      const terminal = recordedTerminal()
      const done = main(['inspect', '--api', node.api, '--peer', 'attic', '--facts', ...words], terminal)
      await terminal.until(second)
      terminal.signal('SIGTERM')
      expect(await done).toBe(0)
      expect(terminal.printed().startsWith(first)).toBe(true)
      expect(asked.slice(0, 2)).toEqual([
        '/omx/v1/inspect/facts?peer=attic',
        '/omx/v1/inspect/facts?peer=attic&cursor=11',
      ])
    },
  )

  it('looks in one way at a time', async () => {
    const { code, noted } = await run(['inspect', '--facts', '--follow', 'node/x'])
    expect([code, noted]).toEqual([1, expect.stringContaining("option '--facts' cannot be used with option '--follow")])
  })

  it('prints transitions with --follow as they come, and ends when a signal does', async () => {
    const line = { path: 'scheduler', from: 'idle', to: 'placing', event: 'task.new', at: Date.UTC(2026, 0, 1, 12) }
    await using node = await answering((_request, response) => {
      response.write(`${JSON.stringify(line)}\n`)
    })
    const terminal = recordedTerminal()
    const done = main(['inspect', '--api', node.api, '--follow', 'scheduler'], terminal)
    await terminal.until('\n')
    terminal.signal('SIGTERM')
    expect(await done).toBe(0)
    expect(terminal.printed()).toBe('12:00:00.000  scheduler  idle → placing  (task.new)\n')
  })

  it('ends --follow with the reason that the node gives', async () => {
    await using node = await answering((_request, response) => response.end('{"error":"no actor has this path"}\n'))
    const { code, noted } = await run(['inspect', '--api', node.api, '--follow', 'nobody'])
    expect([code, noted]).toEqual([1, 'omx-node: no actor has this path\n'])
  })

  it.each([
    ['not JSON', 'not json\n'],
    ['another shape', '{"path":1}\n'],
    ['an endless line', 'x'.repeat(70_000)],
  ])('refuses a stream with %s', async (_what, body) => {
    await using node = await answering((_request, response) => response.end(body))
    expect((await run(['inspect', '--api', node.api, '--follow', 'a'])).code).toBe(1)
  })
})

describe('a wrong command line', () => {
  it.each([
    [['stats'], "omx-node: unknown command 'stats'. Did you mean status?\n"],
    [['start', '--keepalive', '5m'], "omx-node: unknown option '--keepalive'. Did you mean --keep-alive?\n"],
    [['import', 'tiny'], "omx-node: missing required argument 'FILE'.\n"],
  ])('%j is refused in one sentence with exit code 1', async (words, sentence) => {
    expect(await run(words)).toEqual({ code: 1, printed: '', noted: sentence })
  })

  it('is refused with every bad setting on a line of its own', async () => {
    const { code, noted } = await run(['start', '--slots', 'x', '--engine', 'y'])
    expect(code).toBe(1)
    expect(noted.split('\n').filter((line) => line.startsWith('omx-node: '))).toHaveLength(2)
  })
})

it('help and version are answers, not errors', async () => {
  expect(await run(['--version'])).toMatchObject({ code: 0, printed: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
  const { code, printed } = await run(['start', '--help'])
  expect(code).toBe(0)
  for (const flag of ['--api', '--p2p', '--join', '--no-mdns', '--keep-alive', '--insecure-open', '--config']) {
    expect(printed).toContain(flag)
  }
})
