/** The report on its gossip topic: whole, or only what changed since a version that the receiver may have. */
import { Type } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { decode, encode } from './codec.ts'
import { ProtocolError } from './protocol-error.ts'
import { type NodeReport, nodeReport } from './report.ts'
import type { CodecLimits } from './scan.ts'

/** A full report of 512 models is about 200 KiB; gossip forwards a message to several peers, so not more. */
export const maxReportBytes = 256 * 1024

const limits: CodecLimits = { maxBytes: maxReportBytes, maxDepth: 8, maxValues: 65_536 }

/** Marks on the wire. */
const fullMark = 0
const deltaMark = 1

export interface FullReport {
  readonly kind: 'full'
  readonly report: NodeReport
}

export interface ReportDelta {
  readonly kind: 'delta'
  /** The version that this changes; without exactly that one the delta means nothing. */
  readonly base: number
  readonly version: number
  readonly changes: Partial<Omit<NodeReport, 'node' | 'version'>>
}

let compiled: { readonly full: Validator; readonly changes: Validator } | undefined

/** Compiled when the first report arrives: a process that only prints help pays nothing. */
function validators(): { readonly full: Validator; readonly changes: Validator } {
  compiled ??= {
    full: Compile(nodeReport) as unknown as Validator,
    changes: Compile(Type.Partial(nodeReport)) as unknown as Validator,
  }
  return compiled
}

/**
 * The report as bytes: what differs from `base` when one is given, else all of it.
 * Throws ProtocolError `too-large` above `maxReportBytes`.
 */
export function encodeReport(report: NodeReport, base?: NodeReport): Uint8Array {
  const bytes =
    base === undefined || base.node !== report.node
      ? encode([fullMark, report])
      : encode([deltaMark, base.version, report.version, changesBetween(base, report)])
  if (bytes.length > maxReportBytes) {
    throw new ProtocolError('too-large', `a report of ${bytes.length} bytes; at most ${maxReportBytes} are published`)
  }
  return bytes
}

/** Throws ProtocolError for anything that is not a report or a delta. */
export function decodeReport(bytes: Uint8Array): FullReport | ReportDelta {
  const value = decode(bytes, limits)
  if (!Array.isArray(value)) throw new ProtocolError('shape', 'a report that is not an array')
  if (value[0] === fullMark) {
    const report: unknown = value[1]
    if (!validators().full.Check(report)) throw new ProtocolError('shape', 'a report with a missing or invalid field')
    return { kind: 'full', report: report as NodeReport }
  }
  const [mark, base, version, changes] = value as readonly unknown[]
  if (mark !== deltaMark) throw new ProtocolError('shape', 'neither a report nor a delta')
  if (!Number.isSafeInteger(base) || !Number.isSafeInteger(version) || (version as number) < (base as number)) {
    throw new ProtocolError('shape', 'a delta whose versions do not rise')
  }
  if (!validators().changes.Check(changes)) throw new ProtocolError('shape', 'a delta with an invalid field')
  const { node: _node, version: _version, ...fields } = changes as Partial<NodeReport>
  return { kind: 'delta', base: base as number, version: version as number, changes: fields }
}

/** The report that results, or undefined when a delta's base is not `previous`: ask its node for the full one. */
export function applyReport(
  previous: NodeReport | undefined,
  decoded: FullReport | ReportDelta,
): NodeReport | undefined {
  if (decoded.kind === 'full') return decoded.report
  if (previous === undefined || previous.version !== decoded.base) return undefined
  return { ...previous, ...decoded.changes, version: decoded.version }
}

function changesBetween(base: NodeReport, report: NodeReport): Record<string, unknown> {
  const changes: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(report)) {
    if (field === 'node' || field === 'version') continue
    if (JSON.stringify(base[field as keyof NodeReport]) !== JSON.stringify(value)) changes[field] = value
  }
  return changes
}
