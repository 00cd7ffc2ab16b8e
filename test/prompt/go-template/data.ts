import { jsonText } from '../../../src/prompt/go-template/json-text.ts'
import { fromJson, type GoField, type GoStruct, type GoValue, slice } from '../../../src/prompt/go-template/values.ts'

const struct = (fields: Readonly<Record<string, GoValue>>): GoStruct => ({
  kind: 'struct',
  type: 'example',
  fields: Object.entries(fields).map(([name, value]): GoField => ({ name, value })),
})

const argumentsOfCall: GoValue = {
  kind: 'map',
  type: 'arguments',
  entries: new Map<string, GoValue>([
    ['z', 1],
    ['a', '<&>'],
  ]),
}

const call = struct({
  ID: '',
  Function: struct({ Index: 0n, Name: 'f', Arguments: { ...argumentsOfCall, text: () => jsonText(argumentsOfCall) } }),
})

/** What every golden template is executed with. */
export const data: GoValue = {
  kind: 'map',
  type: 'map[string]interface {}',
  entries: new Map<string, GoValue>([
    ['S', 'héllo <b>'],
    ['I', 42n],
    ['F', 3],
    ['G', 1e-7],
    ['B', true],
    ['N', null],
    ['E', ''],
    ['L', fromJson(['a', 1.5, true, null])],
    ['M', fromJson({ b: 2, a: 'x<y', c: [1] })],
    [
      'Messages',
      slice([
        struct({ Role: 'user', Content: 'hi', ToolCalls: slice([]) }),
        struct({ Role: 'assistant', Content: '', ToolCalls: slice([call]) }),
      ]),
    ],
  ]),
}
