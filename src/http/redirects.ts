/**
 * Paths that are sent on to their one form, as by Go's server and the router that Ollama is made with: a browser, a proxy
 * or a base URL with a slash too many come to the same place with both.
 */
import type { FastifyInstance, FastifyReply } from 'fastify'

const moved = 'Moved Permanently'
const temporary = 'Temporary Redirect'

/** The registry's own protocol has paths that end with a slash. */
const registryPath = /^\/v2(?:\/|$)/

/** Install it before whatever else looks at a request. */
export function redirectPaths(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, next) => {
    const { method, url } = request
    const at = url.indexOf('?')
    const path = at < 0 ? url : url.slice(0, at)
    const query = at < 0 ? '' : url.slice(at)
    if (/\/[./]/.test(path)) {
      const clean = cleanPath(path)
      if (clean !== path) return void redirect(reply, temporary, clean + query)
    }
    if (path.endsWith('/') && path !== '/' && !request.is404 && !registryPath.test(path)) {
      return void redirect(reply, method === 'GET' ? moved : temporary, path.slice(0, -1) + query)
    }
    next()
  })
}

/** Without empty steps and those of dots; a slash at the end stays. A path that is none, such as `*`, stays as it is. */
function cleanPath(path: string): string {
  if (!path.startsWith('/')) return path
  const steps: string[] = []
  for (const step of path.split('/')) {
    if (step === '..') steps.pop()
    else if (step !== '' && step !== '.') steps.push(step)
  }
  return `/${steps.join('/')}${path.endsWith('/') && steps.length > 0 ? '/' : ''}`
}

/** Whoever asked with a body is to send it again. */
function redirect(reply: FastifyReply, words: typeof moved | typeof temporary, target: string): FastifyReply {
  // To a browser `/\host` is another host.
  const location = target.replaceAll('\\', '%5C')
  reply.code(words === moved ? 301 : 307).header('location', location)
  const { method } = reply.request
  if (method !== 'GET' && method !== 'HEAD') return reply.send()
  const shown = location.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`)
  return reply.type('text/html; charset=utf-8').send(`<a href="${shown}">${words}</a>.\n\n`)
}
