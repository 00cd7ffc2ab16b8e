/** Dates as Python's `strftime` writes them in English: what chat templates ask for. */

const months = 'January February March April May June July August September October November December'.split(' ')
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ')

export function strftime(format: string, date: Date): string {
  const month = months[date.getMonth()] as string
  const day = days[date.getDay()] as string
  const hour12 = date.getHours() % 12 || 12
  const year = String(date.getFullYear())
  const [monthNumber, dayNumber] = [two(date.getMonth() + 1), two(date.getDate())]
  const [hours, minutes, seconds] = [two(date.getHours()), two(date.getMinutes()), two(date.getSeconds())]
  const meanings: Readonly<Record<string, string>> = {
    F: `${year}-${monthNumber}-${dayNumber}`,
    T: `${hours}:${minutes}:${seconds}`,
    Y: year,
    y: two(date.getFullYear() % 100),
    m: monthNumber,
    d: dayNumber,
    e: String(date.getDate()).padStart(2, ' '),
    B: month,
    b: month.slice(0, 3),
    A: day,
    a: day.slice(0, 3),
    H: hours,
    I: two(hour12),
    M: minutes,
    S: seconds,
    p: date.getHours() < 12 ? 'AM' : 'PM',
    '%': '%',
  }
  // A minus leaves out the zero in front.
  return format.replace(/%(-?)([A-Za-z%])/g, (whole: string, bare: string, letter: string) => {
    const meaning = meanings[letter]
    if (meaning === undefined) return whole
    return bare === '' ? meaning : meaning.replace(/^[0 ](?=\d)/, '')
  })
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
