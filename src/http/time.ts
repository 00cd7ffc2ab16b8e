/** Times as Go writes and reads them: RFC 3339, the fraction's trailing zeros trimmed. Its clients parse nothing else. */

/** What Ollama adds for "never": Go's longest duration. Clients show anything this far away as "Forever". */
const foreverMs = 292 * 365.25 * 24 * 3600 * 1000

/** Latest time with a four-digit year, which is what RFC 3339 can hold. */
const lastWritableMs = Date.UTC(9999, 0, 1)

/** `2026-08-21T09:05:03.12Z`. @param atMs milliseconds since 1970 */
export function utcTime(atMs: number): string {
  return `${trimmed(isoOf(atMs))}Z`
}

/** The same moment as this host's clock shows it: `2026-08-21T11:05:03.12+02:00`. @param atMs milliseconds since 1970 */
export function localTime(atMs: number): string {
  const offsetMinutes = -new Date(atMs).getTimezoneOffset()
  if (offsetMinutes === 0) return utcTime(atMs)
  const sign = offsetMinutes < 0 ? '-' : '+'
  const minutes = Math.abs(offsetMinutes)
  const offset = `${sign}${twoDigits(Math.floor(minutes / 60))}:${twoDigits(Math.floor(minutes % 60))}`
  return trimmed(isoOf(atMs + offsetMinutes * 60_000)) + offset
}

/** When a model leaves memory. @param expiresAtMs milliseconds since 1970, or -1 for never */
export function expiryTime(expiresAtMs: number, nowMs: number): string {
  return localTime(expiresAtMs === -1 ? nowMs + foreverMs : expiresAtMs)
}

function isoOf(atMs: number): string {
  const bounded = Number.isFinite(atMs) ? Math.min(Math.max(atMs, 0), lastWritableMs) : lastWritableMs
  return new Date(bounded).toISOString()
}

/** ISO text without its `Z` and without the fraction's trailing zeros. */
function trimmed(iso: string): string {
  let end = iso.length - 1
  while (iso[end - 1] === '0' && end > 20) end--
  return iso.slice(0, iso[end - 1] === '.' ? end - 1 : end)
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}
