/** `eq` and `lt`, from which the other comparisons follow. */
import { isBefore } from './print.ts'
import { FunctionError } from './template-error.ts'
import { type GoValue, isComposite, isNil, typeOf } from './values.ts'

type Kind = 'bool' | 'int' | 'float' | 'string' | undefined

/** Slices, maps and nil have no basic kind. */
function basicKind(value: GoValue): Kind {
  if (typeof value === 'object') return undefined
  const type = typeOf(value)
  return type === 'float64' ? 'float' : (type as Kind)
}

/** Whether the first is equal to any of the others. @throws FunctionError where types do not compare */
export function isEqual(first: GoValue, others: readonly GoValue[]): boolean {
  if (others.length === 0) throw new FunctionError('missing argument for comparison')
  return others.some((other) => isSame(first, other))
}

function isSame(first: GoValue, other: GoValue): boolean {
  const kind = basicKind(first)
  if (kind !== basicKind(other)) {
    if (first === null || other === null) return false
    throw new FunctionError(`incompatible types for comparison: ${typeOf(first)} and ${typeOf(other)}`)
  }
  if (kind !== undefined) return first === other
  if (isNil(first) || isNil(other)) return isNil(first) === isNil(other)
  if (isComposite(first) && isComposite(other) && first.kind !== other.kind) {
    throw new FunctionError(`non-comparable types ${typeOf(first)}, ${typeOf(other)}`)
  }
  throw new FunctionError(`non-comparable type ${typeOf(other)}`)
}

/** @throws FunctionError where types have no order */
export function isLess(first: GoValue, other: GoValue): boolean {
  const kind = basicKind(first)
  const otherKind = basicKind(other)
  if (kind === undefined || otherKind === undefined) throw new FunctionError('invalid type for comparison')
  if (kind !== otherKind) {
    throw new FunctionError(`incompatible types for comparison: ${typeOf(first)} and ${typeOf(other)}`)
  }
  if (kind === 'bool') throw new FunctionError('invalid type for comparison')
  return isBefore(first as string, other as string)
}
