import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    pool: 'forks',
    poolOptions: { forks: { execArgv: ['--disable-warning=ExperimentalWarning'], maxForks: 2 } },
  },
})
