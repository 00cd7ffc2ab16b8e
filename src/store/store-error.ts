/** What can go wrong with files on this node's disk, in one error class that callers can tell apart by code. */

export type StoreErrorCode =
  | 'invalid-name' // the text is not a model name
  | 'not-gguf' // the bytes do not start as a GGUF file does
  | 'corrupt' // the file is damaged, cut short or not what its name says
  | 'mismatch' // the bytes are not those that their digest names
  | 'absent' // a blob or a model that was named is not here
  | 'unsupported' // a sound file of a kind that this release cannot use
  | 'no-space' // the disk is full
  | 'unwritable' // the folder or file cannot be created, read or written
  | 'interrupted' // the source of an import ended with an error
  | 'locked' // another process holds the data folder

/** Thrown by everything in `src/store`. The message names the file, the cause and the next step. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreErrorCode

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The operating system's code (`ENOENT`, `ENOSPC`, …) of what was thrown, or ''; Node's own (`ERR_…`) are none. */
export function systemCode(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return ''
  return error.code.startsWith('ERR_') ? '' : error.code
}

/** What was thrown, as text for the end of a message. */
export function causeText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** A failed read or write as a StoreError; one that already is stays as it is. */
export function fileError(action: string, path: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error
  const code = systemCode(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new StoreError(
      'no-space',
      `${action} ${path}: the disk is full. Free some space, or choose another folder with --models.`,
      { cause: error },
    )
  }
  const next = code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? ' Check who owns the folder.' : ''
  return new StoreError('unwritable', `${action} ${path} failed: ${causeText(error)}.${next}`, { cause: error })
}

/** An error about a file whose path says nothing to whoever gave it: it names what was given instead. */
export function renamed(error: unknown, path: string, given: string): unknown {
  if (!(error instanceof StoreError)) return error
  return new StoreError(error.code, error.message.replaceAll(path, given), { cause: error })
}
