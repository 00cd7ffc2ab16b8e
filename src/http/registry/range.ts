/** Which bytes of a file a request is for: RFC 9110, section 14. */

export interface ByteRange {
  readonly start: number
  /** Before which byte it ends. */
  readonly end: number
}

/**
 * Reads `bytes=first-last`, `bytes=first-` and `bytes=-length`. `whole`: the header is absent, is no range or names several,
 * which may be answered with everything. `unsatisfiable`: the file ends before it.
 */
export function rangeOf(header: string | undefined, sizeBytes: number): ByteRange | 'whole' | 'unsatisfiable' {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '') ?? []
  if (first === '' && last === '') return 'whole'
  if (first === '') {
    const start = Math.max(0, sizeBytes - Number(last))
    return start < sizeBytes ? { start, end: sizeBytes } : 'unsatisfiable'
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return 'whole'
  if (start >= sizeBytes) return 'unsatisfiable'
  return { start, end: last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1) }
}
