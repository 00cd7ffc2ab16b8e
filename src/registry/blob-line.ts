/** The line of a progress board that a blob has while it moves. */
import type { ProgressBoard } from '../../actors/progress-board.ts'
import type { Blob } from './shelf.ts'

/** What has moved is shown this often, in ms; readers look no more often. */
const showEveryMs = 50

/** Characters of a digest that stand for it: those after `sha256:`. */
const shortDigest = [7, 19] as const

/**
 * Adds the blob's line and keeps it up to date while `move` runs, which names the one that knows how many bytes there are;
 * when it ends well, the blob is complete.
 */
export async function shown(
  board: ProgressBoard,
  verb: 'pulling' | 'pushing',
  { digest, sizeBytes }: Blob,
  completedBytes: number,
  move: (follow: (completed: () => number) => void) => Promise<void>,
): Promise<void> {
  let completed = () => completedBytes
  const show = board.show(`${verb} ${digest.slice(...shortDigest)}`, digest, sizeBytes, completedBytes)
  const showing = setInterval(() => show(completed()), showEveryMs)
  try {
    await move((follow) => {
      completed = follow
    })
    show(sizeBytes)
  } finally {
    clearInterval(showing)
  }
}
