/** Two habits of XState that bite in production, and how a machine avoids them. */
import { isNode, nameOf, type SyntaxNode } from './source.ts'

/** What is wrong with this part of a machine, if anything is. */
export function checkMachine(
  node: SyntaxNode,
): { readonly rule: string; readonly advice: string; readonly start: number } | undefined {
  if (node.type === 'Property' && nameOf(node.key) === 'on' && propertyOf(node.value, '*') !== undefined) {
    const advice = "a bare '*' also swallows the errors of children: name the events"
    return { rule: 'wildcard-handler', advice, start: node.start }
  }
  if (node.type !== 'CallExpression' || !isCreateMachine(node.callee)) return undefined
  const options = propertyOf((node.arguments as unknown[])[0], 'options')
  // A name stands for an object that is declared elsewhere, once for all machines.
  if (isNode(options, 'Identifier') || propertyOf(options, 'maxIterations') !== undefined) return undefined
  // A machine begins with its `setup`, often far above.
  const start = isNode(node.callee, 'MemberExpression') ? (node.callee.property as SyntaxNode).start : node.start
  return { rule: 'endless-machine', advice: 'set options: { maxIterations }: by default XState loops for ever', start }
}

function isCreateMachine(callee: unknown): boolean {
  return nameOf(isNode(callee, 'MemberExpression') ? callee.property : callee) === 'createMachine'
}

/** The value of a property in an object literal. */
function propertyOf(object: unknown, name: string): unknown {
  if (!isNode(object, 'ObjectExpression')) return undefined
  const properties = (object.properties as unknown[]).filter((property) => isNode(property, 'Property'))
  return properties.find(({ key }) => nameOf(key) === name)?.value
}
