/** What the operating system knows about processes: from /proc on Linux, from `ps` elsewhere. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

export interface ProcessRow {
  readonly pid: number
  readonly command: string
}

/** The direct children of a process; none when it is gone. */
export function childrenOf(pid: number): ProcessRow[] {
  return existsSync('/proc/self/task') ? childrenInProc(pid) : childrenByPs(pid)
}

function childrenInProc(pid: number): ProcessRow[] {
  const pids = (readIfThere(`/proc/${pid}/task/${pid}/children`) ?? '').split(' ').filter((text) => text !== '')
  return pids.map((child) => ({
    pid: Number(child),
    command: (readIfThere(`/proc/${child}/cmdline`) ?? '').replaceAll('\0', ' ').trim(),
  }))
}

function childrenByPs(pid: number): ProcessRow[] {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,command='], { encoding: 'utf8' }).split('\n')
  return rows.flatMap((row) => {
    const [, child, parent, command] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row) ?? []
    return Number(parent) === pid ? [{ pid: Number(child), command: command ?? '' }] : []
  })
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // It has ended meanwhile.
  }
}
