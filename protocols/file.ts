/**
 * `/omx/file/1`: one node reads a manifest or a blob of another. One request to a stream, as a frame; the answer is a head
 * of fixed size and then the bytes themselves, without frames, because there may be many gigabytes of them.
 */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { decode, encode } from './codec.ts'
import { ProtocolError } from './protocol-error.ts'

export const fileProtocol = '/omx/file/1'

const FileRequest = Type.Object({
  kind: Type.Union([Type.Literal('manifest'), Type.Literal('blob')]),
  /** `sha256:` and 64 lower-case hex digits. */
  digest: Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }),
  /** The first byte that is wanted. */
  start: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  /** Before which byte to end; none is sent when that is `start`, and the head tells the size all the same. */
  end: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
})
export type FileRequest = Type.Static<typeof FileRequest>

const check = Compile(FileRequest)

/** Largest request in bytes: a digest, two numbers and their names. */
export const maxFileRequestBytes = 512

export const encodeFileRequest = (request: FileRequest): Uint8Array => encode(request)

/** Throws ProtocolError. */
export function decodeFileRequest(bytes: Uint8Array): FileRequest {
  const value = decode(bytes, { maxBytes: maxFileRequestBytes, maxDepth: 2, maxValues: 32 })
  if (check.Check(value)) return value
  throw new ProtocolError('shape', 'a request that names no file')
}

/** What comes before the bytes. */
export interface FileHead {
  /** `busy`: it may be asked again later. */
  readonly status: FileStatus
  /** Of the whole file; 0 where there is none. */
  readonly sizeBytes: number
}

const statuses = ['found', 'absent', 'busy', 'failed'] as const
export type FileStatus = (typeof statuses)[number]

/** Status (1 byte), size (8 bytes, big-endian). */
export const fileHeadBytes = 9

export function encodeFileHead({ status, sizeBytes }: FileHead): Uint8Array {
  const bytes = new Uint8Array(fileHeadBytes)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, statuses.indexOf(status))
  view.setBigUint64(1, BigInt(sizeBytes))
  return bytes
}

/** Throws ProtocolError. */
export function decodeFileHead(bytes: Uint8Array): FileHead {
  if (bytes.length !== fileHeadBytes) throw new ProtocolError('shape', `a head of ${bytes.length} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, fileHeadBytes)
  const status = statuses[view.getUint8(0)]
  const size = view.getBigUint64(1)
  if (status === undefined || size > BigInt(Number.MAX_SAFE_INTEGER))
    throw new ProtocolError('shape', 'a head that says nothing of a file')
  return { status, sizeBytes: Number(size) }
}
