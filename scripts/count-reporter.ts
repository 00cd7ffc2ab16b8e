/** Writes the outcome of a test run as one line that a machine can read: `N passed, N failed`. */
import { writeFileSync } from 'node:fs'
import type { Reporter, TestModule } from 'vitest/node'

export class CountReporter implements Reporter {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** What fails outside of a test counts too: a file that cannot be loaded, a hook of a group, a stray rejection. */
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0
    let failed = unhandledErrors.length
    for (const module of modules) {
      failed += module.errors().length
      for (const suite of module.children.allSuites()) failed += suite.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') passed += 1
        if (state === 'failed') failed += 1
      }
    }
    writeFileSync(this.#path, `${passed} passed, ${failed} failed\n`)
  }
}
