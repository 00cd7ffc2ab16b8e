/** Waiting until a stream takes more. */
import type { Stream } from '@libp2p/interface'

/**
 * Resolves when the stream can be written again, at once when it can now; rejects when it ends first.
 * Not the stream's own `onDrain`: in @libp2p/utils 7 that keeps the promise of its first drain for ever, so that every
 * later wait is over before it begins and a fast writer fills the memory.
 */
export async function drained(stream: Stream): Promise<void> {
  while (stream.writableNeedsDrain) {
    if (stream.status !== 'open') throw new Error(`the stream is ${stream.status}`)
    await nextDrain(stream)
  }
}

async function nextDrain(stream: Stream): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onDrain = () => resolve()
  const onClose = () => reject(new Error(`the stream is ${stream.status}`))
  stream.addEventListener('drain', onDrain)
  stream.addEventListener('close', onClose)
  try {
    await promise
  } finally {
    stream.removeEventListener('drain', onDrain)
    stream.removeEventListener('close', onClose)
  }
}
