import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { openapiDocument } from '../../scripts/openapi-document.ts'

interface Operation {
  readonly summary: string
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: { readonly type: string } }>> }
}

const text = readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')
const { openapi, paths } = JSON.parse(text) as {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

it('docs/openapi.json says what the routes say: run npm run docs after changing one', async () => {
  expect(text).toBe(await openapiDocument())
})

it('the document has every surface, with what its requests take', () => {
  expect(openapi).toBe('3.1.0')
  const posts = [
    '/api/chat',
    '/api/generate',
    '/v1/chat/completions',
    '/v1/responses',
    '/v1/messages',
    '/v1/embeddings',
  ]
  for (const path of posts) {
    const schema = paths[path]?.post?.requestBody?.content['application/json']?.schema
    expect([path, schema]).toEqual([path, expect.objectContaining({ type: 'object' })])
  }
  expect(Object.keys(paths['/omx/v1/models/{model}'] ?? {})).toEqual(['put'])
})
