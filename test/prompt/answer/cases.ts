/** What models of every format write, and what it means. */
import type { How, Outcome } from './kit.ts'

export interface Case {
  readonly title: string
  readonly how: How
  readonly raw: string
  readonly means: Partial<Outcome>
}

const paris = { name: 'get_weather', arguments: { city: 'Paris' } }
const rome = { name: 'get_weather', arguments: { city: 'Rome', days: 2 } }
const now = { name: 'now', arguments: {} }
const think = { open: '<think>', close: '</think>', started: false }

export const cases: readonly Case[] = [
  {
    title: 'Hermes: a call after text, the white space between belonging to nobody',
    how: { calls: 'hermes' },
    raw: 'Let me see.\n\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>',
    means: { text: 'Let me see.', calls: [paris] },
  },
  {
    title: 'Hermes: several calls, in tags of their own and in one, and text after them',
    how: { calls: 'hermes' },
    raw: '<tool_call>{"name":"get_weather","arguments":{"city":"Paris"}}\n{"name":"now"}</tool_call>\n<tool_call>[{"name":"get_weather","arguments":"{\\"city\\":\\"Rome\\",\\"days\\":2}"}]</tool_call> Done.',
    means: { text: 'Done.', calls: [paris, now, rome] },
  },
  {
    title: 'Hermes: tags, braces and quotes within a string end nothing',
    how: { calls: 'hermes' },
    raw: '<tool_call>{"name":"get","arguments":{"key":"a } \\" </tool_call> \\\\"}}</tool_call>!',
    means: { text: '!', calls: [{ name: 'get', arguments: { key: 'a } " </tool_call> \\' } }] },
  },
  {
    title: 'Hermes: a tag that begins no call is text, and the next one is a call all the same',
    how: { calls: 'hermes' },
    raw: 'I use <tool_call> for it. <tool_call>{"name":"now","arguments":{}}</tool_call>',
    means: { text: 'I use <tool_call> for it.', calls: [now] },
  },
  {
    title: 'Hermes: a call with a brace too few is text, and the next one is a call all the same',
    how: { calls: 'hermes' },
    raw: '<tool_call>{"name":"now","arguments":{}</tool_call> <tool_call>{"name":"now"}</tool_call>',
    means: { text: '<tool_call>{"name":"now","arguments":{}</tool_call>', calls: [now] },
  },
  {
    title: 'Hermes: a call that is cut off is text, with its tag',
    how: { calls: 'hermes' },
    raw: 'So \n<tool_call>\n{"name": "get_weather", "arg',
    means: { text: 'So \n<tool_call>\n{"name": "get_weather", "arg', calls: [] },
  },
  {
    title: 'Hermes: thoughts first, then a call',
    how: { calls: 'hermes', thinking: think },
    raw: '<think>\nWhere? Paris.\n</think>\n\n<tool_call>\n{"name":"get_weather","arguments":{"city":"Paris"}}\n</tool_call>',
    means: { thinking: 'Where? Paris.\n', calls: [paris] },
  },
  {
    title: 'Qwen3-Coder: arguments take the types of the schema',
    how: { calls: 'qwen' },
    raw: 'Sure.\n<tool_call>\n<function=get_weather>\n<parameter=city>\nNew\nYork\n</parameter>\n<parameter=days>\n3\n</parameter>\n<parameter=metric>\nTrue\n</parameter>\n<parameter=tags>\n["a", 1]\n</parameter>\n<parameter=range>1.5</parameter>\n<parameter=else>null</parameter>\n</function>\n</tool_call>',
    means: {
      text: 'Sure.',
      calls: [
        {
          name: 'get_weather',
          arguments: { city: 'New\nYork', days: 3, metric: true, tags: ['a', 1], range: 1.5, else: null },
        },
      ],
    },
  },
  {
    title: 'Qwen3-Coder: the outer tag may be forgotten, white space within a value may not',
    how: { calls: 'qwen' },
    raw: '<function=get>\n<parameter=key>\n  a <b> & "c"  \n</parameter>\n</function>\n</tool_call>\n<function=now></function>',
    means: { calls: [{ name: 'get', arguments: { key: '  a <b> & "c"  ' } }, now] },
  },
  {
    title: 'Qwen3-Coder: a call without its end is text',
    how: { calls: 'qwen' },
    raw: '<tool_call>\n<function=get>\n<parameter=key>\nhalf',
    means: { text: '<tool_call>\n<function=get>\n<parameter=key>\nhalf', calls: [] },
  },
  {
    title: 'Seed: as Qwen3-Coder, with an outer tag and thoughts of its own',
    how: { calls: 'seed', thinking: { open: '<seed:think>', close: '</seed:think>', started: false } },
    raw: '<seed:think>hm</seed:think><seed:tool_call>\n<function=get_weather>\n<parameter=city>Paris</parameter>\n</function>\n</seed:tool_call>',
    means: { thinking: 'hm', calls: [paris] },
  },
  {
    title: 'MiniMax: several calls in one tag',
    how: { calls: 'minimax' },
    raw: '<minimax:tool_call>\n<invoke name="get_weather">\n<parameter name="city">Paris</parameter>\n</invoke>\n<invoke name="now">\n</invoke>\n</minimax:tool_call>',
    means: { calls: [paris, now] },
  },
  {
    title: 'GLM: keys and values in tags of their own, and a call without any',
    how: { calls: 'glm', thinking: think },
    raw: '\n<think>ok</think>\nOne moment.\n<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>\n<tool_call>now</tool_call>',
    means: { thinking: 'ok', text: 'One moment.', calls: [rome, now] },
  },
  {
    title: 'Llama: JSON as the first word',
    how: { calls: 'llama' },
    raw: '\n{"type": "function", "name": "get_weather", "parameters": {"city": "Paris"}}; {"name": "now", "parameters": {}}<|eom_id|>',
    means: { calls: [paris, now] },
  },
  {
    title: 'Llama: JSON after the Python tag',
    how: { calls: 'llama' },
    raw: 'Well: <|python_tag|>{"name": "get_weather", "parameters": {"city": "Paris"}}',
    means: { text: 'Well:', calls: [paris] },
  },
  {
    title: 'Llama: JSON that calls no known tool is text',
    how: { calls: 'llama' },
    raw: ' {"name": "Ada", "parameters": {}} is an example.',
    means: { text: ' {"name": "Ada", "parameters": {}} is an example.', calls: [] },
  },
  {
    title: 'JSON without a tag: the tool as the only key',
    how: { calls: 'json' },
    raw: '[{"get_weather": {"city": "Paris"}}, {"tool_name": "now", "parameters": {}}]',
    means: { calls: [paris, now] },
  },
  {
    title: 'Mistral: a list after the tag',
    how: { calls: 'mistral' },
    raw: '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Paris"}, "id": "abcdefghi"}, {"name": "now", "arguments": {}}]',
    means: { calls: [paris, now] },
  },
  {
    title: 'Mistral: names before their arguments, and thoughts',
    how: { calls: 'mistral', thinking: { open: '[THINK]', close: '[/THINK]', started: false } },
    raw: '[THINK]hm[/THINK]Now.[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}[TOOL_CALLS]now[CALL_ID]a1b2c3d4e[ARGS]{}',
    means: { thinking: 'hm', text: 'Now.', calls: [paris, now] },
  },
  {
    title: 'Functionary 3.2: recipients, all of them the reader but one',
    how: { calls: 'functionary' },
    raw: 'all\nA moment >> please.>>>get_weather\n{"city": "Paris"}>>>now\n{}',
    means: { text: 'A moment >> please.', calls: [paris, now] },
  },
  {
    title: 'Functionary 3.2: what names no recipient is text',
    how: { calls: 'functionary' },
    raw: 'Hello\n>>> print(1)\nBye',
    means: { text: 'Hello\n>>> print(1)\nBye', calls: [] },
  },
  {
    title: 'Functionary 3.1: the name in the tag',
    how: { calls: 'functionTag' },
    raw: '<function=get_weather>{"city": "Paris"}</function>\n<function=now>{}</function>',
    means: { calls: [paris, now] },
  },
  {
    title: 'DeepSeek V3.1: name and arguments apart',
    how: { calls: 'deepseek', thinking: { ...think, started: true } },
    raw: 'Paris it is.</think>Wait.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Paris"}<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    means: { thinking: 'Paris it is.', text: 'Wait.', calls: [paris, now] },
  },
  {
    title: 'DeepSeek R1: arguments in a code fence',
    how: { calls: 'deepseek' },
    raw: '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{"city": "Rome", "days": 2}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>',
    means: { calls: [rome, now] },
  },
  {
    title: 'Kimi K2: names with a prefix and a number',
    how: { calls: 'kimi' },
    raw: 'ok <|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{"city": "Paris"}<|tool_call_end|><|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>',
    means: { text: 'ok', calls: [paris, now] },
  },
  {
    title: 'Command R7B: thoughts, then actions',
    how: { calls: 'cohere', thinking: { open: '<|START_THINKING|>', close: '<|END_THINKING|>', started: false } },
    raw: '<|START_THINKING|>I will look.<|END_THINKING|><|START_ACTION|>[\n  {"tool_call_id": "0", "tool_name": "get_weather", "parameters": {"city": "Paris"}}\n]<|END_ACTION|><|END_OF_TURN_TOKEN|>',
    means: { thinking: 'I will look.', calls: [paris] },
  },
  {
    title: 'Command R7B: the tags round an answer are not seen, with tools and without',
    how: { calls: 'cohere', tools: [] },
    raw: '<|START_RESPONSE|>It is 3 < 4.<|END_RESPONSE|>',
    means: { text: 'It is 3 < 4.', calls: [] },
  },
  {
    title: 'Granite: a list after the tag',
    how: { calls: 'toolCall' },
    raw: '<|tool_call|>[{"name": "get_weather", "arguments": {"city": "Paris"}}, {"name": "now", "arguments": {}}]',
    means: { calls: [paris, now] },
  },
  {
    title: 'Phi-4: a list after the word; the word alone is a word',
    how: { calls: 'functools' },
    raw: 'With functools as ever: functools[{"name": "get_weather", "arguments": {"city": "Paris"}}]',
    means: { text: 'With functools as ever:', calls: [paris] },
  },
  {
    title: 'Nemotron Nano 2: a list between tags',
    how: { calls: 'nemotron' },
    raw: '<TOOLCALL>[{"name": "now", "arguments": {}}]</TOOLCALL>',
    means: { calls: [now] },
  },
  {
    title: 'Apertus: tools as keys',
    how: { calls: 'apertus' },
    raw: '<|tools_prefix|>[{"get_weather": {"city": "Paris"}}]<|tools_suffix|>',
    means: { calls: [paris] },
  },
  {
    title: 'LFM2: Python calls in a list; the closing tag may be missing at the end',
    how: { calls: 'lfm' },
    raw: "Yes.<|tool_call_start|>[get_weather(city=\"Rome\", days=2), now()]<|tool_call_end|>\n<|tool_call_start|>[get(key='it\\'s [1]')]",
    means: { text: 'Yes.', calls: [rome, now, { name: 'get', arguments: { key: "it's [1]" } }] },
  },
  {
    title: 'OLMo 3: Python calls in lines',
    how: { calls: 'olmo' },
    raw: '<function_calls>\nget_weather(city="Rome", days=2)\nget(key={"a": [1.5, None, True], \'b\': -3})\n</function_calls>',
    means: { calls: [rome, { name: 'get', arguments: { key: { a: [1.5, null, true], b: -3 } } }] },
  },
  {
    title: 'FunctionGemma: strings between escapes',
    how: { calls: 'functionGemma' },
    raw: '<start_function_call>call:get_weather{city:<escape>Rome<escape>,days:2}<end_function_call>',
    means: { calls: [rome] },
  },
  {
    title: 'Gemma 4: thoughts in a channel, strings between marks',
    how: { calls: 'gemma', thinking: { open: '<|channel>thought', close: '<channel|>', started: false } },
    raw: '<|channel>thought\nhm\n<channel|><|tool_call>call:get{key:{a:[<|"|>x, "y"<|"|>,1],b:true}}<tool_call|>',
    means: { thinking: 'hm\n', calls: [{ name: 'get', arguments: { key: { a: ['x, "y"', 1], b: true } } }] },
  },
  {
    title: 'Harmony: analysis, commentary and final',
    how: { calls: 'harmony' },
    raw: '<|channel|>analysis<|message|>Need weather.<|end|><|start|>assistant<|channel|>commentary<|message|>I look. <|end|><|start|>assistant<|channel|>final<|message|>It is <b>warm</b>.<|return|>',
    means: { thinking: 'Need weather.', text: 'I look. It is <b>warm</b>.', calls: [] },
  },
  {
    title: 'Harmony: recipients on either side of the channel',
    how: { calls: 'harmony' },
    raw: '<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Paris"}<|call|><|start|>assistant to=functions.now<|channel|>commentary<|message|>',
    means: { thinking: 'a', calls: [paris, now] },
  },
  {
    title: 'Harmony: text without a header is text',
    how: { calls: 'harmony' },
    raw: 'Just <|so.',
    means: { text: 'Just <|so.', calls: [] },
  },
  {
    title: 'Harmony: the end of a header that nothing began is text',
    how: { calls: 'harmony' },
    raw: '<<|message|>a',
    means: { text: '<<|message|>a' },
  },
  {
    title: 'Harmony: arguments that are no JSON are text, with their header',
    how: { calls: 'harmony' },
    raw: '<|channel|>commentary to=functions.now<|message|>soon<|call|>',
    means: { text: '<|channel|>commentary to=functions.now<|message|>soon', calls: [] },
  },
  {
    title: 'Glimmer: thoughts, words and calls in markup, by the tool’s name or as a member of its namespace',
    how: { calls: 'glimmer' },
    raw: ' to=self<|message|>Look it up.<|eom|><|start|>assistant to=user<|message|>One <b>moment</b>.<|eom|><|start|>assistant to=get_weather<|message|><atem:function_calls>\n<atem:invoke name="get_weather">\n<atem:parameter name="city">Rome</atem:parameter>\n<atem:parameter name="days">2</atem:parameter>\n</atem:invoke>\n</atem:function_calls><|eom|><|start|>assistant to=now.now<|message|><atem:function_calls><atem:invoke name="now"></atem:invoke></atem:function_calls><|eot|>',
    means: { thinking: 'Look it up.', text: 'One <b>moment</b>.', calls: [rome, now] },
  },
  {
    title: 'Glimmer: a recipient that is no tool gets words, and a body that is no call is one',
    how: { calls: 'glimmer' },
    raw: '<|message|>a<|eom|><|start|>assistant to=nobody<|message|>b<|eom|><|start|>assistant to=now<|message|>soon<|eom|>',
    means: { text: 'ab<|start|>assistant to=now<|message|>soon', calls: [] },
  },
  {
    title: 'a Go template with a tag: text before it, calls after it, and nothing of what is between them',
    how: { calls: { tag: '<tool_call>' } },
    raw: 'Sure. <tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call> Bye',
    means: { text: 'Sure. ', calls: [paris, now] },
  },
  {
    title: 'a Go template with a tag: lists, unknown tools, and names that begin others',
    how: { calls: { tag: '[TOOL_CALLS]' } },
    raw: '[TOOL_CALLS] [{"name": "fly", "arguments": {"to": "Mars"}}, {"function": {"name": "get_weather", "parameters": {"city": "Paris"}}}, {"name": "get", "arguments": "{\\"key\\": \\"}\\"}"}]',
    means: { calls: [paris, { name: 'get', arguments: { key: '}' } }] },
  },
  {
    title: 'a Go template with a tag: the name before bare arguments, and below the tool as a key',
    how: { calls: { tag: 'CALL:' } },
    raw: 'CALL: get_weather({"city": "Paris"}) and {"calls": [{"now": {"zone": 1}}]}',
    means: { calls: [paris, { name: 'now', arguments: { zone: 1 } }] },
  },
  {
    title: 'a Go template with a tag: text after it without any call is text, with the tag',
    how: { calls: { tag: '<tool_call>' } },
    raw: 'I say <tool_call> {"name": "fly"} and no more',
    means: { text: 'I say <tool_call> {"name": "fly"} and no more', calls: [] },
  },
  {
    title: 'a Go template without a tag: an object as the first word',
    how: { calls: { tag: '{' } },
    raw: '\n {"name": "get_weather", "parameters": {"city": "Paris"}} {"name": "now", "parameters": {}}',
    means: { text: '\n ', calls: [paris, now] },
  },
  {
    title: 'a Go template without a tag: an object that calls nothing is text, as is all that follows',
    how: { calls: { tag: '{' } },
    raw: '{"answer": 42} {"name": "now", "parameters": {}}',
    means: { text: '{"answer": 42} {"name": "now", "parameters": {}}', calls: [] },
  },
  {
    title: 'a Go template without a tag: no calls after other words',
    how: { calls: { tag: '{' } },
    raw: 'Look: {"name": "now", "parameters": {}}',
    means: { text: 'Look: {"name": "now", "parameters": {}}', calls: [] },
  },
  {
    title: 'a Go template with the tag [: a list without calls is text',
    how: { calls: { tag: '[' } },
    raw: '[1, [2], {"a": 3}] [{"name": "now"}]',
    means: { text: '[1, [2], {"a": 3}] [{"name": "now"}]', calls: [] },
  },
  {
    title: 'a Go template with the tag [: a list of calls',
    how: { calls: { tag: '[' } },
    raw: '[{"name": "get_weather", "arguments": {"city": "Paris"}},{"name": "now"}]',
    means: { calls: [paris, now] },
  },
  {
    title: "thoughts: white space after either tag is nobody's",
    how: { thinking: think, tools: [] },
    raw: ' \n<think> \n a \n</think> \n\n b <think>c</think>',
    means: { thinking: 'a \n', text: 'b <think>c</think>' },
  },
  {
    title: 'thoughts: none when the first word is not their tag',
    how: { thinking: think, tools: [] },
    raw: '\n <thin> <think>a</think>',
    means: { thinking: '', text: '\n <thin> <think>a</think>' },
  },
  {
    title: 'thoughts: from the beginning when the prompt opened them, up to an end without a tag',
    how: { thinking: { ...think, started: true }, tools: [] },
    raw: '\na </thin',
    means: { thinking: 'a </thin', text: '' },
  },
]
