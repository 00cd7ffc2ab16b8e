/** SHA-256 digests as clients and manifests write them. */

/** In any case, with `:` or as the file of a blob is called. */
const loosePattern = /^sha256[:-]([0-9a-f]{64})$/i

/** The digest that a text means, as manifests write it: `sha256:` and 64 lower-case digits; undefined when it is none. */
export function parseDigest(text: string): string | undefined {
  const hex = loosePattern.exec(text)?.[1]
  return hex === undefined ? undefined : `sha256:${hex.toLowerCase()}`
}
