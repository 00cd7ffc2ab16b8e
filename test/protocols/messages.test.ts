import { describe, expect, it } from 'vitest'
import { maxActorFrameBytes } from '../../protocols/actor.ts'
import { encode } from '../../protocols/codec.ts'
import { checkRemoteMessage, checkReply } from '../../protocols/messages.ts'
import type { Message } from '../../protocols/ref.ts'
import { report } from './examples.ts'

const me = '12D3KooWMe'
const hello: Message = {
  type: 'peer.hello',
  name: 'attic',
  software: 'ollamamax/0.1.0',
  boot: 1,
  incarnation: 2,
  answer: false,
  addresses: ['/ip4/192.0.2.1/tcp/11435'],
  report,
}

const codeOf = (path: string, message: Message, sender = me) => checkRemoteMessage(path, message, sender)?.code

const allowed: ReadonlyArray<readonly [string, Message]> = [
  [`node/peers/${me}`, hello],
  [`node/peers/${me}`, { type: 'peer.heartbeat', incarnation: 2, reportVersion: 3, kind: 'probe' }],
  ['node/peers/12D3KooWOther', { type: 'peer.heard' }],
  ['node/membership', { type: 'members.claims', claims: [{ node: me, incarnation: 2, status: 'suspect' }] }],
  ['node/membership', { type: 'members.compare', fingerprint: 'f'.repeat(64) }],
  [`node/peers/${me}`, { type: 'peer.goodbye' }],
  ['node/reporter', { type: 'report.request' }],
  ['node/health', { type: 'health.probe' }],
  ['node/models', { type: 'models.show', name: 'tiny', verbose: true, offset: 0 }],
  ['node/models', { type: 'models.copy', source: 'tiny', destination: 'small' }],
  ['node/models', { type: 'models.delete', name: 'tiny' }],
  ['node/worker', { type: 'engine.unload', digest: 'a'.repeat(64) }],
  ['node/inspector', { type: 'inspector.snapshot' }],
  ['node/inspector', { type: 'inspector.snapshot', after: 7 }],
  ['node/inspector', { type: 'inspector.waits' }],
  ['node/inspector', { type: 'inspector.recent', cursor: 12 }],
  ['node/inspector', { type: 'inspector.follow', path: 'node/peers', subscriber: `${me}/node/inspector/1` }],
  ['node/inspector', { type: 'inspector.unfollow', path: 'node/peers', subscriber: `${me}/node/inspector/1` }],
  [
    'node/inspector/follow-1',
    { type: 'inspector.transition', path: 'node/peers', before: 'a', after: 'b', event: 'c', atMs: 12.5 },
  ],
]

describe('the table of remote messages', () => {
  it.each(allowed)('lets %s hear its message', (path, message) => {
    expect(codeOf(path, message)).toBeUndefined()
  })

  it.each(allowed)('keeps the message for %s from every other path', (_path, message) => {
    expect(codeOf('node/supervisor', message)).toBe('forbidden')
    expect(codeOf('', message)).toBe('forbidden')
  })

  it.each(['peer.state', 'toString', '__proto__', 'constructor', 'report.full', ''])('knows no message %s', (type) => {
    expect(codeOf('node/membership', { type })).toBe('unknown-type')
  })

  it('lets nobody speak to the actor of another peer', () => {
    expect(codeOf('node/peers/12D3KooWOther', { type: 'peer.goodbye' })).toBe('forbidden')
    expect(codeOf('node/peers/{sender}', { type: 'peer.goodbye' })).toBe('forbidden')
    expect(codeOf('node/peers/$&', { type: 'peer.goodbye' }, '$&')).toBeUndefined()
  })

  it('lets nobody subscribe in the name of another node', () => {
    const message = { type: 'inspector.follow', path: 'node', subscriber: '12D3KooWOther/node/inspector/1' }
    expect(codeOf('node/inspector', message)).toBe('forbidden')
  })

  it.each([
    ['too many addresses', { ...hello, addresses: new Array(33).fill('/ip4/1.2.3.4/tcp/1') }],
    ['an incarnation that is text', { ...hello, incarnation: '2' }],
    ['an endless name', { ...hello, name: 'x'.repeat(10_000) }],
    ['no report', { ...hello, report: undefined }],
    ['a report with another state', { ...hello, report: { ...report, state: 'tired' } }],
    ['too many models', { ...hello, report: { ...report, models: new Array(513).fill(report.models[0]) } }],
    ['too many loaded models', { ...hello, report: { ...report, loaded: new Array(65).fill(report.loaded[0]) } }],
    ['a boot that is text', { ...hello, boot: '1' }],
  ])('refuses a hello with %s', (_name, message) => {
    expect(codeOf(`node/peers/${me}`, message as Message)).toBe('shape')
  })

  it('accepts a hello with fields that a later version adds', () => {
    expect(codeOf(`node/peers/${me}`, { ...hello, colour: 'blue' })).toBeUndefined()
  })

  it('accepts the largest hello, which fits a frame', () => {
    const addresses = new Array(32).fill(`/dns4/${'x'.repeat(60)}/tcp/11435`)
    const models = new Array(512).fill(report.models[0])
    const largest = { ...hello, addresses, report: { ...report, models } }
    expect(codeOf(`node/peers/${me}`, largest)).toBeUndefined()
    expect(encode(largest).length).toBeLessThan(maxActorFrameBytes)
  })
})

describe('the table of replies', () => {
  const row = { path: 'node/x', state: 'idle', waiting: 0, restarts: 1, epoch: 2, lastExit: null }
  const counted = {
    ...{ ...row, born: 1, capacity: 64, handled: 9, refused: 0, oldestMs: null, longestMs: 1.5, owes: 0 },
    runs: [{ name: 'reading', forMs: 2.5 }],
  }
  const ask = { ask: 'n/$ask/1', asker: null, asked: 'm/node/x', type: 'health.probe', ageMs: 1, leftMs: 2 }
  const fact = { sequence: 3, atMs: 1, kind: 'exited', subject: 'node/x', detail: 'normal', count: 1 }
  it.each([
    ['report.request', { type: 'report.full', report }],
    ['health.probe', { type: 'health.state', state: 'draining', activeTasks: 0, uptimeMs: 1.5 }],
    ['models.show', { type: 'models.shown', piece: null, totalLength: 0 }],
    ['models.show', { type: 'models.shown', piece: 'x'.repeat(256 * 1024), totalLength: 256 * 1024 }],
    ['models.copy', { type: 'models.changed', found: true, problem: null }],
    ['models.delete', { type: 'models.changed', found: true, problem: 'no room' }],
    ['peer.heard', { type: 'peer.hearing', agoMs: null }],
    [
      'members.compare',
      {
        type: 'members.rows',
        rows: [{ node: me, incarnation: 2, status: 'alive', version: 3, addresses: ['/ip4/192.0.2.1/tcp/11435'] }],
      },
    ],
    ['engine.unload', { type: 'engine.unloaded', found: true }],
    ['inspector.follow', { type: 'inspector.following', found: true }],
    // What an earlier version sends, and what a later one may.
    ['inspector.snapshot', { type: 'inspector.tree', actors: [row, { ...row, lastExit: 'crash: boom' }] }],
    ['inspector.snapshot', { type: 'inspector.tree', actors: [{ ...counted, colour: 'blue' }], next: 1, mood: 'good' }],
    [
      'inspector.waits',
      { type: 'inspector.waiting', asks: [ask], owed: [{ ask: 'm/$ask/2', by: 'node/x' }], leftOut: 0 },
    ],
    ['inspector.recent', { type: 'inspector.news', facts: [fact, { ...fact, kind: 'later' }], cursor: 3, missed: 0 }],
  ] as const)('lets %s be answered', (request, message) => {
    expect(checkReply(request, message)).toBeUndefined()
  })

  it('refuses the answer to another question', () => {
    expect(checkReply('health.probe', { type: 'engine.unloaded', found: true })?.code).toBe('unknown-type')
    expect(checkReply('peer.goodbye', { type: 'health.state' })?.code).toBe('unknown-type')
    expect(checkReply('constructor', { type: 'health.state' })?.code).toBe('unknown-type')
  })

  it('refuses an answer of another shape', () => {
    expect(checkReply('engine.unload', { type: 'engine.unloaded', found: 'yes' })?.code).toBe('shape')
    expect(
      checkReply('models.show', { type: 'models.shown', piece: 'x'.repeat(256 * 1024 + 1), totalLength: 1 })?.code,
    ).toBe('shape')
    const actors = new Array(4097).fill(row)
    expect(checkReply('inspector.snapshot', { type: 'inspector.tree', actors })?.code).toBe('shape')
  })
})
