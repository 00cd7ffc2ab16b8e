/** Proxies between this node and registries, as other programs learn them from the environment too. */

export interface Proxies {
  readonly http: string | undefined
  readonly https: string | undefined
  /** Hosts that are reached without one, with commas between. */
  readonly no: string
}

/** No proxy leads to this machine. */
const local = 'localhost,127.0.0.1,::1'

/** `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`; in small letters they come first. Throws an Error that names the variable. */
export function proxiesIn(env: Readonly<Record<string, string | undefined>>): Proxies {
  const no = env.no_proxy ?? env.NO_PROXY ?? ''
  return { http: proxyIn(env, 'HTTP_PROXY'), https: proxyIn(env, 'HTTPS_PROXY'), no: `${no},${local}` }
}

function proxyIn(env: Readonly<Record<string, string | undefined>>, name: string): string | undefined {
  const text = env[name.toLowerCase()] || env[name]
  if (text === undefined || text === '') return undefined
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  if (URL.canParse(url) && /^(https?|socks5?):$/.test(new URL(url).protocol)) return url
  // The text may hold a password.
  throw new Error(`${name} names no proxy: it needs the form http://HOST:PORT`)
}
