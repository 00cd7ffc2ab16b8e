/** What an Ollama says that it holds. */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { HeldModel, ModelDetails } from '../../../protocols/report.ts'
import { type RemoteClient, RemoteError } from '../remote/client.ts'

const text = Type.Optional(Type.String({ maxLength: 256 }))
const integer = Type.Optional(Type.Integer({ minimum: 0 }))

const TagsAnswer = Type.Object({
  models: Type.Array(
    Type.Object({
      name: Type.String({ maxLength: 256 }),
      modified_at: text,
      size: integer,
      digest: Type.String({ pattern: '^[0-9a-f]{64}$' }),
      details: Type.Optional(
        Type.Object({
          parent_model: text,
          format: text,
          family: text,
          families: Type.Optional(
            Type.Union([Type.Array(Type.String({ maxLength: 256 }), { maxItems: 32 }), Type.Null()]),
          ),
          parameter_size: text,
          quantization_level: text,
          context_length: integer,
          embedding_length: integer,
        }),
      ),
      capabilities: Type.Optional(Type.Array(Type.String({ maxLength: 256 }), { maxItems: 32 })),
    }),
  ),
})

const tagsCheck = Compile(TagsAnswer)

/** Newest first, as Ollama lists them. Rejects with a RemoteError. */
export async function tagsOf(client: RemoteClient): Promise<readonly HeldModel[]> {
  const answer = await client.ask('GET', '/api/tags')
  if (!tagsCheck.Check(answer)) throw new RemoteError(500, `${client.url} answered /api/tags with something else`)
  return answer.models.map(({ name, modified_at = '', size = 0, digest, details = {}, capabilities }) => {
    const { context_length = 0, embedding_length = 0 } = details
    return {
      name,
      digest,
      sizeBytes: size,
      modifiedAtMs: Math.max(0, Date.parse(modified_at) || 0),
      details: detailsOf(details),
      contextLength: context_length,
      embeddingLength: embedding_length,
      // An older Ollama does not say; it answers what it can and refuses the rest itself.
      capabilities: capabilities ?? ['completion', 'tools', 'insert', 'vision', 'embedding', 'thinking'],
    }
  })
}

function detailsOf(details: Partial<ModelDetails>): ModelDetails {
  const { parent_model = '', format = '', family = '', families = null, parameter_size = '' } = details
  return {
    parent_model,
    format,
    family,
    families,
    parameter_size,
    quantization_level: details.quantization_level ?? '',
  }
}
