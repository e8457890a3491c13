import type { FeatureCollection } from 'geojson'
import { describe, expect, it } from 'vitest'
import type { Fence, Place, Summary } from '../src/api/types'
import { ahead, movers, ofFences, ofPlace, ring } from '../src/model/case'
import { en } from '../src/i18n/en'
import { zh } from '../src/i18n/zh'
import type { LonLat } from '../src/model/datum'
import { dots, MARKS_MAX, names, placed } from '../src/model/district'
import { clicked, corners, draftOf, drawingOf, missing, newCircle, newPolygon, nudged, split, withCorner, without, wrongOf } from '../src/model/fence'
import { bounds, circle, collection, distance, feature, line, moved, point, shifted } from '../src/model/geometry'

const HOME: LonLat = [112.938, 28.228]
const place = (accuracy_m: number | null): Place => ({ lat: HOME[1], lon: HOME[0], accuracy_m, age_s: 4, source: 'gnss' })
const summary = (id: string) => ({ id }) as Summary

describe('a shape on the ground', () => {
  it('is as large as it says', () => {
    for (const corner of circle(HOME, 350)) expect(distance(HOME, corner)).toBeCloseTo(350, 0)
    expect(circle(HOME, 350).at(-1)).toEqual(circle(HOME, 350)[0])
    expect(distance(HOME, moved(HOME, 30, -40))).toBeCloseTo(50, 1)
  })

  it('is seen elsewhere as a whole, and what has no place stays without', () => {
    const nowhere = { type: 'Feature', geometry: null, properties: { id: 'x' } } as unknown as FeatureCollection['features'][number]
    const there = shifted(collection([...feature(line([HOME, [113, 28]]), {}), nowhere]), ([lon, lat]) => [lon + 1, lat + 2])
    expect(there.features[0]?.geometry).toEqual({ type: 'LineString', coordinates: [[113.938, 30.228], [114, 30]] })
    expect(there.features[1]?.geometry).toBeNull()
  })

  it('has a box around it, and nothing has none', () => {
    expect(bounds(feature(line([[113, 27], HOME]), {}))).toEqual([[112.938, 27], [113, 28.228]])
    expect(bounds([])).toBeNull()
  })
})

describe('the district', () => {
  const at = (id: string, where: LonLat | null) => ({ type: 'Feature', geometry: where && point(where), properties: { id } })
  const places = { type: 'FeatureCollection', features: [at('a', HOME), at('b', null)] } as FeatureCollection

  it('shows a case where it is, names those that are nowhere, and says nothing of those not asked about', () => {
    const { placed: shown, nowhere } = placed([summary('b'), summary('new'), summary('a')], places)
    expect(shown).toEqual([{ summary: summary('a'), at: HOME }])
    expect(nowhere).toEqual([summary('b')])
  })

  it('draws those as dots that are too many for buttons', () => {
    const all = Array.from({ length: MARKS_MAX + 3 }, (_, n) => ({ summary: summary(`${n}`), at: HOME }))
    expect(dots(all).features.map((one) => one.properties?.id)).toEqual(['150', '151', '152'])
  })

  it('names a node where its label is', () => {
    const node = { type: 'Feature', geometry: null, properties: { id: 'n', name: '湘雅社区', label: [...HOME] } }
    const unlabelled = { type: 'Feature', geometry: null, properties: { id: 'm', name: '无界', label: null } }
    const named = names({ type: 'FeatureCollection', features: [node, unlabelled] } as unknown as FeatureCollection)
    expect(named.features.map((one) => [one.properties?.name, one.geometry])).toEqual([['湘雅社区', point(HOME)]])
  })
})

describe('a case', () => {
  const of = (what: string, where: LonLat, more: object) => feature(point(where), { what, ...more })
  const told = collection([
    ...of('vehicle', moved(HOME, 2_000, 0), { id: 'h', plate: '湘A·1', state: 'dispatched', age_s: 6 }),
    ...of('responder', moved(HOME, 0, 300), { id: 'o', name: '李卫', state: 'on_the_way', age_s: 9 }),
    ...of('responder', HOME, { id: 'p', name: '张兰', state: 'on_scene', age_s: 1 }),
    ...of('home', HOME, {}),
  ])

  it('shows how sure the place is, when that is known', () => {
    expect(ofPlace(place(85)).features.map((one) => one.properties?.what)).toEqual(['accuracy', 'person'])
    expect(ofPlace(place(null)).features.map((one) => one.properties?.what)).toEqual(['person'])
    expect(ofPlace(null).features).toEqual([])
  })

  it('tells who is going, nearest first', () => {
    const going = movers(told, place(8))
    expect(going.map((one) => [one.name, Math.round(one.distance_m ?? -1)])).toEqual([['张兰', 0], ['李卫', 300], ['湘A·1', 2_000]])
    expect(movers(told, null).map((one) => one.distance_m)).toEqual([null, null, null])
  })

  it('draws the way ahead of those who are not there yet', () => {
    expect(ahead(told, place(8)).map((one) => one.properties?.of)).toEqual(['vehicle', 'responder'])
    expect(ahead(told, null)).toEqual([])
  })
})

describe('a fence', () => {
  const square: LonLat[] = [[112.93, 28.22], [112.94, 28.22], [112.94, 28.23], [112.93, 28.23]]
  const hole = [[112.934, 28.224], [112.936, 28.224], [112.936, 28.226], [112.934, 28.224]] as [number, number][]
  const kept: Fence = {
    id: 'f', name: '小区', kind: 'safe', active: true, state: 'inside', version: 7,
    shape: { type: 'polygon', coordinates: [[...square, square[0]!] as [number, number][], hole] },
  }

  it('is edited corner by corner, and its holes stay', () => {
    const drawing = drawingOf(kept)
    expect(corners(drawing.shape)).toEqual(square)
    drawing.shape = withCorner(drawing.shape, 1, [112.95, 28.21])
    drawing.shape = split(drawing.shape, 3)
    drawing.shape = without(drawing.shape, 2)
    const { shape } = draftOf(drawing)
    expect(shape.type === 'polygon' && shape.coordinates).toEqual([
      [[112.93, 28.22], [112.95, 28.21], [112.93, 28.23], [112.93, 28.225], [112.93, 28.22]],
      hole,
    ])
    // What was shown is not what was changed.
    expect(corners(kept.shape)).toEqual(square)
  })

  it('is a band on either side of a way', () => {
    const shape = { type: 'corridor', coordinates: [[112.93, 28.22], [112.93, 28.23]], half_width_m: 50 } as unknown as Fence['shape']
    const around = ring({ shape })
    expect(around).toHaveLength(5)
    expect(around[0]).toEqual(around[4])
    expect(around.slice(0, 4).map(([lon, lat]) => [lon > 112.93, Math.round(lat * 1e4)])).toEqual([
      [true, 282_200], [true, 282_300], [false, 282_300], [false, 282_200],
    ])
    expect(distance(around[0]!, around[3]!)).toBeCloseTo(100, 0)
  })

  it('is drawn by clicks', () => {
    let drawing = newPolygon()
    expect(missing({ ...drawing, name: 'x' })).toBe('needs_corners')
    for (const at of square) drawing = { ...drawing, shape: clicked(drawing.shape, at) }
    expect(missing(drawing)).toBe('needs_name')
    expect(missing({ ...drawing, name: 'x' })).toBeNull()
    const round = newCircle(HOME)
    expect(corners(clicked(round.shape, [113, 28]))).toEqual([[113, 28]])
    expect(missing({ ...round, name: 'x', shape: { ...round.shape, radius_m: 0 } as Fence['shape'] })).toBe('needs_radius')
  })

  it('is moved by keys, in metres', () => {
    const { shape } = newCircle(HOME)
    expect(distance(HOME, corners(nudged(shape, 0, 10, 0))[0]!)).toBeCloseTo(10, 1)
  })

  it('is named at its top, and not at all before it is a shape', () => {
    const drawn = ofFences([kept], 'f').features
    expect(drawn[0]?.properties).toMatchObject({ active: true, edited: true })
    expect(drawn[1]?.geometry).toEqual(point([112.94, 28.23]))
    expect(ofFences([{ ...kept, shape: newPolygon().shape }]).features).toEqual([])
  })

  it('is shown as what it is for, and says so where it is not the usual', () => {
    const said = (kind: string) => (kind === 'safe' ? null : `<${kind}>`)
    const [area, name] = ofFences([{ ...kept, kind: 'forbidden' }], null, said).features
    expect([area?.properties?.kind, name?.properties?.name]).toEqual(['forbidden', '小区\n<forbidden>'])
    expect(ofFences([kept], null, said).features.map((one) => one.properties?.name)).toEqual([undefined, '小区'])
    // A word that is not known yet is somewhere to stay.
    expect(ofFences([{ ...kept, kind: 'moat' as Fence['kind'] }]).features[0]?.properties?.kind).toBe('safe')
  })

  it('keeps what it is for when it is edited', () => {
    expect(draftOf(drawingOf({ ...kept, kind: 'forbidden' })).kind).toBe('forbidden')
    expect(draftOf(newCircle(HOME)).kind).toBe('safe')
    const way = { type: 'corridor', coordinates: [[112.93, 28.22], [112.93, 28.23]], half_width_m: 50 } as unknown as Fence['shape']
    expect(draftOf(drawingOf({ ...kept, kind: 'corridor', shape: way })).kind).toBe('corridor')
  })

  it('that is none is said why, for every reason that the server has', () => {
    expect(wrongOf('drawing_meets', { rings: [0, 2], number: null })).toEqual({ word: 'meets', ring: 0, other: 2, number: null })
    expect(wrongOf('drawing_crosses', { rings: [], number: null })?.ring).toBeNull()
    expect(wrongOf('wearer_outside', undefined)).toBeNull()
    const reasons = ['no_place', 'radius', 'width', 'nothing', 'too_few_points', 'too_many_points', 'crosses', 'meets', 'astray', 'too_small', 'too_large', 'near_pole', 'too_far']
    for (const messages of [zh, en]) expect(Object.keys(messages.fence.wrong).sort()).toEqual([...reasons].sort())
  })
})
