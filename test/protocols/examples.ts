/** One example of each thing that crosses a wire. Their bytes are in `protocols/golden/`: a change there breaks running clusters. */
import type { ActorFrame } from '../../protocols/actor.ts'
import type { InferFrame, InferRequest } from '../../protocols/infer.ts'
import type { NodeReport } from '../../protocols/report.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const digest = '0123456789abcdef'.repeat(4)

export const actorFrames: Readonly<Record<string, ActorFrame>> = {
  tell: {
    kind: 'tell',
    to: 'node/peers/12D3KooW',
    epoch: 0,
    message: { type: 'peer.heartbeat', sequence: 7, reportVersion: 1_700_000_000_000 },
    traceId: '',
    remainingMs: 0,
  },
  ask: {
    kind: 'ask',
    ask: 300,
    to: 'node/models',
    epoch: 2,
    message: { type: 'models.show', name: 'omx-tiny:latest', verbose: false, offset: 0 },
    traceId,
    remainingMs: 5000,
  },
  reply: { kind: 'reply', ask: 300, message: { type: 'models.shown', piece: '{"license":""}', totalLength: 14 } },
  'reply-inspector-tree': {
    kind: 'reply',
    ask: 301,
    message: {
      type: 'inspector.tree',
      actors: [
        {
          path: 'node/models',
          born: 1_700_000_000_001,
          state: 'scanning',
          waiting: 1,
          capacity: 1024,
          restarts: 1,
          epoch: 1_700_000_000_002,
          lastExit: 'crash: cannot be read',
          handled: 7,
          refused: 0,
          oldestMs: 12.5,
          longestMs: null,
          owes: 1,
          runs: [{ name: 'scan', forMs: 3200 }],
        },
      ],
      next: 1_700_000_000_001,
    },
  },
  'reply-inspector-waiting': {
    kind: 'reply',
    ask: 302,
    message: {
      type: 'inspector.waiting',
      asks: [
        {
          ask: '12D3KooW/$ask/7',
          asker: 'node/health-check',
          asked: '12D3KooX/node/health',
          type: 'health.probe',
          ageMs: 3200,
          leftMs: 1800,
        },
      ],
      owed: [{ ask: '12D3KooX/$ask/8', by: 'node/reporter' }],
      leftOut: 0,
    },
  },
  'reply-inspector-news': {
    kind: 'reply',
    ask: 303,
    message: {
      type: 'inspector.news',
      facts: [
        { sequence: 9, atMs: 1_700_000_000_000, kind: 'exited', subject: 'node/x', detail: 'crash: boom', count: 1 },
      ],
      cursor: 9,
      missed: 2,
    },
  },
  refused: { kind: 'refused', ask: 300, why: 'full' },
  watch: { kind: 'watch', watch: 4, to: 'node/worker', epoch: 0 },
  watched: { kind: 'watched', watch: 4, epoch: 9 },
  unwatch: { kind: 'unwatch', watch: 4 },
  'down-crash': {
    kind: 'down',
    watch: 4,
    epoch: 9,
    exit: { kind: 'crash', failure: { name: 'EngineError', message: 'the child ended with code 139' } },
  },
  'down-normal': { kind: 'down', watch: 4, epoch: 9, exit: { kind: 'normal' } },
  'down-shutdown': { kind: 'down', watch: 4, epoch: 9, exit: { kind: 'shutdown' } },
  'down-unreachable': { kind: 'down', watch: 4, epoch: 9, exit: { kind: 'unreachable' } },
  'down-absent': { kind: 'down', watch: 4, epoch: 0, exit: { kind: 'absent' } },
}

const asked = { id: 'task-1', traceId, model: 'omx-tiny', digest, remainingMs: 60_000 }

export const inferRequests: Readonly<Record<string, InferRequest>> = {
  generate: {
    ...asked,
    work: { kind: 'generate', prompt: 'Why is the sky blue? ☁', system: 'Be brief.', raw: false, context: [1, 70_000] },
    options: { temperature: 0.5, seed: 42, stop: ['\n\n'] },
    keepAliveMs: 300_000,
    resume: { tokens: [5, 6, 7] },
  },
  chat: {
    ...asked,
    work: { kind: 'chat', messages: [{ role: 'user', content: 'Hello' }] },
    options: {},
    keepAliveMs: Number.POSITIVE_INFINITY,
  },
  'generate-wishes': {
    ...asked,
    work: {
      kind: 'generate',
      prompt: 'def add(',
      suffix: 'return c',
      template: '{{ .Prompt }}',
      raw: false,
      images: [Buffer.from([137, 80, 78, 71])],
      format: 'json',
      think: 'high',
    },
    options: {},
    truncate: false,
    shift: false,
    logprobs: 5,
    renderOnly: true,
  },
  'chat-tools': {
    ...asked,
    work: {
      kind: 'chat',
      messages: [
        {
          role: 'assistant',
          content: '',
          thinking: 'The tool knows.',
          toolCalls: [{ id: 'call_a1b2c3d4', index: 0, name: 'weather', arguments: { city: 'Oslo' } }],
        },
        { role: 'tool', content: '11 °C', toolName: 'weather', toolCallId: 'call_a1b2c3d4' },
      ],
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'Weather now',
            parameters: { type: 'object', properties: { city: { type: 'string' } } },
          },
        },
      ],
      format: { type: 'object' },
      think: true,
    },
    options: {},
  },
  embed: {
    ...asked,
    work: { kind: 'embed', input: ['a', 'b'], truncate: true, dimensions: 64, normalize: true },
    options: {},
  },
  load: { ...asked, work: { kind: 'load' }, options: {}, keepAliveMs: 0 },
}

const ended = {
  promptTokens: 12,
  cachedTokens: 8,
  promptNs: 5_000_000,
  evalTokens: 34,
  evalNs: 9_000_000_000,
  loadNs: 0,
}

export const inferFrames: Readonly<Record<string, InferFrame>> = {
  accepted: { kind: 'accepted', load: { active: 3, waiting: 1, slots: 4 } },
  refused: {
    kind: 'refused',
    reason: 'busy',
    message: 'all slots are taken',
    load: { active: 4, waiting: 16, slots: 4 },
  },
  progress: { kind: 'progress', phase: 'prefill', done: 128, total: 4096 },
  token: { kind: 'token', index: 17, tokens: [1234, 99_999], text: ' blue ☁' },
  'token-thought': { kind: 'token', index: 3, tokens: [7], text: '', thinking: 'Rayleigh, surely.' },
  'token-call': {
    kind: 'token',
    index: 40,
    tokens: [8],
    text: '',
    toolCalls: [{ id: 'call_a1b2c3d4', index: 0, name: 'weather', arguments: { city: 'Oslo', days: 2 } }],
  },
  'token-logprobs': {
    kind: 'token',
    index: 0,
    tokens: [9],
    text: 'Yes',
    logprobs: [
      {
        token: 'Yes',
        logprob: -0.25,
        top: [
          { token: 'Yes', logprob: -0.25 },
          { token: 'No', logprob: -1.5 },
        ],
      },
    ],
  },
  rendered: { kind: 'rendered', prompt: '<|user|>Hi', images: 1 },
  embedding: { kind: 'embedding', index: 1, vector: Float32Array.from([0.5, -1, 3.25]) },
  done: { kind: 'done', reason: 'stop', ...ended, promptTokenIds: [1, 2, 70_000] },
  'done-embedding': { kind: 'done', reason: 'length', ...ended },
  failed: { kind: 'failed', code: 'engine-crashed', message: 'the child ended with code 139' },
}

export const report: NodeReport = {
  node: '12D3KooWReport',
  version: 1_700_000_000_000,
  name: 'attic',
  software: 'ollamamax/0.1.0',
  api: '192.0.2.7:11434',
  state: 'serving',
  models: [
    {
      name: 'omx-tiny:latest',
      digest,
      sizeBytes: 5_000_000_000,
      modifiedAtMs: 1_700_000_000_000,
      details: {
        parent_model: '',
        format: 'gguf',
        family: 'llama',
        families: ['llama'],
        parameter_size: '1.2M',
        quantization_level: 'F16',
      },
      contextLength: 512,
      embeddingLength: 64,
      capabilities: ['completion'],
    },
  ],
  loaded: [
    {
      digest,
      name: 'omx-tiny:latest',
      sizeBytes: 5_000_000,
      sizeVramBytes: 0,
      contextLength: 512,
      expiresAtMs: -1,
      active: 1,
      waiting: 0,
      slots: 4,
    },
  ],
  capacity: { cpus: 2, memoryBytes: 8_000_000_000 },
}

/** The same node a moment later. */
export const laterReport: NodeReport = { ...report, version: report.version + 1, state: 'draining', loaded: [] }
