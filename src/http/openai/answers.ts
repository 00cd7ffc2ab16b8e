/** What OpenAI's routes answer, for the document of all routes and for those that write it. */
import { type Static, Type } from 'typebox'
import { count, TokenRow } from '../answer-schemas.ts'

const completionHead = {
  id: Type.String(),
  created: count,
  model: Type.String(),
  system_fingerprint: Type.String(),
}

const logprobs = Type.Optional(Type.Object({ content: Type.Array(TokenRow) }))

const usage = Type.Object({ prompt_tokens: count, completion_tokens: count, total_tokens: count })

/** Its arguments are the text of a JSON object. */
const Call = Type.Object({
  id: Type.String(),
  index: count,
  type: Type.Literal('function'),
  function: Type.Object({ name: Type.String(), arguments: Type.String() }),
})
export type Call = Static<typeof Call>

export const ChatCompletion = Type.Object({
  ...completionHead,
  object: Type.Literal('chat.completion'),
  choices: Type.Array(
    Type.Object({
      index: count,
      message: Type.Object({
        role: Type.Literal('assistant'),
        content: Type.String(),
        reasoning: Type.Optional(Type.String()),
        tool_calls: Type.Optional(Type.Array(Call)),
      }),
      finish_reason: Type.Enum(['stop', 'length', 'load', 'tool_calls']),
      logprobs,
    }),
  ),
  usage,
})
export type ChatCompletion = Static<typeof ChatCompletion>

export const Completion = Type.Object({
  ...completionHead,
  object: Type.Literal('text_completion'),
  choices: Type.Array(
    Type.Object({
      text: Type.String(),
      index: count,
      logprobs,
      finish_reason: Type.Enum(['stop', 'length', 'load']),
    }),
  ),
  usage,
})
export type Completion = Static<typeof Completion>

export const EmbeddingList = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(
    Type.Object({
      object: Type.Literal('embedding'),
      /** Or the base64 of its little-endian floats. */
      embedding: Type.Union([Type.Array(Type.Number()), Type.String()]),
      index: count,
    }),
  ),
  model: Type.String(),
  usage: Type.Object({ prompt_tokens: count, total_tokens: count }),
})

export const ModelRow = Type.Object({
  id: Type.String(),
  object: Type.Literal('model'),
  /** Seconds since 1970. */
  created: count,
  owned_by: Type.String(),
})
export type ModelRow = Static<typeof ModelRow>

export const ModelList = Type.Object({ object: Type.Literal('list'), data: Type.Array(ModelRow) })

const textPart = Type.Object({
  type: Type.Literal('output_text'),
  text: Type.String(),
  annotations: Type.Array(Type.Unknown()),
  logprobs: Type.Array(Type.Unknown()),
})

const status = Type.Enum(['in_progress', 'completed'])

const OutputItem = Type.Union([
  Type.Object({
    id: Type.String(),
    type: Type.Literal('reasoning'),
    summary: Type.Array(Type.Object({ type: Type.Literal('summary_text'), text: Type.String() })),
    encrypted_content: Type.String(),
  }),
  Type.Object({
    id: Type.String(),
    type: Type.Literal('message'),
    status,
    role: Type.Literal('assistant'),
    content: Type.Array(textPart),
  }),
  Type.Object({
    id: Type.String(),
    type: Type.Literal('function_call'),
    status,
    call_id: Type.String(),
    name: Type.String(),
    arguments: Type.String(),
  }),
])

const orNull = <Schema extends Parameters<typeof Type.Array>[0]>(schema: Schema) => Type.Union([schema, Type.Null()])

export const Response = Type.Object({
  id: Type.String(),
  object: Type.Literal('response'),
  created_at: count,
  completed_at: orNull(count),
  status,
  background: Type.Literal(false),
  error: Type.Null(),
  incomplete_details: Type.Null(),
  instructions: orNull(Type.String()),
  max_output_tokens: orNull(Type.Integer()),
  max_tool_calls: Type.Null(),
  metadata: Type.Record(Type.String(), Type.Unknown()),
  model: Type.String(),
  output: Type.Array(OutputItem),
  parallel_tool_calls: Type.Literal(true),
  presence_penalty: Type.Number(),
  frequency_penalty: Type.Number(),
  previous_response_id: Type.Null(),
  prompt_cache_key: Type.Null(),
  reasoning: Type.Object({ effort: orNull(Type.String()), summary: Type.Unknown() }),
  safety_identifier: Type.Null(),
  service_tier: Type.Literal('default'),
  store: Type.Literal(false),
  temperature: Type.Number(),
  text: Type.Object({ format: Type.Record(Type.String(), Type.Unknown()) }),
  tool_choice: Type.Unknown(),
  tools: Type.Array(Type.Unknown()),
  top_logprobs: count,
  top_p: Type.Number(),
  truncation: Type.Literal('disabled'),
  usage: orNull(
    Type.Object({
      input_tokens: count,
      input_tokens_details: Type.Object({ cached_tokens: count }),
      output_tokens: count,
      output_tokens_details: Type.Object({ reasoning_tokens: count }),
      total_tokens: count,
    }),
  ),
})
