import { expect, it } from 'vitest'
import type { ChatMessage } from '../../protocols/chat.ts'
import { chatMessage, storedMessage } from '../../src/store/own-messages.ts'

const messages: ChatMessage[] = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'What is [img]?', images: [Buffer.from([1, 2, 3]), Buffer.from('another')] },
  {
    role: 'assistant',
    content: '',
    thinking: 'A picture.',
    toolCalls: [
      { id: 'call_1', index: 0, name: 'look', arguments: { z: 1, a: { deep: [true, null] } } },
      { id: '', index: 1, name: 'ask', arguments: {} },
    ],
  },
  { role: 'tool', content: 'a cat', toolName: 'look', toolCallId: 'call_1' },
]

it('a message is kept whole, and comes back as it was', () => {
  const stored = JSON.parse(JSON.stringify(messages.map(storedMessage)))
  expect(stored.map(chatMessage)).toEqual(messages)
})

it('a message is kept in the fields and in the order of Ollama, without what it does not have', () => {
  expect(JSON.stringify(messages.map(storedMessage))).toBe(
    '[{"role":"system","content":"Be brief."},' +
      '{"role":"user","content":"What is [img]?","images":["AQID","YW5vdGhlcg=="]},' +
      '{"role":"assistant","content":"","thinking":"A picture.","tool_calls":[' +
      '{"id":"call_1","function":{"index":0,"name":"look","arguments":{"z":1,"a":{"deep":[true,null]}}}},' +
      '{"function":{"index":1,"name":"ask","arguments":{}}}]},' +
      '{"role":"tool","content":"a cat","tool_name":"look","tool_call_id":"call_1"}]',
  )
})
