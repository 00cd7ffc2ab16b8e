/**
 * Packs the project, installs it into an empty folder as a user would, and has it answer a chat with the demo model:
 * proof that what is published is complete, the engine's child process included.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'

/** A node is ready in about a second; this is for a machine that is busy with something else. */
const maxStartMs = 60_000
const maxChatMs = 120_000

const folder = mkdtempSync(join(tmpdir(), 'omx-package-'))
try {
  const app = install(folder)
  const binary = join(app, 'node_modules', '.bin', 'omx-node')
  const version = execFileSync(binary, ['--version'], { encoding: 'utf8' }).trim()
  console.log(`installed omx-node ${version}`)
  checkOldNode(binary)
  await checkChat(binary, join(app, 'node_modules', 'ollamamax', 'models', 'omx-tiny.gguf'), join(folder, 'data'))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** The folder of an application that has nothing but the packed project in it. */
function install(parent: string): string {
  const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', parent], { encoding: 'utf8' })
  const app = join(parent, 'app')
  mkdirSync(app)
  const manifest = { private: true, allowScripts: { 'node-llama-cpp': true, 'msgpackr-extract': false } }
  writeFileSync(join(app, 'package.json'), JSON.stringify(manifest))
  const archive = join(parent, packed.trim().split('\n').at(-1) ?? '')
  execFileSync('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', archive], {
    cwd: app,
    stdio: 'inherit',
  })
  return app
}

/** Where an older Node is installed too, the binary must refuse it in one sentence. */
function checkOldNode(binary: string): void {
  for (const entry of (process.env.PATH ?? '').split(delimiter)) {
    const node = join(entry, 'node')
    if (!existsSync(node)) continue
    const found = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
    if (Number(/^v(\d+)/.exec(found)?.[1] ?? 24) >= 24) continue
    const { status, stderr } = spawnSync(node, [binary, '--version'], { encoding: 'utf8' })
    const sentence = /^omx-node needs Node \d+ or later and this is v[\d.]+: .*\.\n$/.test(stderr)
    if (status !== 1 || !sentence) throw new Error(`under Node ${found} it exited with ${status} and said: ${stderr}`)
    console.log(`refuses Node ${found}: ${stderr.trim()}`)
    return
  }
  console.log('no older Node here to refuse')
}

async function checkChat(binary: string, model: string, data: string): Promise<void> {
  const words = ['start', '--json', '--api', '127.0.0.1:0', '--p2p', '/ip4/127.0.0.1/tcp/0', '--data', data]
  const node = spawn(binary, [...words, '--threads', '1', '--log-level', 'warn'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(node, 'exit')
  try {
    const [line] = await once(createInterface(node.stdout), 'line', { signal: AbortSignal.timeout(maxStartMs) })
    const { api } = JSON.parse(line) as { api: string }
    console.log(execFileSync(binary, ['import', 'tiny', model, '--data', data], { encoding: 'utf8' }).trim())
    const response = await fetch(`http://${api}/api/chat`, {
      method: 'POST',
      body: JSON.stringify({
        model: 'tiny',
        stream: false,
        messages: [{ role: 'user', content: 'Hello' }],
        options: { num_predict: 8, seed: 1 },
      }),
      signal: AbortSignal.timeout(maxChatMs),
    })
    const answer = (await response.json()) as { done?: boolean; message?: { content?: string }; error?: string }
    if (answer.done !== true || !answer.message?.content) throw new Error(`no answer: ${JSON.stringify(answer)}`)
    console.log(`answers a chat: ${JSON.stringify(answer.message.content)}`)
  } finally {
    node.kill('SIGTERM')
  }
  const [code] = await exited
  if (code !== 0) throw new Error(`the node exited with ${code} after SIGTERM`)
  console.log('stops cleanly')
}
