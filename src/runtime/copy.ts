/**
 * The object as another one of its kind, with some of its own properties changed; what it inherits stays what it was. Not by
 * inheriting from the object: V8 keeps a prototype, and all that it holds, until a full collection.
 */
export function copyOf<T extends object>(object: T, changes: object): T {
  return Object.assign(Object.create(Object.getPrototypeOf(object)), object, changes)
}
