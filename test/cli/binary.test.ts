import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const binary = fileURLToPath(new URL('../../src/cli/omx-node.ts', import.meta.url))

async function run(nodeWords: readonly string[], ...words: string[]) {
  const child = spawn(process.execPath, [...nodeWords, binary, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk
  })
  const [code] = await once(child, 'close')
  return { code, ...output }
}

it('the binary prints its version and exits 0', async () => {
  expect(await run([], '--version')).toEqual({ code: 0, stdout: '0.1.0\n', stderr: '' })
})

it('the binary exits 1 with a sentence on standard error when it is misused', async () => {
  expect(await run([], 'sttart')).toEqual({
    code: 1,
    stdout: '',
    stderr: "omx-node: unknown command 'sttart'. Did you mean start?\n",
  })
})

it('the binary says in one sentence which Node it needs when this one is too old, and exits 1', async () => {
  const pretend =
    'Object.defineProperties(process, { version: { value: "v22.9.0" }, versions: { value: { node: "22.9.0" } } })'
  const result = await run(['--import', `data:text/javascript,${encodeURIComponent(pretend)}`], '--version')
  expect(result).toEqual({
    code: 1,
    stdout: '',
    stderr: 'omx-node needs Node 24 or later and this is v22.9.0: install a newer one from https://nodejs.org.\n',
  })
})

it('the binary ends quietly when its reader goes away', async () => {
  const child = spawn(process.execPath, [binary, 'start', '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const [code] = await once(child, 'close')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})
