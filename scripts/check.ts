/** `npm run check`: import direction and tidiness of the repository, or of the folder that is named. */
import { checkImports } from './checks/imports.ts'
import { readTree } from './checks/source.ts'
import { checkTidy } from './checks/tidy.ts'

const tree = readTree(process.argv[2] ?? process.cwd())
const findings = [...checkImports(tree.sources), ...checkTidy(tree)]
for (const { path, line, rule, advice } of findings) console.log(`${path}:${line}  ${rule}  ${advice}`)
console.log(
  findings.length === 0
    ? `imports and tidiness of ${tree.sources.length} sources and ${tree.texts.length} texts: fine`
    : `${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}`,
)
process.exitCode = findings.length === 0 && tree.sources.length > 0 ? 0 : 1
