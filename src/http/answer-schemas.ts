/** What Ollama's own routes answer, for the document of all routes; and what the surfaces of others share with them. */
import { Type } from 'typebox'

export const count = Type.Integer({ minimum: 0 })
/** RFC 3339. */
const time = Type.String({ format: 'date-time' })

const row = { token: Type.String(), logprob: Type.Number(), bytes: Type.Array(count) }

/** One token and how likely it was, with the likeliest in its place where they were asked for. */
export const TokenRow = Type.Object({ ...row, top_logprobs: Type.Optional(Type.Array(Type.Object(row))) })

/** Of an answer that is complete; durations in nanoseconds. Zero means absent. */
const metrics = {
  total_duration: Type.Optional(count),
  load_duration: Type.Optional(count),
  prompt_eval_count: Type.Optional(count),
  prompt_eval_duration: Type.Optional(count),
  eval_count: Type.Optional(count),
  eval_duration: Type.Optional(count),
}

const answered = {
  model: Type.String(),
  created_at: time,
  done: Type.Boolean(),
  done_reason: Type.Optional(Type.Enum(['stop', 'length', 'load', 'unload'])),
  ...metrics,
  logprobs: Type.Optional(Type.Array(TokenRow)),
  /** Where the request only wanted to see its prompt. */
  _debug_info: Type.Optional(Type.Object({ rendered_template: Type.String(), image_count: Type.Optional(count) })),
}

export const GenerateAnswer = Type.Object({
  ...answered,
  response: Type.String(),
  thinking: Type.Optional(Type.String()),
  context: Type.Optional(Type.Array(count)),
})

const NativeCall = Type.Object({
  id: Type.String(),
  function: Type.Object({
    index: count,
    name: Type.String(),
    arguments: Type.Record(Type.String(), Type.Unknown()),
  }),
})

export const ChatAnswer = Type.Object({
  ...answered,
  message: Type.Object({
    /** Nobody's where the prompt is all that was asked for. */
    role: Type.Union([Type.Literal('assistant'), Type.Literal('')]),
    content: Type.String(),
    thinking: Type.Optional(Type.String()),
    tool_calls: Type.Optional(Type.Array(NativeCall)),
  }),
})

export const EmbedAnswer = Type.Object({
  model: Type.String(),
  embeddings: Type.Array(Type.Array(Type.Number())),
  total_duration: Type.Optional(count),
  load_duration: Type.Optional(count),
  prompt_eval_count: Type.Optional(count),
})

export const EmbeddingsAnswer = Type.Object({ embedding: Type.Array(Type.Number()) })

export const VersionAnswer = Type.Object({ version: Type.String({ pattern: '^\\d+\\.\\d+\\.\\d+$' }) })

const details = {
  parent_model: Type.String(),
  format: Type.String(),
  family: Type.String(),
  families: Type.Union([Type.Array(Type.String()), Type.Null()]),
  parameter_size: Type.String(),
  quantization_level: Type.String(),
}

/** 64 hexadecimal digits. */
const digest = Type.String({ pattern: '^[0-9a-f]{64}$' })

export const TagsAnswer = Type.Object({
  models: Type.Array(
    Type.Object({
      name: Type.String(),
      model: Type.String(),
      modified_at: time,
      size: count,
      digest,
      details: Type.Object({
        ...details,
        context_length: Type.Optional(count),
        embedding_length: Type.Optional(count),
      }),
      capabilities: Type.Array(Type.String()),
    }),
  ),
})

export const PsAnswer = Type.Object({
  models: Type.Array(
    Type.Object({
      name: Type.String(),
      model: Type.String(),
      size: count,
      digest,
      details: Type.Object(details),
      expires_at: time,
      size_vram: count,
      context_length: count,
    }),
  ),
})
