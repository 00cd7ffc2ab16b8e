import { expect, it } from 'vitest'
import type { Listener } from '../../src/http/listener.ts'
import { listenerLogic } from '../../src/http/listener-logic.ts'
import { createActor } from '../../src/runtime/logic.ts'
import { FakeCluster } from './fake-cluster.ts'

it('the API is bound only once the node knows its models', async () => {
  const models = Promise.withResolvers<void>()
  const open = Promise.withResolvers<Listener>()
  const seen: string[] = []
  const logic = listenerLogic({
    host: '127.0.0.1',
    port: 0,
    services: new FakeCluster(),
    log: { error: () => {} },
    ready: () => models.promise.then(() => void seen.push('models')),
    onFailed: open.reject,
    onOpen: (listener) => {
      seen.push('open')
      open.resolve(listener)
    },
  })
  const actor = createActor(logic).start()
  models.resolve()
  const listener = await open.promise
  expect(seen).toEqual(['models', 'open'])
  actor.stop()
  await listener.close()
})

it('the API of a node that cannot read its models is not bound', async () => {
  const failed = Promise.withResolvers<Error>()
  const logic = listenerLogic({
    host: '127.0.0.1',
    port: 0,
    services: new FakeCluster(),
    log: { error: () => {} },
    ready: () => Promise.reject(new Error('no folder')),
    onFailed: failed.resolve,
    onOpen: () => failed.reject(new Error('it is open')),
  })
  const actor = createActor(logic).start()
  expect(await failed.promise).toMatchObject({ message: 'no folder' })
  actor.stop()
})
