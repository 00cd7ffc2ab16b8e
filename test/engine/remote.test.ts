/** What another server sends, in whatever pieces it arrives, and how much of it is taken. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { AnswerFrames } from '../../src/engine/openai/answer.ts'
import { CallParts } from '../../src/engine/openai/call-parts.ts'
import { RemoteClient } from '../../src/engine/remote/client.ts'
import { EventReader } from '../../src/engine/remote/event-reader.ts'
import { LineReader } from '../../src/engine/remote/line-reader.ts'

/** The bytes of a text in pieces that end anywhere, also within a character. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((left, right) => left - right)
  return [0, ...places].map((from, at) => bytes.subarray(from, places[at] ?? bytes.length))
}

async function serve(bytes: readonly Buffer[], status = 200): Promise<RemoteClient> {
  const server = createServer((_, response) => {
    response.writeHead(status)
    for (const piece of bytes) response.write(piece)
    response.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return new RemoteClient({ kind: 'server', url, key: 'sk-secret', onUnknown: 'give the key' })
}

describe('events', () => {
  const data = fc.array(fc.string({ unit: 'grapheme', minLength: 1 }).map((text) => JSON.stringify({ text })))
  const end = fc.constantFrom('\n', '\r\n')

  it('are the same wherever their bytes are cut', () => {
    fc.assert(
      fc.property(data, end, fc.array(fc.nat()), (all, newline, cuts) => {
        const text = all.map((each) => `: ping${newline}event: x${newline}data: ${each}${newline}${newline}`).join('')
        const reader = new EventReader(10_000)
        const decoder = new TextDecoder()
        const read = pieces(Buffer.from(text), cuts).flatMap((piece) => [
          ...reader.push(decoder.decode(piece, { stream: true })),
        ])
        expect(read).toEqual(all)
      }),
    )
  })

  it('arrive whole over a connection that brings them byte by byte', async () => {
    const bytes = Buffer.from('data: {"text":"é\u2028🙂"}\n\ndata:[DONE]\n\ndata: {"text":"not any more"}\n\n')
    const client = await serve([...bytes].map((byte) => Buffer.from([byte])))
    const read = []
    for await (const event of client.events('/x', {}, new AbortController().signal)) read.push(event)
    expect(read).toEqual([{ text: 'é\u2028🙂' }])
  })

  it('and lines that never end are given up before they fill the memory', () => {
    const lines = new LineReader(100)
    expect([...lines.push('x'.repeat(100))]).toEqual([])
    expect(() => [...lines.push('x')]).toThrow('a line of more than 100 characters')
    const reader = new EventReader(100)
    const line = `data: ${'x'.repeat(60)}\n`
    expect([...reader.push(line)]).toEqual([])
    expect(() => [...reader.push(line)]).toThrow('an event of more than 100 characters')
  })
})

describe('an answer', () => {
  const framesOf = (logprobs: number | undefined, event: unknown) =>
    new AnswerFrames({ logprobs, monotonicMs: () => 0 }).framesOf(event)

  it('has probabilities in the form that OpenAI wrote first', () => {
    const logprobs = {
      tokens: ['a', 'b'],
      token_logprobs: [-0.5, null],
      top_logprobs: [{ c: -2, a: -0.5 }, null],
      text_offset: [0, 1],
    }
    const event = { choices: [{ text: 'ab', index: 0, finish_reason: null, logprobs }] }
    const rows = (wanted: number | undefined) =>
      framesOf(wanted, event).map((frame) => (frame.kind === 'token' ? frame.logprobs : []))
    expect(rows(2)).toEqual([
      [
        {
          token: 'a',
          logprob: -0.5,
          top: [
            { token: 'a', logprob: -0.5 },
            { token: 'c', logprob: -2 },
          ],
        },
        { token: 'b', logprob: 0, top: [] },
      ],
    ])
    expect(rows(0)).toEqual([
      [
        { token: 'a', logprob: -0.5 },
        { token: 'b', logprob: 0 },
      ],
    ])
    expect(rows(undefined)).toEqual([undefined])
  })

  it.each([{}, { choices: {} }, { choices: [{ delta: { content: 5 } }] }, { choices: [{ finish_reason: [] }] }, null])(
    'is nothing else: %j',
    (event) => {
      expect(() => framesOf(undefined, event)).toThrow(/^the server sent what is no part of an answer: /)
    },
  )

  it('that ends without a reason was cut off', () => {
    const frames = new AnswerFrames({ logprobs: undefined, monotonicMs: () => 0 })
    frames.framesOf({ choices: [{ delta: { content: 'a' } }] })
    expect(() => frames.end()).toThrow('the answer ended in the middle')
  })

  it('calls no tool with arguments that never end, or that are no object', () => {
    const parts = new CallParts()
    const long = { index: 0, id: 'a', function: { name: 'f', arguments: 'x'.repeat(4 * 1024 * 1024) } }
    expect(parts.add(long)).toEqual([])
    expect(parts.add(long)).toEqual([])
    expect(() => parts.add({ index: 0, function: { arguments: 'x' } })).toThrow(/^tool calls of more than 8388608/)
    for (const written of ['[]', '5', '{"a"', 'null']) {
      const wrong = new CallParts()
      wrong.add({ index: 0, id: 'a', function: { name: 'f', arguments: written } })
      expect(() => wrong.take()).toThrow('the model called f with arguments that are no JSON object')
    }
  })

  it('of a server that does not count its calls begins one with each id', () => {
    const parts = new CallParts()
    const made = [
      ...parts.add({ id: 'a', function: { name: 'f', arguments: '{"x"' } }),
      ...parts.add({ function: { arguments: ':1}' } }),
      ...parts.add({ id: 'b', function: { name: 'g' } }),
      ...parts.take(),
    ]
    expect(made).toEqual([
      { id: 'a', index: 0, name: 'f', arguments: { x: 1 } },
      { id: 'b', index: 1, name: 'g', arguments: {} },
    ])
  })
})

describe('an error', () => {
  it('that never ends is cut, and never has the key in it', async () => {
    const client = await serve([Buffer.from(JSON.stringify({ error: `sk-secret ${'x'.repeat(10_000)}` }))], 500)
    const { message } = (await client.ask('GET', '/x').catch((error: Error) => error)) as Error
    expect(message).toMatch(/^… x+$/)
    expect(message.length).toBe(2000)
  })

  it.each([
    [401, ': give the key'],
    [403, ': give the key'],
    [404, ''],
  ])('of status %i says what to do where the server does not know who asks', async (status, hint) => {
    const client = await serve([Buffer.from('{"error":{"message":"no"}}')], status)
    await expect(client.ask('GET', '/x')).rejects.toMatchObject({ status, message: `no${hint}` })
  })
})
