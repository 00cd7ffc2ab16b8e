/**
 * Rows that a node of ours is known to answer otherwise, with the reason. One that comes to pass must leave this list:
 * the suite fails until it does.
 */
export const known: Readonly<Record<string, string>> = {}

/** The same for a node that holds no model itself. */
export const knownOfForwarding: Readonly<Record<string, string>> = {
  ...known,
}
