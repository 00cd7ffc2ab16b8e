/** A model with an adapter on real nodes: it answers beside its base, and wherever it is brought to. */
import { createHash } from 'node:crypto'
import { beforeAll, expect, it } from 'vitest'
import { loraBytes } from '../support/lora.ts'
import { useCluster } from './support/cluster.ts'
import { LineStream, textOf } from './support/line-stream.ts'
import type { OmxNode } from './support/omx-node.ts'

const cluster = useCluster()
let holder: OmxNode
let other: OmxNode

const plain = 'The capital of Norw'
const adapted = 'ex Germanex shex German'

const messages = [{ role: 'user', content: 'What is the capital of Norway?' }]
const options = { temperature: 0, num_predict: 6 }

async function ask(node: OmxNode, model: string) {
  const stream = await LineStream.post(node, '/api/chat', { model, messages, options })
  return { text: textOf(await stream.rest()), worker: stream.worker }
}

async function send(node: OmxNode, bytes: Buffer): Promise<string> {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  const { status } = await fetch(`${node.url}/api/blobs/${digest}`, { method: 'POST', body: new Uint8Array(bytes) })
  expect(status).toBe(201)
  return digest
}

beforeAll(async () => {
  holder = await cluster.start('holder', { holds: true })
  other = await cluster.start('other', { join: holder })
  await other.sees(holder)
  const adapters = { 'a.gguf': await send(holder, loraBytes()) }
  await holder.client.create({ model: 'adapted', from: 'tiny', adapters, stream: false })
  await other.knowsHolders('adapted', holder)
})

it('it and its base answer at the same time, each from a process of its own', async () => {
  const names = ['tiny', 'adapted', 'tiny', 'adapted']
  const texts = (await Promise.all(names.map((name) => ask(holder, name)))).map(({ text }) => text)
  expect(texts).toEqual([plain, adapted, plain, adapted])
  expect(holder.engineChildren()).toHaveLength(2)
})

it('a name on the same weights and the same adapter shares its process', async () => {
  const before = holder.engineChildren()
  await holder.client.create({ model: 'twin', from: 'adapted', parameters: { top_k: 3 }, stream: false })
  expect((await ask(holder, 'twin')).text).toBe(adapted)
  expect(holder.engineChildren()).toEqual(before)
})

it('a node that it is brought to computes with its adapter too', async () => {
  await other.client.create({ model: 'mine', from: 'adapted', parameters: { top_k: 5 }, stream: false })
  expect(await ask(other, 'mine')).toEqual({ text: adapted, worker: other.id })
})

it('one that is for another model is refused with what to do, by whichever node is asked', async () => {
  const stranger = loraBytes()
  // The same length, so that the file stays sound.
  stranger.write('gemma', stranger.indexOf('llama'))
  const adapters = { 'a.gguf': await send(holder, stranger) }
  await holder.client.create({ model: 'stranger', from: 'tiny', adapters, stream: false })
  await other.knowsHolders('stranger', holder)
  for (const node of [holder, other]) {
    await expect(node.client.chat({ model: 'stranger', messages })).rejects.toThrow(
      /it was made for the architecture gemma, and the model is llama\. Create the model again with a LoRA adapter/,
    )
  }
})
