import { describe, expect, it } from 'vitest'
import { later, monday, onDay, span, together } from '../src/model/roster'

describe('a week of shifts', () => {
  it('begins on Monday, also for who asks on a Sunday', () => {
    expect(monday(new Date(2026, 10, 22, 23, 59))).toEqual(new Date(2026, 10, 16))
    expect(monday(new Date(2026, 10, 23))).toEqual(new Date(2026, 10, 23))
    expect(later(new Date(2026, 10, 30), 1)).toEqual(new Date(2026, 11, 1))
  })

  it('shows a night shift on both of its days', () => {
    const from = new Date(2026, 10, 23, 22)
    const until = new Date(2026, 10, 24, 6)
    const shift = { id: 'x', responder: 'r', from: from.toISOString(), until: until.toISOString() }
    const shown = [22, 23, 24, 25].map((day) => onDay([shift], 'r', new Date(2026, 10, day)).length)
    expect(shown).toEqual([0, 1, 1, 0])
    expect(onDay([shift], 'somebody else', new Date(2026, 10, 23))).toEqual([])
  })

  it('takes an end that is not later for one of the next day', () => {
    expect(span('2026-11-23', '08:00', '16:00')).toEqual({
      from: new Date(2026, 10, 23, 8),
      until: new Date(2026, 10, 23, 16),
      overnight: false,
    })
    expect(span('2026-11-30', '22:00', '06:00')).toMatchObject({ until: new Date(2026, 11, 1, 6), overnight: true })
    expect(span('', '22:00', '06:00')).toBeNull()
  })

  it('tells of days with the same hours together', () => {
    const on = (weekday: number, from: string, until: string) => ({ weekday, from, until })
    const hours = [on(1, '08:00', '12:00'), on(1, '14:00', '18:00'), on(2, '08:00', '12:00'), on(2, '14:00', '18:00'), on(4, '08:00', '12:00')]
    expect(together(hours)).toEqual([
      { days: [1, 2], times: '08:00–12:00 14:00–18:00' },
      { days: [4], times: '08:00–12:00' },
    ])
  })
})
