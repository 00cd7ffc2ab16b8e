/** What the numbers depend on: the machine, the software, how busy it was. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'
import { nginxVersion } from './nginx.ts'

/** Rows of a table: what, and what it is here. */
export function machineRows(): readonly (readonly [string, string])[] {
  return [
    ['CPU', `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} cores`],
    ['Memory', `${Math.round(totalmem() / 2 ** 30)} GiB`],
    ['System', `${distribution() ?? type()}, ${type()} ${release()}`],
    ['Node', process.version],
    ['nginx', nginxVersion() ?? 'not installed'],
    ['Commit', commit()],
    ['Date', new Date().toISOString().slice(0, 10)],
  ]
}

/** Processes that wanted a core, on average of the last minute, beyond those there are. */
export function loadAverage(): number {
  return loadavg()[0] ?? 0
}

function distribution(): string | undefined {
  const file = '/etc/os-release'
  return existsSync(file) ? /^PRETTY_NAME="(.*)"$/m.exec(readFileSync(file, 'utf8'))?.[1] : undefined
}

function commit(): string {
  const git = (...words: string[]) =>
    execFileSync('git', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    const isChanged = git('status', '--porcelain', '--untracked-files=no', '--', 'src', 'actors', 'protocols') !== ''
    return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? ' and uncommitted changes' : ''}`
  } catch {
    return 'unknown: not a clone'
  }
}
