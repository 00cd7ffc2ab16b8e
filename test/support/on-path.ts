/** Programs that a host may have. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where a program of the PATH lies; one that is named with its folder lies there. Undefined: it is not there. */
export function onPath(program: string): string | undefined {
  if (program.includes('/')) return isExecutable(program) ? program : undefined
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.map((folder) => join(folder, program)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
