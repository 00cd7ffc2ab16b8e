import pino from 'pino'
import { expect, it } from 'vitest'
import { logUnreadable } from '../../src/observe/log-unreadable.ts'

it('a file that cannot be read is one warning within ten seconds, with the cause, what to do and how often it was', () => {
  const lines: Array<Record<string, unknown>> = []
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) })
  let nowMs = 0
  const tell = logUnreadable(log, { monotonicMs: () => nowMs })
  for (const digest of ['sha256:a', 'sha256:a', 'sha256:b', 'sha256:a']) tell(digest, new Error(`no ${digest}`))
  nowMs = 10_001
  tell('sha256:a', new Error('no sha256:a'))
  expect(lines).toMatchObject([
    {
      level: 40,
      digest: 'sha256:a',
      reason: 'no sha256:a',
      count: 1,
      msg: expect.stringContaining('check who owns it'),
    },
    { digest: 'sha256:b', count: 1 },
    { digest: 'sha256:a', count: 3 },
  ])
})
