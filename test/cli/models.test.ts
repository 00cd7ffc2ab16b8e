import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { main } from '../../src/cli/main.ts'
import { answering, answers, recordedTerminal } from './kit.ts'

async function run(...words: readonly string[]) {
  const terminal = recordedTerminal()
  const code = await main(words, terminal)
  return { code, printed: terminal.printed(), noted: terminal.noted() }
}

/** A node that knows one model, and does what it is asked about that one. */
async function nodeWith(known: string) {
  const asked: string[] = []
  const listening = await answering(async (request, response) => {
    const body = JSON.parse(await text(request))
    asked.push(`${request.method} ${request.url} ${JSON.stringify(body)}`)
    const name = body.source ?? body.model
    if (name === known) response.end()
    else response.writeHead(404).end(JSON.stringify({ error: `model '${name}' not found` }))
  })
  return { api: listening.api, asked, [Symbol.asyncDispose]: listening[Symbol.asyncDispose] }
}

const shown = {
  license: 'MIT\n\nas is\nthird',
  modelfile: 'FROM /blobs/x\n',
  parameters: 'stop                           "<|im end|>"\nnum_ctx                        4096',
  template: '{{ .Prompt }}',
  system: 'Be brief.',
  details: { family: 'llama', parameter_size: '3.2B', quantization_level: 'Q4_K_M' },
  model_info: {
    'general.architecture': 'llama',
    'llama.context_length': 131_072,
    'llama.embedding_length': 3072,
    'tokenizer.ggml.tokens': ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'],
  },
  projector_info: { 'general.architecture': 'clip', 'general.parameter_count': 623_400_000 },
  tensors: [{ name: 'output.weight', type: 'Q6_K', shape: [128, 1024] }],
  capabilities: ['completion', 'tools'],
  requires: '0.6.0',
}

const sections = `  Model
    architecture        llama
    parameters          3.2B
    context length      131072
    embedding length    3072
    quantization        Q4_K_M
    requires            0.6.0

  Capabilities
    completion
    tools

  Projector
    architecture    clip
    parameters      623.4M

  Parameters
    stop       "<|im end|>"
    num_ctx    4096

`
const metadata = `  Metadata
    general.architecture      llama
    llama.context_length      131072
    llama.embedding_length    3072
    tokenizer.ggml.tokens     [a, b, c, d, e, f, g, h, … 9 in all]

  Tensors
    output.weight    Q6_K    [128 1024]

`
const texts = `  System
    Be brief.

  License
    MIT
    as is
    ...

`

describe('show', () => {
  it('prints the sections that Ollama prints', async () => {
    const { tensors: _, ...answer } = shown
    await using node = await answering(answers({ '/api/show': answer }))
    expect(await run('show', 'tiny', '--api', node.api)).toEqual({ code: 0, printed: sections + texts, noted: '' })
  })

  it('asks for more with --verbose, and prints it', async () => {
    let asked = {}
    await using node = await answering(async (request, response) => {
      asked = JSON.parse(await text(request))
      response.end(JSON.stringify(shown))
    })
    expect((await run('show', 'tiny', '-v', '--api', node.api)).printed).toBe(sections + metadata + texts)
    expect(asked).toEqual({ model: 'tiny', verbose: true })
  })

  it('leaves out what a model does not have', async () => {
    const { modelfile, details } = shown
    await using node = await answering(answers({ '/api/show': { modelfile, details } }))
    const { printed } = await run('show', 'tiny', '--api', node.api)
    expect(printed).toBe('  Model\n    architecture    llama\n    parameters      3.2B\n    quantization    Q4_K_M\n\n')
  })

  it.each([
    ['modelfile', 'FROM /blobs/x\n'],
    ['license', 'MIT\n\nas is\nthird\n'],
    ['parameters', `${shown.parameters}\n`],
    ['system', 'Be brief.\n'],
    ['template', '{{ .Prompt }}\n'],
  ] as const)('prints the %s as it is', async (part, printed) => {
    await using node = await answering(answers({ '/api/show': shown }))
    expect(await run('show', 'tiny', `--${part}`, '--api', node.api)).toEqual({ code: 0, printed, noted: '' })
    const json = (await run('show', 'tiny', `--${part}`, '--json', '--api', node.api)).printed
    expect(JSON.parse(json)).toEqual({ [part]: shown[part] })
  })

  it('prints one part at a time, and the whole answer with --json', async () => {
    await using node = await answering(answers({ '/api/show': shown }))
    expect((await run('show', 'tiny', '--license', '--system')).noted).toContain(
      "cannot be used with option '--system'",
    )
    expect(JSON.parse((await run('show', 'tiny', '--json', '--api', node.api)).printed)).toEqual(shown)
  })

  it('shows control characters instead of obeying them', async () => {
    await using node = await answering(answers({ '/api/show': { ...shown, system: 'a\x1b[2Jb' } }))
    expect((await run('show', 'tiny', '--api', node.api)).printed).toContain('    a\\x1b[2Jb\n')
  })

  it('says how to get a model that the cluster does not hold', async () => {
    await using node = await nodeWith('other')
    expect(await run('show', 'tiny', '--api', node.api)).toEqual({
      ...{ code: 1, printed: '' },
      noted: `omx-node: http://${node.api}: model 'tiny' not found. Pull it first: omx-node pull tiny:latest\n`,
    })
  })
})

describe('ps', () => {
  const loaded = (init: object) => ({
    ...{ name: 'tiny:latest', digest: 'ab'.repeat(32), size: 4_000_000_000, size_vram: 4_000_000_000 },
    ...{ expires_at: new Date(Date.now() + 270_000).toISOString(), context_length: 4096, ...init },
  })

  it('lists where each model computes and how long it stays', async () => {
    const models = [
      loaded({}),
      loaded({
        name: 'cpu:latest',
        size_vram: 0,
        expires_at: new Date(Date.now() + 292 * 31_557_600_000).toISOString(),
      }),
      loaded({ name: 'both:latest', size_vram: 1_000_000_000, expires_at: '2020-01-01T00:00:00+02:00' }),
    ]
    await using node = await answering(answers({ '/api/ps': { models } }))
    expect((await run('ps', '--api', node.api)).printed).toBe(
      [
        'NAME         VERSION         SIZE  PROCESSOR        CONTEXT  UNTIL',
        'tiny:latest  abababababab  4.0 GB  100% GPU            4096  4 min from now',
        'cpu:latest   abababababab  4.0 GB  100% CPU            4096  Forever',
        'both:latest  abababababab  4.0 GB  75%/25% CPU/GPU     4096  Stopping...',
        '',
      ].join('\n'),
    )
    expect(JSON.parse((await run('ps', '--json', '--api', node.api)).printed)).toEqual({ models })
  })

  it('says how to load one when there is none', async () => {
    await using node = await answering(answers({ '/api/ps': { models: [] } }))
    expect((await run('ps', '--api', node.api)).printed).toBe('No model is loaded. Load one: omx-node run NAME\n')
  })
})

describe('cp', () => {
  it('gives a model another name', async () => {
    await using node = await nodeWith('tiny')
    expect(await run('cp', 'tiny', 'ada/tiny:v2', '--api', node.api)).toEqual({
      ...{ code: 0, printed: 'Copied tiny:latest to ada/tiny:v2.\n', noted: '' },
    })
    expect(node.asked).toEqual(['POST /api/copy {"source":"tiny","destination":"ada/tiny:v2"}'])
    expect(JSON.parse((await run('cp', 'tiny', 'b', '--json', '--api', node.api)).printed)).toEqual({
      ...{ status: 'success', source: 'tiny:latest', destination: 'b:latest' },
    })
  })

  it('refuses what cannot be a name, and says what there is when the model is unknown', async () => {
    await using node = await nodeWith('tiny')
    expect((await run('cp', 'tiny', 'a b', '--api', node.api)).noted).toContain('"a b" is not a model name')
    expect(node.asked).toEqual([])
    const { code, noted } = await run('cp', 'big', 'b', '--api', node.api)
    expect([code, noted]).toEqual([
      1,
      expect.stringMatching(/model 'big' not found\. See what there is: omx-node models\n$/),
    ])
  })
})

describe('rm', () => {
  it('removes every model that it can, and says which it cannot', async () => {
    await using node = await nodeWith('tiny')
    const { code, printed, noted } = await run('rm', 'big', 'tiny', 'bigger', '--api', node.api)
    expect([code, printed]).toEqual([1, 'Deleted tiny:latest.\n'])
    expect(noted.split('\n')).toEqual([
      expect.stringMatching(/^omx-node: .*model 'big' not found\. See what there is: omx-node models$/),
      expect.stringMatching(/^omx-node: .*model 'bigger' not found\. /),
      '',
    ])
    expect(node.asked[1]).toBe('DELETE /api/delete {"model":"tiny"}')
  })

  it('removes none where one cannot be a name', async () => {
    await using node = await nodeWith('tiny')
    expect((await run('rm', 'tiny', '../x', '--api', node.api)).code).toBe(1)
    expect(node.asked).toEqual([])
    expect((await run('rm')).noted).toContain("missing required argument 'NAME'")
  })

  it('prints a line of JSON for each with --json', async () => {
    await using node = await nodeWith('tiny')
    expect((await run('rm', 'tiny', '--json', '--api', node.api)).printed).toBe(
      '{"status":"success","model":"tiny:latest"}\n',
    )
  })
})

it('list and ls are models', async () => {
  await using node = await answering(answers({ '/omx/v1/models': { models: [] } }))
  const { printed } = await run('models', '--api', node.api)
  expect(printed).toContain('omx-node pull NAME')
  expect((await run('list', '--api', node.api)).printed).toBe(printed)
  expect((await run('ls', '--api', node.api)).printed).toBe(printed)
})
