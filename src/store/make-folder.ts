/** Creates a folder and those above it. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from './store-error.ts'

/**
 * Like `mkdir` with `recursive`, which never returns where a folder exists but takes no others, as below `/proc/1`
 * (Node 24). An existing folder is left as it is. Rejects as `mkdir` does.
 */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  try {
    await mkdir(path, mode)
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EEXIST' && (await isFolder(path))) return
    const above = dirname(path)
    if (code !== 'ENOENT' || above === path || (await isFolder(above))) throw error
    await makeFolder(above, mode)
    await makeFolder(path, mode)
  }
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  )
}
