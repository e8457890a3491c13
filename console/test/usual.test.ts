import { describe, expect, it } from 'vitest'
import type { Usual, UsualPlace } from '../src/api/types'
import { hours, levels, ofPlaces } from '../src/model/usual'

const day = (value: (hour: number) => number) => Array.from({ length: 24 }, (_, hour) => value(hour))

function place(working: (hour: number) => number, off: (hour: number) => number = () => 0): UsualPlace {
  return {
    number: 0, lat: 28.228, lon: 112.938, radius_m: 80, home: true, first_day: '2026-09-01', last_day: '2026-10-30', days: 40,
    working: day(working), off: day(off),
  }
}

const usual: Usual = {
  installation: true, on: true, chosen: null, version: 0, learnt_at: '2026-11-01T00:00:00Z', days: 57, days_min: 14,
  known_working: day(() => 40), known_off: day((hour) => (hour < 12 ? 17 : 2)), away_working: day((hour) => (hour === 9 ? 30 : 0)),
  away_off: day(() => 1), places: [],
}

describe('usual hours', () => {
  it('are told as spans, and a night goes over midnight', () => {
    expect(hours(usual, place((hour) => (hour >= 9 && hour < 12 ? 38 : 1)), 'working')).toEqual(['09:00–12:00'])
    expect(hours(usual, place((hour) => (hour < 8 || hour >= 20 ? 40 : 0)), 'working')).toEqual(['20:00–08:00'])
    expect(hours(usual, place((hour) => (hour >= 20 ? 40 : hour === 3 ? 30 : 0)), 'working')).toEqual(['03:00–04:00', '20:00–24:00'])
    expect(hours(usual, place(() => 40), 'working')).toEqual(['00:00–24:00'])
    expect(hours(usual, place(() => 5), 'working')).toEqual([])
  })

  it('are drawn darker the more often they are there, and not at all where too little is known', () => {
    const levelled = levels(usual, place((hour) => [0, 5, 15, 25, 39][hour] ?? 0, () => 17), 'working')
    expect(levelled.slice(0, 5)).toEqual([0, 1, 2, 3, 4])
    expect(levels(usual, place(() => 0, () => 17), 'off').slice(10, 14)).toEqual([4, 4, null, null])
  })
})

it('usual places are circles with a name each', () => {
  const { features } = ofPlaces([place(() => 0), place(() => 0)], (number) => `#${number + 1}`)
  expect(features.map((one) => [one.geometry.type, one.properties?.name ?? null])).toEqual([
    ['Polygon', null], ['Point', '#1'], ['Polygon', null], ['Point', '#2'],
  ])
})
