/**
 * Rows that a node of ours is known to answer otherwise, with the reason. One that comes to pass must leave this list:
 * the suite fails until it does.
 */
export const known: Readonly<Record<string, string>> = {
  '2.6 lists: a system text in the request of show is shown':
    'what a request says of a model is not taken into what is shown of it: no client sends it',
}

/** The same for a node that holds no model itself. */
export const knownOfForwarding: Readonly<Record<string, string>> = {
  ...known,
}
