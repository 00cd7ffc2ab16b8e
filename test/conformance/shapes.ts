/** What several rows send and expect. */
import { positive } from './match.ts'

/** Of the last object of an answer. */
export const metrics = {
  total_duration: positive,
  load_duration: positive,
  prompt_eval_count: positive,
  prompt_eval_duration: positive,
  eval_count: positive,
  eval_duration: positive,
}

/** The fields of a completion in the order of Ollama. */
export const completionKeys = ['model', 'created_at', 'response', 'thinking', 'done', 'done_reason', 'context']
  .concat(Object.keys(metrics))
  .concat(['tool_calls', '_debug_info', 'logprobs'])

/** Those of a chat. */
export const chatKeys = ['model', 'created_at', 'message', 'done', 'done_reason', '_debug_info', 'logprobs'].concat(
  Object.keys(metrics),
)

export const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city',
    parameters: { type: 'object', required: ['city'], properties: { city: { type: 'string', description: 'Which' } } },
  },
}
