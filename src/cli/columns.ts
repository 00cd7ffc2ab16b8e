/** How many columns of a terminal a text takes, and texts that are cut to fit. */

/** Takes two columns, by and large what Unicode calls wide. A mark without width counts as one: too much never wraps. */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f000}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u

export function columnsOf(text: string): number {
  let columns = 0
  for (const character of text) columns += wide.test(character) ? 2 : 1
  return columns
}

/** The text, or as much of its beginning as fits with … behind it. */
export function cutTo(text: string, columns: number): string {
  if (columns < 1) return ''
  if (columnsOf(text) <= columns) return text
  let kept = ''
  let left = columns - 1
  for (const character of text) {
    left -= columnsOf(character)
    if (left < 0) break
    kept += character
  }
  return `${kept}…`
}
