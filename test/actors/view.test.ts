import { describe, expect, it } from 'vitest'
import type { ClusterNode, ClusterView, NodeState } from '../../actors/view.ts'
import { listLoaded, listModels, resolveDigest, resolveModel, unresolved } from '../../actors/view.ts'
import type { NodeReport } from '../../protocols/report.ts'
import { digestA, digestB, digestC, held, loaded, reportOf } from './support/reports.ts'

function row(node: string, state: NodeState, report: Partial<NodeReport> | undefined): ClusterNode {
  const told = report === undefined ? undefined : reportOf(node, report)
  return { node, state, addresses: [], report: told, rttMs: null, sinceMs: 0, reason: '', unfit: '' }
}

const viewOf = (...rows: ClusterNode[]): ClusterView => new Map(rows.map((each) => [each.node, each]))

const oldModel = held('m:latest', digestA, { modifiedAtMs: 10 })
const newModel = held('m:latest', digestB, { modifiedAtMs: 20 })

describe('what a model name means', () => {
  it('has the name that was asked for, also where the version has several', () => {
    const models = [held('a:latest', digestA), held('b:latest', digestA)]
    const view = viewOf(row('n', 'self', { models }))
    expect(resolveModel(view, 'b')?.model.name).toBe('b:latest')
    expect(listModels(view).map(({ name }) => name)).toEqual(['a:latest', 'b:latest'])
  })

  it('is the version that this node holds, even when another has a newer one', () => {
    const view = viewOf(row('n', 'self', { models: [oldModel] }), row('p', 'healthy', { models: [newModel] }))
    const resolved = resolveModel(view, 'm')
    expect(resolved?.model.digest).toBe(digestA)
    expect(resolved?.holders.map(({ node }) => node)).toEqual(['n'])
  })

  it('is the newest version in the cluster when this node holds none', () => {
    const view = viewOf(
      row('n', 'self', { models: [] }),
      row('p', 'healthy', { models: [oldModel] }),
      row('q', 'healthy', { models: [newModel] }),
      row('r', 'healthy', { models: [newModel] }),
    )
    const resolved = resolveModel(view, 'm')
    expect(resolved?.model.digest).toBe(digestB)
    expect(resolved?.holders.map(({ node }) => node)).toEqual(['q', 'r'])
  })

  it('is the lower digest among equally new versions, so that every entry node says the same', () => {
    const one = row('p', 'healthy', { models: [held('m:latest', digestC, { modifiedAtMs: 5 })] })
    const other = row('q', 'healthy', { models: [held('m:latest', digestA, { modifiedAtMs: 5 })] })
    expect(resolveModel(viewOf(one, other), 'm')?.model.digest).toBe(digestA)
    expect(resolveModel(viewOf(other, one), 'm')?.model.digest).toBe(digestA)
  })

  it.each(['m', 'M', 'm:latest', 'library/m', 'registry.ollama.ai/library/M:LATEST'])(
    'is found however it is written: %s',
    (name) => {
      expect(resolveModel(viewOf(row('n', 'self', { models: [oldModel] })), name)?.model.digest).toBe(digestA)
    },
  )

  it.each(['x', 'm:other', '', 'a b', 'm:'])('is nothing for a name that nobody holds: "%s"', (name) => {
    expect(resolveModel(viewOf(row('n', 'self', { models: [oldModel] })), name)).toBeUndefined()
  })

  it('is nothing when only nodes out of reach or on their way out hold it', () => {
    const states: NodeState[] = ['discovered', 'dialling', 'admitting', 'suspect', 'unreachable']
    for (const state of states) {
      const view = viewOf(row('n', 'self', {}), row('p', state, { models: [newModel] }))
      expect(resolveModel(view, 'm'), state).toBeUndefined()
    }
    const leaving = row('p', 'healthy', { models: [newModel], state: 'draining' })
    expect(resolveModel(viewOf(row('n', 'self', {}), leaving), 'm')).toBeUndefined()
  })

  it('stays with this node to the end of its drain', () => {
    const view = viewOf(row('n', 'self', { models: [oldModel], state: 'draining' }))
    expect(resolveDigest(view, digestA)?.holders).toHaveLength(1)
  })

  it('is looked up anew in a view that has changed', () => {
    const before = viewOf(row('p', 'healthy', { models: [oldModel] }))
    expect(resolveModel(before, 'm')?.model.digest).toBe(digestA)
    const after = viewOf(row('p', 'healthy', { models: [newModel] }))
    expect(resolveModel(after, 'm')?.model.digest).toBe(digestB)
    expect(resolveModel(before, 'm')?.model.digest).toBe(digestA)
  })
})

describe('the lists over the whole cluster', () => {
  it('show one row per name, the newest first, each the version that the name means here', () => {
    const view = viewOf(
      row('n', 'self', { models: [oldModel] }),
      row('p', 'healthy', { models: [newModel, held('z:latest', digestC, { modifiedAtMs: 30 })] }),
      row('q', 'suspect', { models: [held('gone:latest', digestC)] }),
    )
    expect(listModels(view).map(({ name, digest }) => [name, digest])).toEqual([
      ['z:latest', digestC],
      ['m:latest', digestA],
    ])
  })

  it('show what is in memory on every node that answers, a draining one included', () => {
    const view = viewOf(
      row('n', 'self', { loaded: [loaded(digestA)] }),
      row('p', 'healthy', { loaded: [loaded(digestA)], state: 'draining' }),
      row('q', 'unreachable', { loaded: [loaded(digestA)] }),
    )
    expect(listLoaded(view).map(({ node }) => node.node)).toEqual(['n', 'p'])
  })
})

it('who holds a model and cannot serve it now is known by name, and nobody else', () => {
  const view = viewOf(
    row('n', 'self', {}),
    row('p', 'unreachable', { models: [oldModel] }),
    row('q', 'healthy', { models: [oldModel], state: 'draining' }),
    row('r', 'suspect', { models: [held('other:latest', digestC)] }),
    row('s', 'dialling', undefined),
  )
  expect(unresolved(view, 'M')).toEqual({
    code: 'holders-gone',
    message:
      "model 'M' is held only by host-p (unreachable), host-q (shutting down): start that node, or import it here",
  })
  for (const name of ['nope', '']) expect(unresolved(view, name)).toEqual({ code: 'model-not-found', message: name })
})
