/**
 * Puts other methods in the place of an object's own. Not by `object.method = () => …`: V8 takes that for the making of a
 * class, and puts the function where what lives long is kept, with all that it holds until a full collection; here each
 * would hold a node.
 */
export function replaceMethods<T extends object>(object: T, methods: { readonly [K in keyof T]?: T[K] }): void {
  Object.assign(object, methods)
}
