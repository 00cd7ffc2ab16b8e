/** What a replayed run must not touch: clocks, chance and the event loop's own schedule. */
import { isNode, nameOf, type SyntaxNode } from './source.ts'

const members: Readonly<Record<string, readonly string[]>> = {
  Date: ['now'],
  performance: ['now', 'timeOrigin'],
  Math: ['random'],
  crypto: ['randomUUID', 'getRandomValues', 'randomBytes'],
  process: ['hrtime', 'nextTick', 'uptime'],
  AbortSignal: ['timeout'],
}

const globals = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'randomUUID', 'randomBytes']

/** The name of the banned thing that `node` mentions, if it does. */
export function banned(node: SyntaxNode, parent: SyntaxNode | undefined): string | undefined {
  if (node.type === 'MemberExpression') {
    const object = objectName(node.object)
    const property = nameOf(node.property) ?? ''
    if (object === 'globalThis' && globals.includes(property)) return property
    return members[object]?.includes(property) === true ? `${object}.${property}` : undefined
  }
  if (node.type === 'NewExpression' && nameOf(node.callee) === 'Date' && (node.arguments as unknown[]).length === 0) {
    return 'new Date()'
  }
  if (node.type !== 'Identifier' || !globals.includes(String(node.name)) || isLabel(node, parent)) return undefined
  return String(node.name)
}

/** `Date` in `Date.now` and in `globalThis.Date.now`. */
function objectName(object: unknown): string {
  return (isNode(object, 'MemberExpression') ? nameOf(object.property) : nameOf(object)) ?? ''
}

/** Whether the identifier only names a property, such as World's own `setTimeout`. */
function isLabel(node: SyntaxNode, parent: SyntaxNode | undefined): boolean {
  if (parent === undefined) return false
  if (parent.type === 'MemberExpression') return parent.property === node && parent.computed !== true
  const keyed = ['Property', 'MethodDefinition', 'PropertyDefinition', 'TSPropertySignature', 'TSMethodSignature']
  return keyed.includes(parent.type) && parent.key === node
}
