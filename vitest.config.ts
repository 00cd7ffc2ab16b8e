import { configDefaults, defineConfig } from 'vitest/config'
import { CountReporter } from './scripts/count-reporter.ts'

/** Where `.ci/run` wants the counts. */
const countsPath = process.env.TEST_COUNTS_FILE

// The builds that users run. XState's development build warns of every machine that is started from an action, as all are here.
process.env.NODE_ENV = 'production'

const every = 'test/**/*.test.ts'

/** Files that start processes, load native code, open links between nodes, or change what a whole process has. */
const apart = [
  'test/{checks,conformance,fabric,net,process}/**/*.test.ts',
  'test/engine/**/*.test.ts',
  'test/http/time.test.ts',
  'test/runtime/detached-scope.test.ts',
  'test/store/**/*.test.ts',
]

export default defineConfig({
  test: {
    // Names come from CommonJS as Node finds them. Looking for them at each use, as Vitest does otherwise, is slow.
    deps: { interopDefault: false },
    testTimeout: 30_000,
    hookTimeout: 30_000,
    poolOptions: {
      // Two at a time: tests that start nodes and engines need the rest of a small machine.
      forks: { execArgv: ['--disable-warning=ExperimentalWarning'], maxForks: 2 },
      threads: { execArgv: ['--disable-warning=ExperimentalWarning'], maxThreads: 1, isolate: false },
    },
    projects: [
      { extends: true, test: { name: 'apart', include: apart, pool: 'forks' } },
      // What only computes shares one thread and each module once: to load them anew for each file was half of the work.
      {
        extends: true,
        test: { name: 'together', include: [every], exclude: [...configDefaults.exclude, ...apart], pool: 'threads' },
      },
    ],
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
