/** Style as a test: sizes, time and chance, leftovers, and what machines may not do. */
import { banned } from './banned.ts'
import { checkMachine } from './machines.ts'
import { type Finding, isNode, nameOf, type SourceFile, type SourceTree, type TextFile, walk } from './source.ts'

const maxFileLines = 500
const maxFunctionLines = 70

/** Rooms that get time, chance and scheduling from `World` alone, so that a cluster can be replayed by seed. */
const replayed = /^(protocols\/|actors\/|src\/runtime\/(?!world\.ts$))/
const product = /^(protocols|actors|src|scripts|bench|deploy)\//

const functionTypes = ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']

/** Written in two halves, so that this file does not find itself. */
const leftovers = new RegExp(
  `\\b(${['TO', 'FIX', 'X'].map((start, index) => start + ['DO', 'ME', 'XX'][index]).join('|')})\\b`,
)

/** Folders that exist on somebody's machine only; tests may make up people with a home. */
const machinePath = /(?<![\w.@~$}/-])\/(?:work|root|home\/[a-z]\w*)(?:\/|(?=["'`\s)]))/
const machinePathInTests = /(?<![\w.@~$}/-])\/(?:work|root)\//

/** Where a lock file may point; without an address npm asks whatever registry it is set up with. */
const publicRegistry = '"resolved": "https://registry.npmjs.org/'
const privateRegistry =
  /"resolved": "http|^\s*registry\s*=|--registry\b|\b(?:artifactory|verdaccio|npmmirror|codeartifact)\b/

/** Everything untidy in a project. */
export function checkTidy({ sources, texts, broken }: SourceTree): Finding[] {
  return [...broken, ...sources.flatMap(checkSource), ...texts.flatMap(checkText)]
}

function checkSource(source: SourceFile): Finding[] {
  const findings: Finding[] = [...checkLength(source), ...checkLines(source)]
  for (const { value, start } of source.comments) {
    if (leftovers.test(value)) findings.push(at(source, start, 'leftover', 'do it, or drop the comment'))
  }
  walk(source.program, (node, parent) => {
    if (functionTypes.includes(node.type) && product.test(source.path)) {
      const lines = source.lineAt(node.end) - source.lineAt(node.start) + 1
      const advice = `${lines} lines are more than ${maxFunctionLines}: keep the decisions and move the work into functions`
      if (lines > maxFunctionLines) findings.push(at(source, node.start, 'function-length', advice))
    }
    if (replayed.test(source.path)) {
      const name = banned(node, parent)
      const advice = `${name} differs from run to run: take it from World`
      if (name !== undefined) findings.push(at(source, node.start, 'outside-world', advice))
    }
    if (source.path.startsWith('actors/')) {
      const problem = checkMachine(node)
      if (problem !== undefined) findings.push(at(source, problem.start, problem.rule, problem.advice))
    }
    const marker =
      source.path.startsWith('test/') && isNode(node, 'CallExpression') ? testMarker(node.callee) : undefined
    if (marker !== undefined)
      findings.push(at(source, node.start, 'test-marker', `take .${marker} out: every test runs`))
  })
  return findings
}

/** `only`, `skip` or `todo` on a test or a group of tests, `each` and the like between them included. */
function testMarker(callee: unknown): string | undefined {
  let marker: string | undefined
  let current = callee
  while (isNode(current, 'MemberExpression') || isNode(current, 'CallExpression')) {
    if (current.type === 'CallExpression') {
      current = current.callee
      continue
    }
    const name = nameOf(current.property)
    if (name === 'only' || name === 'skip' || name === 'todo') marker = name
    current = current.object
  }
  return ['describe', 'it', 'test', 'suite', 'bench'].includes(nameOf(current) ?? '') ? marker : undefined
}

function checkText(file: TextFile): Finding[] {
  const findings = checkLines(file)
  for (const [index, line] of file.text.split('\n').entries()) {
    const finding = { path: file.path, line: index + 1 }
    if (leftovers.test(line)) findings.push({ ...finding, rule: 'leftover', advice: 'do it, or drop the note' })
  }
  return findings
}

function checkLength(file: TextFile): Finding[] {
  const lines = file.lineAt(file.text.length) - (file.text.endsWith('\n') ? 1 : 0)
  if (lines <= maxFileLines) return []
  const advice = `${lines} lines are more than ${maxFileLines}: split it, one noun a file`
  return [{ path: file.path, line: maxFileLines + 1, rule: 'file-length', advice }]
}

function checkLines(file: TextFile): Finding[] {
  // The file that holds the patterns, and the tests that plant what they find, are not findings.
  if (/^(scripts|test)\/checks\//.test(file.path)) return []
  const findings: Finding[] = []
  for (const [index, line] of file.text.split('\n').entries()) {
    const finding = { path: file.path, line: index + 1 }
    if ((file.path.startsWith('test/') ? machinePathInTests : machinePath).test(line)) {
      findings.push({ ...finding, rule: 'machine-path', advice: 'use a path that every machine has' })
    }
    if (privateRegistry.test(line) && !line.includes(publicRegistry)) {
      findings.push({ ...finding, rule: 'registry', advice: 'leave the choice of registry to whoever installs' })
    }
  }
  return findings
}

function at(source: SourceFile, offset: number, rule: string, advice: string): Finding {
  return { path: source.path, line: source.lineAt(offset), rule, advice }
}
