/** Reads a project's files for the checks: TypeScript parsed, everything else as text. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { type Comment, parseSync } from 'oxc-parser'

/** What a check found, and what to do about it. */
export interface Finding {
  /** Relative to the project, with `/`. */
  readonly path: string
  readonly line: number
  readonly rule: string
  readonly advice: string
}

/** Any node of the syntax tree: checks look at few kinds, by the names of the ESTree. */
export interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

export interface TextFile {
  readonly path: string
  readonly text: string
  /** The line, from 1, that an offset is on. */
  lineAt(offset: number): number
}

export interface SourceFile extends TextFile {
  readonly program: SyntaxNode
  readonly comments: readonly Comment[]
}

export interface SourceTree {
  readonly sources: readonly SourceFile[]
  /** Every other text file. */
  readonly texts: readonly TextFile[]
  /** Files that are no TypeScript. */
  readonly broken: readonly Finding[]
}

const skippedFolders = new Set(['node_modules', 'dist', 'coverage', '.git'])
const textName = /(^|\/)(Dockerfile|\.npmrc|\.gitignore|run)$|\.(md|json|ya?ml|sh|mjs|cjs|js|html|css|txt)$/
/** A project of ours has a few hundred; this bounds a check that is started in the wrong folder. */
const maxFiles = 10_000

/** Reads the folder. Throws when it has more files than any project should. */
export function readTree(root: string): SourceTree {
  const sources: SourceFile[] = []
  const texts: TextFile[] = []
  const broken: Finding[] = []
  for (const path of listFiles(root)) {
    if (!path.endsWith('.ts') && !textName.test(path)) continue
    const file = textFile(path, readFileSync(join(root, path), 'utf8'))
    if (!path.endsWith('.ts')) {
      texts.push(file)
      continue
    }
    const { program, comments, errors } = parseSync(path, file.text, { lang: 'ts', sourceType: 'module' })
    const [error] = errors
    if (error === undefined) sources.push({ ...file, program: program as unknown as SyntaxNode, comments })
    else {
      const line = file.lineAt(error.labels[0]?.start ?? 0)
      broken.push({ path, line, rule: 'syntax', advice: `${error.message}: make it parse` })
    }
  }
  return { sources, texts, broken }
}

/** Calls `visit` for every node below `node`, parents first. */
export function walk(node: SyntaxNode, visit: (node: SyntaxNode, parent: SyntaxNode | undefined) => void): void {
  const waiting: [SyntaxNode, SyntaxNode | undefined][] = [[node, undefined]]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [current, parent] = next
    visit(current, parent)
    const children = Object.values(current)
      .flat()
      .filter((child) => isNode(child))
      .reverse()
    for (const child of children) waiting.push([child, current])
  }
}

/** Whether `value` is a node, of the given type if one is named. */
export function isNode(value: unknown, type?: string): value is SyntaxNode {
  if (typeof value !== 'object' || value === null || !('type' in value)) return false
  return typeof value.type === 'string' && (type === undefined || value.type === type)
}

/** The name of an identifier, or of a property that is not computed; undefined for anything else. */
export function nameOf(node: unknown): string | undefined {
  if (isNode(node, 'Identifier')) return String(node.name)
  return isNode(node, 'Literal') && typeof node.value === 'string' ? node.value : undefined
}

function textFile(path: string, text: string): TextFile {
  const starts = [0]
  for (let index = text.indexOf('\n'); index >= 0; index = text.indexOf('\n', index + 1)) starts.push(index + 1)
  return {
    path,
    text,
    lineAt: (offset) => {
      const after = starts.findIndex((start) => start > offset)
      return after < 0 ? starts.length : after
    },
  }
}

function listFiles(root: string): string[] {
  const paths: string[] = []
  const waiting = [root]
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory() && !skippedFolders.has(entry.name)) waiting.push(path)
      if (entry.isFile()) paths.push(relative(root, path).split(sep).join('/'))
      if (paths.length > maxFiles) throw new Error(`${root} has more than ${maxFiles} files: is it the project?`)
    }
  }
  return paths.sort()
}
