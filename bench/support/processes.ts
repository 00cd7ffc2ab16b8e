/** What the operating system knows about processes: from /proc on Linux, from `ps` elsewhere. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** The kernel's unit of CPU time, as it shows it to programs: 100 a second on every architecture of today. */
const msPerTick = 10

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

/** CPU time that a process has used, all threads, in ms; undefined where the system does not say. */
export function cpuMsOf(pid: number): number | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // The second field is the name in parentheses and may hold anything; user and system time are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * msPerTick
}

/** Resident memory of a process in bytes; undefined where the system does not say. */
export function residentBytesOf(pid: number): number | undefined {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readIfThere(`/proc/${pid}/status`) ?? '')?.[1]
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
}
