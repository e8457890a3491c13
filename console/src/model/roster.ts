// A week of shifts as it is shown: by the clocks of the machine that shows it.

import type { Opening, Shift } from '../api/types'

/** Monday, 00:00, of the week that a moment lies in. */
export function monday(at: Date): Date {
  return new Date(at.getFullYear(), at.getMonth(), at.getDate() - ((at.getDay() + 6) % 7))
}

/** Midnight so many days later; days are not always 24 hours long. */
export function later(day: Date, days: number): Date {
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + days)
}

/** What lies in a day, or reaches into it. */
export function onDay(shifts: readonly Shift[], responder: string, day: Date): Shift[] {
  const [from, until] = [day.getTime(), later(day, 1).getTime()]
  return shifts.filter((one) => one.responder === responder && Date.parse(one.from) < until && Date.parse(one.until) > from)
}

const two = (n: number) => String(n).padStart(2, '0')
/** `08:00` */
export const clock = (at: Date) => `${two(at.getHours())}:${two(at.getMinutes())}`
/** `2026-11-23` */
export const isoDay = (at: Date) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`

/** From a day's hour to another: of the next day when that is not later. Null when something is missing. */
export function span(day: string, from: string, until: string): { from: Date; until: Date; overnight: boolean } | null {
  const at = (date: string, time: string) => new Date(`${date}T${time}:00`)
  const begin = at(day, from)
  let end = at(day, until)
  if (Number.isNaN(begin.getTime()) || Number.isNaN(end.getTime())) return null
  const overnight = end <= begin
  if (overnight) end = at(isoDay(later(begin, 1)), until)
  return { from: begin, until: end, overnight }
}

/** Hours with the days that have the same ones together: days from 1, and what they have in common. */
export function together(hours: readonly Opening[]): { days: number[]; times: string }[] {
  const of = (day: number) => hours.filter((one) => one.weekday === day).map((one) => `${one.from}–${one.until}`).join(' ')
  const groups: { days: number[]; times: string }[] = []
  for (let day = 1; day <= 7; day++) {
    const times = of(day)
    if (times === '') continue
    const last = groups.at(-1)
    if (last && last.times === times && last.days.at(-1) === day - 1) last.days.push(day)
    else groups.push({ days: [day], times })
  }
  return groups
}
