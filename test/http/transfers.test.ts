import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ProgressLine } from '../../actors/progress-board.ts'
import { ApiError } from '../../src/http/errors.ts'
import { type Running, startFake } from './fake-cluster.ts'

let node: Running
beforeEach(async () => {
  node = await startFake()
})
afterEach(() => node.listener.close())

async function* told(lines: readonly ProgressLine[], problem?: string): AsyncGenerator<ProgressLine> {
  yield* lines
  if (problem !== undefined) throw new ApiError('transfer-failed', problem)
}

async function pull(body: object) {
  const response = await fetch(`${node.url}/api/pull`, { method: 'POST', body: JSON.stringify(body) })
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
}

const digest = `sha256:${'a'.repeat(64)}`

describe('POST /api/pull', () => {
  it('tells its steps as lines, without the counts that are zero', async () => {
    node.cluster.progress = () =>
      told([
        { status: 'pulling manifest' },
        { status: 'pulling aaaaaaaaaaaa', digest, total: 10, completed: 0 },
        { status: 'pulling aaaaaaaaaaaa', digest, total: 10, completed: 7 },
        { status: 'success' },
      ])
    expect(await pull({ model: 'x', insecure: true })).toEqual({
      status: 200,
      type: 'application/x-ndjson',
      text: `{"status":"pulling manifest"}
{"status":"pulling aaaaaaaaaaaa","digest":"${digest}","total":10}
{"status":"pulling aaaaaaaaaaaa","digest":"${digest}","total":10,"completed":7}
{"status":"success"}
`,
    })
    expect(node.cluster.transfers).toEqual([{ direction: 'pull', model: 'x', insecure: true }])
  })

  it('answers success alone where no stream is wanted', async () => {
    node.cluster.progress = () => told([{ status: 'pulling manifest' }, { status: 'success' }])
    const type = 'application/json'
    expect(await pull({ name: 'x', stream: false })).toEqual({ status: 200, type, text: '{"status":"success"}' })
    expect(node.cluster.transfers).toEqual([{ direction: 'pull', model: 'x', insecure: false }])
  })

  it('ends with the failure as its last line, and answers it with a status where nothing was told before', async () => {
    const failed = { status: 500, type: 'application/json', text: '{"error":"file does not exist"}' }
    node.cluster.progress = () => told([{ status: 'pulling manifest' }], 'file does not exist')
    expect((await pull({ model: 'x' })).text).toBe('{"status":"pulling manifest"}\n{"error":"file does not exist"}\n')
    expect(await pull({ model: 'x', stream: false })).toEqual(failed)
    node.cluster.progress = () => told([], 'file does not exist')
    expect(await pull({ model: 'x' })).toEqual(failed)
  })
})
