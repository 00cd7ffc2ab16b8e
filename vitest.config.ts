import { defineConfig } from 'vitest/config'
import { CountReporter } from './scripts/count-reporter.ts'

/** Where `.ci/run` wants the counts. */
const countsPath = process.env.TEST_COUNTS_FILE

// The builds that users run. XState's development build warns of every machine that is started from an action, as all are here.
process.env.NODE_ENV = 'production'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    // Two at a time: tests that start nodes and engines need the rest of a small machine.
    poolOptions: { forks: { execArgv: ['--disable-warning=ExperimentalWarning'], maxForks: 2 } },
    reporters: countsPath === undefined ? ['default'] : ['default', new CountReporter(countsPath)],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts', 'actors/**/*.ts', 'protocols/**/*.ts'],
      // V8's counts of spawned processes are not merged into this report, so what runs only as a process of its own
      // would count as never run: the binary's first lines and the engine child's. The tests that spawn them cover both.
      exclude: ['src/cli/omx-node.ts', 'src/engine/llama/child.ts'],
      reporter: ['text-summary', 'json-summary', 'html'],
      thresholds: { lines: 80, branches: 80, functions: 80, statements: 80 },
    },
  },
})
