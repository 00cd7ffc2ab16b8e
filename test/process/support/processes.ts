/** What the operating system says of processes: whose child, in which group, gone or not. Linux: read from /proc. */
import { readdirSync, readFileSync } from 'node:fs'

interface ProcessRow {
  readonly pid: number
  readonly parent: number
  readonly group: number
}

/** The living children of a process. */
export function childrenOf(pid: number): number[] {
  return processes()
    .filter(({ parent }) => parent === pid)
    .map((row) => row.pid)
}

/** The living members of a process group. */
export function membersOf(group: number): number[] {
  return processes()
    .filter((row) => row.group === group)
    .map(({ pid }) => pid)
}

export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return ''
  }
}

/** Every process that still runs: one that has ended and waits to be collected does not. */
function processes(): ProcessRow[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => rowOf(Number(name)) ?? [])
}

function rowOf(pid: number): ProcessRow | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined // It ended while the folder was read.
  }
  // The command stands in parentheses and may hold any character; what follows it does not.
  const [state, parent, group] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' || state === 'X' ? undefined : { pid, parent: Number(parent), group: Number(group) }
}
