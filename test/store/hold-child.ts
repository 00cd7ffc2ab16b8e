/** Holds a data folder until it is killed. Argument: the folder. */
import { openDataFolder } from '../../src/store/data-folder.ts'

const [folder = ''] = process.argv.slice(2)
await openDataFolder(folder)
process.stdout.write('held\n')
setInterval(() => {}, 1_000)
