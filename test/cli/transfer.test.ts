import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { main } from '../../src/cli/main.ts'
import { answering, recordedTerminal } from './kit.ts'

const digest = `sha256:${'6a0746a1ec1a'.padEnd(64, '0')}`

const steps = {
  pull: [
    { status: 'pulling manifest' },
    { status: 'pulling 6a0746a1ec1a', digest, total: 3_800_000_000 },
    { status: 'pulling 6a0746a1ec1a', digest, total: 3_800_000_000, completed: 1_900_000_000 },
    { status: 'pulling 6a0746a1ec1a', digest, total: 3_800_000_000, completed: 3_800_000_000 },
    { status: 'writing manifest' },
  ],
  push: [
    { status: 'retrieving manifest' },
    { status: 'pushing 6a0746a1ec1a', digest, total: 3_800_000_000, completed: 3_800_000_000 },
    { status: 'pushing manifest' },
  ],
}
const success = { status: 'success' }

const linesOf = (lines: readonly object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('')

/** A node that answers every request with these lines. */
async function node(lines: readonly object[], status = 200) {
  const asked: { readonly path: string | undefined; readonly body: unknown }[] = []
  const listening = await answering(async (request, response) => {
    asked.push({ path: request.url, body: JSON.parse(await text(request)) })
    response.writeHead(status).end(linesOf(lines))
  })
  return { api: listening.api, asked, [Symbol.asyncDispose]: listening[Symbol.asyncDispose] }
}

async function run(words: readonly string[], init: Parameters<typeof recordedTerminal>[0] = {}) {
  const terminal = recordedTerminal(init)
  const code = await main(words, terminal)
  return { code, printed: terminal.printed(), noted: terminal.noted() }
}

describe.each(['pull', 'push'] as const)('%s', (direction) => {
  const done = { pull: 'Pulled', push: 'Pushed' }[direction]

  it('says what is done beside the answer, which is one line', async () => {
    await using fake = await node([...steps[direction], success])
    const { code, printed, noted } = await run([direction, 'ada/tiny', '--api', fake.api])
    expect([code, printed]).toEqual([0, `${done} ada/tiny:latest.\n`])
    expect(noted).toBe(
      {
        pull: 'pulling manifest\npulling 6a0746a1ec1a 100%  3.8 GB\nwriting manifest\n',
        push: 'retrieving manifest\npushing 6a0746a1ec1a 100%  3.8 GB\npushing manifest\n',
      }[direction],
    )
    expect(fake.asked).toEqual([
      { path: `/api/${direction}`, body: { model: 'ada/tiny', insecure: false, stream: true } },
    ])
  })

  it('draws bars where a person watches', async () => {
    await using fake = await node([...steps[direction], success])
    const { printed, noted } = await run([direction, 'tiny', '--api', fake.api], { interactive: true })
    expect(noted).toMatch(/6a0746a1ec1a 100% ▕█+▏ 3\.8 GB/)
    expect(printed).toBe(`${done} tiny:latest.\n`)
  })

  it('passes the lines on with --json, and --insecure to the node', async () => {
    await using fake = await node([...steps[direction], success])
    const { printed, noted } = await run([direction, 'tiny', '--api', fake.api, '--json', '--insecure'])
    expect([printed, noted]).toEqual([linesOf([...steps[direction], success]), ''])
    expect(fake.asked[0]?.body).toMatchObject({ insecure: true })
  })

  it('fails where the node says so in its last line', async () => {
    await using fake = await node([...steps[direction], { error: 'digest mismatch' }])
    const { code, printed, noted } = await run([direction, 'tiny', '--api', fake.api])
    expect([code, printed]).toEqual([1, ''])
    expect(noted).toMatch(/\nomx-node: digest mismatch\n$/)
  })

  it('shows control characters in what a registry says instead of obeying them', async () => {
    await using fake = await node([{ error: '418: a\x1b[2Jb\nc' }])
    const { noted } = await run([direction, 'tiny', '--api', fake.api])
    expect(noted).toBe('omx-node: 418: a\\x1b[2Jb\nomx-node: c\n')
  })

  it('fails where the lines end without success', async () => {
    await using fake = await node(steps[direction])
    const { code, printed, noted } = await run([direction, 'tiny', '--api', fake.api])
    expect([code, printed, noted]).toEqual([1, '', expect.stringMatching(/without a result: try it again\.\n$/)])
  })

  it('fails in a sentence when the node dies on the way', async () => {
    await using fake = await answering((_request, response) => {
      response.write(linesOf(steps[direction]), () => response.destroy())
    })
    const { code, noted } = await run([direction, 'tiny', '--api', fake.api])
    expect([code, noted]).toEqual([
      1,
      expect.stringMatching(/\nomx-node: The node at .* ended the stream: .* Try again: /),
    ])
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    'ends at %s with exit code %i, lets the node know, and says what that means',
    async (signal, exitCode) => {
      const left = Promise.withResolvers<void>()
      await using fake = await answering((_request, response) => {
        response.write(linesOf(steps[direction]))
        once(response, 'close').then(() => left.resolve())
      })
      const terminal = recordedTerminal({ interactive: true })
      const running = main([direction, 'tiny', '--api', fake.api], terminal)
      await terminal.until('100%')
      terminal.signal(signal)
      expect(await running).toBe(exitCode)
      await left.promise
      expect(terminal.noted()).toContain(`\nomx-node: Interrupted: `)
      expect(terminal.noted()).toMatch(new RegExp(`next ${direction} of tiny:latest`))
    },
  )

  it('ends at a signal before the node has answered', async () => {
    const asked = Promise.withResolvers<void>()
    await using fake = await answering(() => asked.resolve())
    const terminal = recordedTerminal()
    const running = main([direction, 'tiny', '--api', fake.api], terminal)
    await asked.promise
    terminal.signal('SIGINT')
    expect(await running).toBe(130)
    expect(terminal.noted()).toMatch(/^omx-node: Interrupted: /)
  })

  it('does not ask about what cannot be a name', async () => {
    await using fake = await node([success])
    const { code, noted } = await run([direction, '../x', '--api', fake.api])
    expect([code, fake.asked]).toEqual([1, []])
    expect(noted).toContain('is not a model name: expected [host/][namespace/]model[:tag].')
  })
})

describe('a failure that people can put right says how', () => {
  it.each([
    ['pull model manifest: file does not exist', 'check the name and its tag'],
    ['insecure protocol http', 'Add --insecure'],
    ['max retries exceeded: attic:5000 cannot be reached: EPROTO', 'add --insecure'],
    ['max retries exceeded: registry.example cannot be reached: ENOTFOUND', 'how the registry is spelt'],
    ['max retries exceeded: attic:5000 cannot be reached: ECONNRESET', 'Try again'],
  ])('%s', async (error, next) => {
    await using fake = await node([steps.pull[0] as object, { error }])
    const { noted } = await run(['pull', 'tiny', '--api', fake.api])
    expect(noted.split('\n')[1]).toMatch(new RegExp(`^omx-node: ${error.replaceAll('.', '\\.')}\\. .*${next}`))
  })

  it('and where to look for a model that is to be pushed', async () => {
    await using fake = await node([...steps.push.slice(0, 1), { error: "model 'tiny' not found" }])
    const { noted } = await run(['push', 'tiny', '--api', fake.api])
    expect(noted).toMatch(/\nomx-node: model 'tiny' not found\. See what there is: omx-node models\n$/)
  })

  it('also where the node refuses at once', async () => {
    await using fake = await node([{ error: 'insecure protocol http' }], 500)
    const { code, noted } = await run(['pull', 'http://attic/a/b', '--api', fake.api])
    expect([code, noted]).toEqual([1, expect.stringContaining('insecure protocol http. Add --insecure')])
  })
})
