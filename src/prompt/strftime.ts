/** Dates as Python's `strftime` writes them in English: what chat templates ask for. */

const months = 'January February March April May June July August September October November December'.split(' ')
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ')

export function strftime(format: string, date: Date): string {
  const month = months[date.getMonth()] as string
  const day = days[date.getDay()] as string
  const hour12 = date.getHours() % 12 || 12
  const meanings: Readonly<Record<string, string>> = {
    Y: String(date.getFullYear()),
    y: two(date.getFullYear() % 100),
    m: two(date.getMonth() + 1),
    d: two(date.getDate()),
    e: String(date.getDate()).padStart(2, ' '),
    B: month,
    b: month.slice(0, 3),
    A: day,
    a: day.slice(0, 3),
    H: two(date.getHours()),
    I: two(hour12),
    M: two(date.getMinutes()),
    S: two(date.getSeconds()),
    p: date.getHours() < 12 ? 'AM' : 'PM',
    '%': '%',
  }
  const compound = format.replaceAll('%F', '%Y-%m-%d').replaceAll('%T', '%H:%M:%S')
  // A minus leaves out the zero in front.
  return compound.replace(/%(-?)([A-Za-z%])/g, (whole: string, bare: string, letter: string) => {
    const meaning = meanings[letter]
    if (meaning === undefined) return whole
    return bare === '' ? meaning : meaning.replace(/^[0 ](?=\d)/, '')
  })
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
