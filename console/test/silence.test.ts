import { asked, asTold } from '../src/model/heartbeat'
import { describe, expect, it } from 'vitest'
import { en } from '../src/i18n/en'
import { zh } from '../src/i18n/zh'
import { TROUBLES, columns, tally, timesOf } from '../src/model/silence'

describe('the silence of terminals', () => {
  const terminals = { late: 1, silent: 2, lost: 3, in_outage: 4, flat_tonight: 5, not_worn: 6, frozen: 7 }

  it('counts the lost among the silent, and says nothing where nobody counts', () => {
    const silence = { listening_since: null, terminals, outages: [] }
    expect(TROUBLES.map((tab) => tally(silence, tab))).toEqual([5, 1, 5, 6, 7, null, null])
  })

  it('has a name, an explanation and headings for each trouble in both languages', () => {
    for (const messages of [zh, en]) {
      const said = messages.silence as unknown as Record<string, string> & { counts: object; about: object }
      expect(Object.keys(said.counts).sort()).toEqual([...TROUBLES].sort())
      expect(Object.keys(said.about).sort()).toEqual([...TROUBLES].sort())
      for (const column of TROUBLES.flatMap(columns)) expect(typeof said[column], column).toBe('string')
    }
  })

  it('reads times as people write them', () => {
    expect(timesOf('8:00、20：30, 12:00 ')).toEqual(['08:00', '20:30', '12:00'])
    expect(timesOf('soon')).toEqual(['soon'])
  })
})

it('how often a model is to be heard is written in minutes and hours, and told in seconds', () => {
  const told = {
    model: 'V520', version: 3, moving_s: 300, still_s: 90, charging_s: 900, late_beats: 2, silent_beats: 6, lost_after_s: 129_600, alarm: 'silent' as const,
  }
  expect(asTold(told)).toMatchObject({ moving_min: 5, still_min: 1.5, lost_after_h: 36 })
  expect(asked(asTold(told))).toEqual(told)
})
