/**
 * Imports run one way, types included: `protocols ← src/runtime ← actors ← adapters ← src/node.ts ← src/cli`.
 * Whoever imports the wrong way, or goes round in a circle, is told here.
 */
import { posix } from 'node:path'
import { type Finding, isNode, type SourceFile, type SyntaxNode, walk } from './source.ts'

/** A room of the house, and whom its files may import. */
interface Room {
  readonly name: string
  readonly path: RegExp
  readonly imports: readonly string[]
}

/** A file belongs to the first that fits; adapters are told apart by their folder. `gguf` and `modelfile` read one format for several. */
const rooms: readonly Room[] = [
  { name: 'protocols', path: /^protocols\//, imports: ['protocols'] },
  { name: 'runtime', path: /^src\/runtime\//, imports: ['protocols', 'runtime'] },
  { name: 'actors', path: /^actors\//, imports: ['protocols', 'runtime', 'actors'] },
  { name: 'version', path: /^src\/version\.ts$/, imports: [] },
  { name: 'gguf', path: /^src\/gguf\//, imports: ['gguf'] },
  { name: 'modelfile', path: /^src\/modelfile\//, imports: ['modelfile'] },
  { name: 'prompt', path: /^src\/prompt\//, imports: ['protocols', 'prompt'] },
  { name: 'config', path: /^src\/config(\.ts$|\/)/, imports: ['protocols', 'config'] },
  {
    name: 'adapter',
    path: /^src\/(net|engine|store|registry|http|observe|security|ui)\//,
    imports: ['protocols', 'runtime', 'actors', 'version', 'gguf', 'modelfile', 'prompt', 'same adapter'],
  },
  {
    name: 'node',
    path: /^src\/([^/]+\.ts$|node\/)/,
    imports: ['protocols', 'runtime', 'actors', 'version', 'gguf', 'modelfile', 'prompt', 'config', 'adapter', 'node'],
  },
  {
    name: 'cli',
    path: /^src\/cli\//,
    imports: [
      'protocols',
      'runtime',
      'actors',
      'version',
      'gguf',
      'modelfile',
      'prompt',
      'config',
      'adapter',
      'node',
      'cli',
    ],
  },
]

/** Around the house: they may import anything, and nothing in it may import them. */
const outside = /^(test|bench|deploy|scripts|[^/]+\.config\.ts$)/

/** The one file that may import XState. */
const xstateDoor = 'src/runtime/logic.ts'

/** Rooms without input or output; what they need from Node is a pure function, or in `world.ts`. */
const pureRooms = ['protocols', 'runtime', 'actors', 'prompt']
const pureModules = ['node:buffer']
const world = 'src/runtime/world.ts'

interface Import {
  /** As written; undefined when it is computed. */
  readonly specifier: string | undefined
  readonly line: number
}

/** Everything that is wrong with the imports of a project. */
export function checkImports(sources: readonly SourceFile[]): Finding[] {
  const findings: Finding[] = []
  const graph = new Map<string, { readonly path: string; readonly line: number }[]>()
  for (const source of sources) {
    const imports = importsOf(source)
    const room = rooms.find((candidate) => candidate.path.test(source.path))
    if (room === undefined && !outside.test(source.path)) {
      const advice = 'move it into a folder that docs/architecture.md names, or add the room here and there'
      findings.push({ path: source.path, line: 1, rule: 'unknown-room', advice })
    }
    for (const { specifier, line } of imports) {
      const problem = room === undefined ? undefined : judge(source.path, room, specifier)
      if (problem !== undefined) findings.push({ path: source.path, line, ...problem })
    }
    const targets = imports.flatMap(({ specifier, line }) => {
      const path = specifier === undefined ? undefined : resolve(source.path, specifier)
      return path === undefined ? [] : [{ path, line }]
    })
    graph.set(source.path, targets)
  }
  return [...findings, ...cycles(graph)]
}

/** Every way in which a file may name another: `import`, `export … from`, `import()`, `import('…').Type`, `require`. */
function importsOf(source: SourceFile): Import[] {
  const found: Import[] = []
  walk(source.program, (node) => {
    const target = targetOf(node)
    if (target === undefined) return
    const specifier = isNode(target, 'Literal') && typeof target.value === 'string' ? target.value : undefined
    found.push({ specifier, line: source.lineAt(node.start) })
  })
  return found
}

/** The node that names what is imported, if the given one imports. */
function targetOf(node: SyntaxNode): unknown {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ImportExpression':
    case 'TSImportType':
      return node.source
    case 'ExportAllDeclaration':
    case 'ExportNamedDeclaration':
      return node.source ?? undefined
    case 'TSExternalModuleReference':
      return node.expression
    case 'CallExpression':
      return isNode(node.callee, 'Identifier') && node.callee.name === 'require'
        ? (node.arguments as unknown[])[0]
        : undefined
    default:
      return undefined
  }
}

function judge(path: string, room: Room, specifier: string | undefined): Pick<Finding, 'rule' | 'advice'> | undefined {
  if (specifier === undefined) {
    return { rule: 'computed-import', advice: 'name the imported file in full, so that its direction can be checked' }
  }
  const target = resolve(path, specifier)
  return target === undefined ? judgePackage(path, room.name, specifier) : judgeFile(path, room, target)
}

function judgePackage(path: string, room: string, specifier: string): Pick<Finding, 'rule' | 'advice'> | undefined {
  if (/^xstate(\/|$)/.test(specifier) && path !== xstateDoor) {
    return {
      rule: 'xstate-door',
      advice: `import it from ${xstateDoor}, so that a new major version is one file's work`,
    }
  }
  const impure = specifier.startsWith('node:') && !pureModules.includes(specifier)
  if (impure && pureRooms.includes(room) && path !== world) {
    return { rule: 'pure-room', advice: `${room} has no input or output: take ${specifier} from World or an adapter` }
  }
  return undefined
}

function judgeFile(path: string, room: Room, target: string): Pick<Finding, 'rule' | 'advice'> | undefined {
  if (target === 'package.json' && room.name === 'version') return undefined
  if (outside.test(target)) {
    return { rule: 'import-direction', advice: `${target} is not part of the product: move what is needed into it` }
  }
  const targetRoom = rooms.find((candidate) => candidate.path.test(target))
  if (targetRoom === undefined)
    return { rule: 'import-direction', advice: `${target} is in no room: import another file` }
  const sameAdapter = targetRoom.name === 'adapter' && adapterOf(path) === adapterOf(target)
  if (room.imports.includes(targetRoom.name) || (sameAdapter && room.imports.includes('same adapter'))) return undefined
  const advice =
    room.name === 'adapter' && targetRoom.name === 'adapter'
      ? 'adapters meet in src/node.ts or by message: pass what is needed from there'
      : `${room.name} may import ${room.imports.join(', ') || 'nothing'}: move ${target} or what needs it`
  return { rule: 'import-direction', advice }
}

function adapterOf(path: string): string {
  return path.split('/').slice(0, 2).join('/')
}

/** The project's file that a relative specifier names; undefined for packages. */
function resolve(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  return posix.normalize(posix.join(posix.dirname(from), specifier))
}

/** One finding for each way back to a file that is still being followed. */
function cycles(graph: ReadonlyMap<string, readonly { readonly path: string; readonly line: number }[]>): Finding[] {
  const findings: Finding[] = []
  const finished = new Set<string>()
  const trail: string[] = []
  const follow = (path: string) => {
    if (finished.has(path)) return
    trail.push(path)
    for (const target of graph.get(path) ?? []) {
      const start = trail.indexOf(target.path)
      if (start < 0) follow(target.path)
      else {
        const circle = [...trail.slice(start), target.path].join(' → ')
        findings.push({ path, line: target.line, rule: 'import-cycle', advice: `move what both need down: ${circle}` })
      }
    }
    trail.pop()
    finished.add(path)
  }
  for (const path of graph.keys()) follow(path)
  return findings
}
