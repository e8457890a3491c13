// @ts-expect-error: the console itself knows nothing of Node, and has no types of it
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { en } from '../src/i18n/en'
import { zh } from '../src/i18n/zh'
import { GROUPS, daysUntil, figures, reasonCode } from '../src/model/doors'

describe('a door', () => {
  it('has every number that it counts in a group, with a name in both languages', () => {
    const declared: string = readFileSync(new URL('../../broker/src/counters.rs', import.meta.url), 'utf8')
    const counters = [...declared.matchAll(/^ {8}(\w+): (?:Gauge|Counter),$/gm)].map((found) => found[1] as string)
    expect(counters.length).toBeGreaterThan(40)
    expect([...Object.values(GROUPS).flat()].sort()).toEqual([...counters].sort())
    for (const messages of [zh, en]) expect(Object.keys(messages.doors.counts).sort()).toEqual([...counters].sort())
  })

  it('shows what was lost as amiss, and what it counts besides by its name', () => {
    const shown = figures({ connections: 3, alerts_given_up: 1, telemetry_shed_bus: 0, brand_new: 7 })
    expect(shown).toEqual([
      { group: 'now', figures: [{ name: 'connections', value: 3, is: 'plain' }] },
      { group: 'alerts', figures: [{ name: 'alerts_given_up', value: 1, is: 'amiss' }] },
      { group: 'telemetry', figures: [{ name: 'telemetry_shed_bus', value: 0, is: 'nothing' }] },
      { group: 'other', figures: [{ name: 'brand_new', value: 7, is: 'plain' }] },
    ])
  })

  it('tells the days that a certificate holds, and codes as specifications write them', () => {
    const now = Date.parse('2026-11-22T12:00:00Z')
    expect(['2026-11-23T13:00:00Z', '2026-11-22T13:00:00Z', '2026-11-22T11:00:00Z'].map((at) => daysUntil(at, now))).toEqual([1, 0, -1])
    expect([0x87, 0x80].map(reasonCode)).toEqual(['0x87', '0x80'])
  })
})
