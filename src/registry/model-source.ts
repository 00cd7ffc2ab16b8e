/** Where models are read from that a cluster holds; `src/node.ts` hands it in. */
import type { ReadableBlob } from '../../actors/model-catalog.ts'

export interface ModelSource {
  /** `name` in its display form. Undefined: no node in reach holds a model of this name. */
  manifest(name: string, signal: AbortSignal): Promise<{ readonly bytes: Uint8Array } | undefined>
  /** `repository`: `[host/]namespace/model`. */
  blob(repository: string, digest: string, signal: AbortSignal): Promise<ReadableBlob | undefined>
}

/** The repository of a name in its display form. */
export function repositoryIn(name: string): string {
  const path = name.slice(0, name.lastIndexOf(':'))
  return path.includes('/') ? path : `library/${path}`
}
