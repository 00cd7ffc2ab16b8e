/** docs/openapi.json, asked of a listener: `npm run docs` writes it, a test proves it fresh. */
import { writeFileSync } from 'node:fs'
import { startListener } from '../src/http/listener.ts'
import type { ApiServices } from '../src/http/services.ts'

const page = new URL('../docs/openapi.json', import.meta.url)

/** The document's text as it must be. */
export async function openapiDocument(): Promise<string> {
  // Routes are described when they are added: nothing is asked of the services.
  const services = { operations: {} } as ApiServices
  const listener = await startListener({ host: '127.0.0.1', port: 0, services, log: console })
  try {
    const response = await fetch(`http://127.0.0.1:${listener.address.port}/omx/v1/openapi.json`)
    return `${JSON.stringify(await response.json(), null, 2)}\n`
  } finally {
    await listener.close()
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) writeFileSync(page, await openapiDocument())
