#!/usr/bin/env node
/** The binary. It checks the version of Node before it loads anything that an older one could not read. */
const oldestNode = 24

if (Number(process.versions.node.split('.')[0]) < oldestNode) {
  process.stderr.write(
    `omx-node needs Node ${oldestNode} or later and this is ${process.version}: install a newer one from https://nodejs.org.\n`,
  )
  process.exit(1)
}

const { main } = await import('./main.ts')
const { processTerminal } = await import('./terminal.ts')
const exitCode = await main(process.argv.slice(2), processTerminal())

// Whatever a library still holds open must not keep a finished command alive; what was printed is flushed first.
process.stdout.write('', () => process.exit(exitCode))

export {}
