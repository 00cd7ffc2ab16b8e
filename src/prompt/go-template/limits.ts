/** What a template may cost. Models bring their templates along, and requests may too: none of them is trusted. */

/** Characters of a template: ten times the longest that is known. */
export const maxSourceLength = 1024 * 1024

/** Control structures and parentheses inside one another; each costs a few frames of the stack. */
export const maxNesting = 200

/** Templates that call templates, themselves included; each costs a few frames more. */
export const maxCallDepth = 100

/** Nodes and iterations of one execution: a thousand messages with a thousand nodes each, in under a second. */
export const maxSteps = 1_000_000

/** Characters of a prompt or of one value on the way: eight times what the longest context of today holds. */
export const maxOutputLength = 32 * 1024 * 1024

/** `printf` widths and precisions, as in Go. */
export const maxWidth = 1_000_000
