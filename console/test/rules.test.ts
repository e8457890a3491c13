import { describe, expect, it } from 'vitest'
import type { FenceRule } from '../src/api/types'
import type { LonLat } from '../src/model/datum'
import { alongWay, copied, corners, draftOf, grip, missing, movedTo, newWay, withCorner, withHole, without, withoutHole, clicked } from '../src/model/fence'
import { bounds, buffered, distance, feature, line, moved } from '../src/model/geometry'
import { sentence } from '../src/model/timeline'
import { fitted, has, newRule, spoken, toggled } from '../src/model/rules'

const HOME: LonLat = [112.986, 28.228]
const square = [[0, 0], [400, 0], [400, 400], [0, 400]].map(([east, north]) => moved(HOME, east!, north!))
const closedSquare = [...square, square[0]!].map(([lon, lat]): [number, number] => [lon, lat])

describe('a fence that is drawn', () => {
  const drawing = copied({ name: '公园', kind: 'safe', grace_s: 300, shape: { type: 'polygon', coordinates: [closedSquare] } })

  it('is copied as what it is', () => {
    const river = copied({ name: '河', kind: 'forbidden', grace_s: 60, shape: drawing.shape })
    expect(draftOf(river)).toMatchObject({ kind: 'forbidden', grace_s: 60 })
    expect(draftOf(drawing)).toMatchObject({ kind: 'safe', grace_s: 300 })
  })

  it('is moved as a whole, holes too', () => {
    let shape = withHole(drawing.shape)
    for (const at of [[100, 100], [200, 100], [200, 200]]) shape = clicked(shape, moved(HOME, at[0]!, at[1]!), 1)
    expect(corners(shape, 1)).toHaveLength(3)
    const to = moved(grip(shape)!, 500, -300)
    const there = movedTo(shape, to)
    expect(distance(grip(there)!, to)).toBeLessThan(0.1)
    for (const ring of [0, 1]) {
      corners(there, ring).forEach((corner, n) => expect(distance(corner, moved(corners(shape, ring)[n]!, 500, -300))).toBeLessThan(0.5))
    }
    expect(corners(drawing.shape)).toEqual(square)
  })

  it('tells holes closed, and leaves out those that are none', () => {
    let shape = withHole(withHole(drawing.shape))
    for (const at of [[100, 100], [200, 100], [200, 200]]) shape = clicked(shape, moved(HOME, at[0]!, at[1]!), 1)
    const told = draftOf({ ...drawing, shape }).shape
    expect(told.type === 'polygon' && told.coordinates.map((ring) => ring.length)).toEqual([5, 4])
    expect(corners(without(withCorner(shape, 0, HOME, 1), 2, 1), 1)).toEqual([HOME, moved(HOME, 200, 100)])
    const gone = withoutHole(shape, 1)
    expect(gone.type === 'polygon' && gone.coordinates.length).toBe(2)
    expect(withoutHole(shape, 0)).toEqual(shape)
  })

  it('that is a way reaches as far to either side as it says', () => {
    const along: LonLat[] = [HOME, moved(HOME, 500, 0), moved(HOME, 500, 400)]
    const way = alongWay(newWay(), { along, half_width_m: 40 })
    const outline = corners(way.shape)
    const from = (at: LonLat) => Math.min(...along.slice(1).map((to, n) => fromStretch(at, along[n]!, to)))
    for (const corner of outline) expect(from(corner)).toBeLessThan(60)
    for (const corner of outline) expect(from(corner)).toBeGreaterThan(39)
    const [southWest, northEast] = bounds(feature(line(outline), {}))!
    expect(distance(southWest, moved(HOME, -40, -40))).toBeLessThan(2)
    expect(distance(northEast, moved(HOME, 540, 440))).toBeLessThan(2)
    const drawn = draftOf({ ...way, name: 'x' }).shape as unknown
    expect(drawn).toEqual({ type: 'corridor', coordinates: along.map((at) => [...at]), half_width_m: 40 })
    expect(copied({ name: 'x', kind: 'corridor', grace_s: 180, shape: drawn as never }).way?.along).toEqual(along)
    expect(missing({ ...newWay(), name: 'x' })).toBe('needs_way')
    expect(buffered([HOME, HOME], 40)).toEqual([])
  })
})

/** How far a point is from a stretch, metres. */
function fromStretch(at: LonLat, from: LonLat, to: LonLat): number {
  return Math.min(...Array.from({ length: 201 }, (_, n) => distance(at, [from[0] + ((to[0] - from[0]) * n) / 200, from[1] + ((to[1] - from[1]) * n) / 200])))
}

describe('a rule', () => {
  const rule: FenceRule = { ...newRule('f', 'home_by'), id: 'r' }

  it('is spoken with its days and hours', () => {
    expect(spoken(rule)).toEqual({ key: 'inside', days: ['days.every'], from: '22:00', until: '06:00', hours: 'night', allowed_min: 0, grace_min: 15 })
    const weekend = toggled(toggled({ ...rule, days: 'weekdays', weekdays: 0 }, 6), 7)
    expect([weekend.weekdays, has(weekend, 7), has(weekend, 1)]).toEqual([0b1100000, true, false])
    expect(spoken(weekend).days).toEqual(['weekday.6', 'weekday.7'])
    expect(spoken({ ...rule, from_minute: 0, until_minute: 1440 }).hours).toBe('all')
    expect(spoken(newRule('f', 'school')).hours).toBe('day')
  })

  it('says only what its words ask for', () => {
    expect(fitted({ ...rule, weekdays: 3, allowed_s: 60, time_zone: ' ' })).toEqual({ ...rule, weekdays: null, allowed_s: 0, time_zone: null })
    expect(fitted({ ...rule, days: 'weekdays', expect: 'not_away' })).toMatchObject({ weekdays: 0b11111, allowed_s: 3600 })
  })

  it('that is not kept is a sentence in the timeline, and so is its end', () => {
    const entry = (what: string, data: object) => ({ seq: 1, at: '2026-06-01T14:15:00Z', what, who: null, data }) as never
    const told = { expect: 'inside', fence_name: '家', from_minute: 1320, until_minute: 360, allowed_s: 0 }
    expect(sentence(entry('rule_broken', told), [])).toMatchObject({ key: 'rule_broken.inside', blanks: { fence: '家', from: '22:00', until: '06:00' } })
    expect(sentence(entry('rule_broken', { ...told, why: 'should be inside' }), [])).toMatchObject({ remark: null })
    const seen = { ...told, at: '2026-06-01T14:10:00Z', stories: { walks: 0.9, phantom: 0.1 }, heading_deg: 3, speed_kmh: 3.9 }
    expect(sentence(entry('rule_broken', seen), [])?.also).toMatchObject({
      key: 'rule_broken.goes', blanks: { story: { word: 'walks' }, heading: { word: 'n' }, speed: 3.9 },
    })
    expect(sentence(entry('rule_broken', { ...seen, heading_deg: null }), [])?.also?.key).toBe('rule_broken.stays')
    expect(sentence(entry('rule_broken', told), [])?.also).toBeUndefined()
    expect(sentence(entry('rule_over', { fence_name: '家', why: 'kept' }), [])?.key).toBe('rule_over.kept')
  })
})
