/** The queue before llama.cpp's quantizer. Any program shows it; what the real one makes is for `test/store/quantized.test.ts`. */
import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { quantizer } from '../../src/engine/llama-server/quantizer.ts'

/** As many as wait or are worked on. */
const room = 16

/** A program that works on a file for as long as nobody writes into it. */
async function place() {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'omx-quantizer-'))
  const program = path.join(folder, 'quantize')
  await writeFile(program, '#!/bin/sh\nexec cat "$1"\n')
  await chmod(program, 0o755)
  const stopping = new AbortController()
  const quantize = quantizer(program, 1, stopping.signal)
  const given: Promise<void>[] = []
  onTestFinished(async () => {
    stopping.abort()
    await Promise.allSettled(given)
    await rm(folder, { recursive: true })
  })
  const give = () => {
    const input = path.join(folder, `${given.length}.fifo`)
    execFileSync('mkfifo', [input])
    const done = quantize(input, `${input}.out`, 'Q8_0')
    done.catch(() => undefined)
    given.push(done)
    return { done, finish: () => writeFile(input, '') }
  }
  return { stopping, give }
}

it('one file more than may wait is refused with what to do, and has room when another is done', async () => {
  const { give } = await place()
  const [first] = Array.from({ length: room }, give)
  await expect(give().done).rejects.toThrow(`${room} models are being quantized here: try again later`)
  await first?.finish()
  await first?.done
  const late = give()
  await expect(give().done).rejects.toThrow('try again later')
  // The one that found room is taken, and only waits for its turn.
  expect(await Promise.race([late.done.catch((error: Error) => error.message), 'waits'])).toBe('waits')
})

it('files that failed, or that were stopped with the node, leave their room to others', async () => {
  const { stopping, give } = await place()
  const before = Array.from({ length: room }, give)
  stopping.abort()
  for (const { done } of before) await expect(done).rejects.toMatchObject({ name: 'AbortError' })
  await expect(give().done).rejects.toMatchObject({ name: 'AbortError' })
})
