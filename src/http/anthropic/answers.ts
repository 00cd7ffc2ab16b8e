/** What Anthropic's routes answer, for the document of all routes and for those that write it. */
import { type Static, Type } from 'typebox'
import { count } from '../answer-schemas.ts'

const Block = Type.Union([
  Type.Object({ type: Type.Literal('thinking'), thinking: Type.String(), signature: Type.String() }),
  Type.Object({ type: Type.Literal('text'), text: Type.String() }),
  Type.Object({
    type: Type.Literal('tool_use'),
    id: Type.String(),
    name: Type.String(),
    input: Type.Record(Type.String(), Type.Unknown()),
  }),
])

export const Message = Type.Object({
  id: Type.String(),
  type: Type.Literal('message'),
  role: Type.Literal('assistant'),
  model: Type.String(),
  content: Type.Array(Block),
  stop_reason: Type.Enum(['end_turn', 'max_tokens', 'tool_use']),
  stop_sequence: Type.Null(),
  usage: Type.Object({ input_tokens: count, output_tokens: count }),
})
export type Message = Static<typeof Message>

export const TokenCount = Type.Object({ input_tokens: count })
