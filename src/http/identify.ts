/** Who answers at an address that is already taken: so that `start` can say it in one sentence. */

import { operationsRoutes } from '../../protocols/operations.ts'
import { greeting } from './root.ts'

/** A server that takes longer than this to say what it is remains unknown. */
const maxAnswerMs = 1_000

/** What is read of a stranger's answer: ours and Ollama's are far shorter. */
const maxAnswerBytes = 65_536

export type Occupant = 'omx-node' | 'ollama' | 'unknown'

/** What listens at `host:port`. Never rejects: whatever gives no answer is `unknown`. */
export async function identifyListener(host: string, port: number): Promise<Occupant> {
  const origin = `http://${reachable(host)}:${port}`
  // A node also greets as an Ollama does, so it is asked first.
  const [status, root] = await Promise.all([textAt(origin + operationsRoutes.status), textAt(`${origin}/`)])
  if (isStatus(status)) return 'omx-node'
  return root.trim() === greeting ? 'ollama' : 'unknown'
}

/** A wildcard address cannot be dialled; what listens on it also listens on loopback. */
function reachable(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

async function textAt(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(maxAnswerMs), redirect: 'manual' })
    let text = ''
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true })
      if (text.length > maxAnswerBytes) break
    }
    return text
  } catch {
    return ''
  }
}

function isStatus(text: string): boolean {
  try {
    const answer: unknown = JSON.parse(text)
    return typeof answer === 'object' && answer !== null && 'node' in answer && 'uptimeMs' in answer
  } catch {
    return false
  }
}
