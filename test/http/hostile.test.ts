import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JsonRoute, jsonRoutes, notTheEnvelope, wrongBodies } from '../support/hostile-bodies.ts'
import { accepted, done, post, type Running, startFake, streamOf } from './fake-cluster.ts'

let node: Running
let routes: readonly JsonRoute[]
beforeAll(async () => {
  node = await startFake()
  const answer = node.cluster.answer
  const vector = Float32Array.from([1])
  node.cluster.answer = (request) => {
    if (request.work.kind !== 'embed') return answer(request)
    return streamOf([
      accepted,
      ...request.work.input.map((_, index) => ({ kind: 'embedding', index, vector }) as const),
      done(),
    ])
  }
  routes = await jsonRoutes(node.url, 'demo')
})
afterAll(() => node.listener.close())

const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
const base = { model: 'demo', prompt: 'hi', messages: [{ role: 'user', content: 'hi' }] }

describe('hostile input', () => {
  it('of a wrong type in any field is an error of the client in the words of its surface, never a crash', async () => {
    for (const route of routes) {
      for (const { what, text: body, fits } of wrongBodies(route)) {
        const response = await fetch(node.url + route.path, { method: 'POST', body })
        const text = await response.text()
        const isOllamas = route.surface === 'ollama' && text.includes('invalid format')
        expect([what, response.status]).toEqual([
          what,
          response.ok && fits ? 200 : isOllamas ? 500 : expect.toBeOneOf([400, 404]),
        ])
        if (!response.ok) expect([what, notTheEnvelope(route.surface, text)]).toEqual([what, undefined])
      }
    }
    expect(node.logged).toEqual([])
  })

  it.each([
    ['an unknown field', `{"model":"demo","x":${deep(100_000)}}`, 200],
    ['a message', `{"model":"demo","messages":${deep(100_000)}}`, 400],
    ['a tool', `{"model":"demo","messages":[],"tools":${deep(100_000)}}`, 400],
    ['the options', `{"model":"demo","options":{"stop":${deep(100_000)}}}`, 400],
    ['the whole body', deep(100_000), 400],
    ['an unclosed body', '['.repeat(1_000_000), 400],
  ])('answers nesting without end in %s', async (_, body, status) => {
    expect((await post(`${node.url}/api/chat`, body)).status).toBe(status)
  })

  it('bounds the messages of a conversation, the length of a role and the number of options', async () => {
    const messages = Array(8_193).fill({ role: 'user', content: '' })
    expect((await post(`${node.url}/api/chat`, { ...base, messages })).json).toEqual({
      error: 'there are 8193 messages: send at most 8192 in one request',
    })
    const roles = [{ role: 'r'.repeat(513), content: '' }]
    expect((await post(`${node.url}/api/chat`, { ...base, messages: roles })).status).toBe(400)
    const options = Object.fromEntries(Array.from({ length: 129 }, (_, at) => [`o${at}`, 1]))
    expect((await post(`${node.url}/api/generate`, { ...base, options })).json).toEqual({
      error: 'options must not have more than 128 names',
    })
  })

  it('answers huge keys and a million of them', async () => {
    const keys = Array.from({ length: 200_000 }, (_, at) => `"k${at}":0`).join()
    const answer = await post(`${node.url}/api/chat`, `{"${'k'.repeat(5_000_000)}":1,${keys},"model":"demo"}`)
    expect(answer.json).toMatchObject({ done_reason: 'load' })
  })

  it('shortens a wrong value that it repeats', async () => {
    const answer = await post(`${node.url}/api/generate`, { ...base, format: 'x'.repeat(1_000_000) })
    expect(answer.text.length).toBeLessThan(400)
  })

  it('answers every JSON body without a defect', async () => {
    const names = routes.flatMap(({ schema }) => Object.keys((schema as { properties: object }).properties))
    const body = fc.oneof(
      fc.json(),
      fc.dictionary(fc.constantFrom(...names), fc.jsonValue()).map((value) => JSON.stringify(value)),
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...routes), body, async ({ path, surface }, text) => {
        const response = await fetch(node.url + path, { method: 'POST', body: text })
        const answer = await response.text()
        if (!response.ok) expect(notTheEnvelope(surface, answer)).toBeUndefined()
      }),
      { numRuns: 300 },
    )
    expect(node.logged).toEqual([])
  })
})
