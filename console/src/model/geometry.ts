// Shapes on the ground, small enough that the earth is flat around them. Longitude first, degrees, WGS-84;
// lengths in metres.

import type { Feature, FeatureCollection, Geometry, Position } from 'geojson'
import type { LonLat } from './datum'

/** Metres a degree of latitude. */
const DEGREE_M = 111_195
const CIRCLE_STEPS = 72

/** South-west and north-east corner. */
export type Bounds = [LonLat, LonLat]

const narrowing = (lat: number) => Math.max(Math.cos((lat * Math.PI) / 180), 0.01)

/** The point so many metres east and north of another. */
export function moved([lon, lat]: LonLat, east_m: number, north_m: number): LonLat {
  return [lon + east_m / (DEGREE_M * narrowing(lat)), lat + north_m / DEGREE_M]
}

/** How far apart two near points are. */
export function distance(a: LonLat, b: LonLat): number {
  return Math.hypot((b[0] - a[0]) * DEGREE_M * narrowing((a[1] + b[1]) / 2), (b[1] - a[1]) * DEGREE_M)
}

/** A closed ring around a point. */
export function circle(center: LonLat, radius_m: number): LonLat[] {
  const corner = (step: number) => {
    const angle = ((step % CIRCLE_STEPS) / CIRCLE_STEPS) * 2 * Math.PI
    return moved(center, radius_m * Math.cos(angle), radius_m * Math.sin(angle))
  }
  return Array.from({ length: CIRCLE_STEPS + 1 }, (_, step) => corner(step))
}

/** The ring with its first point again at the end. */
export function closed(ring: readonly LonLat[]): LonLat[] {
  const [first] = ring
  return first === undefined ? [] : [...ring, first]
}

/** The ring without its first point again at the end. */
export function opened(ring: readonly LonLat[]): LonLat[] {
  const last = ring.at(-1)
  const repeats = ring.length > 1 && last?.[0] === ring[0]?.[0] && last?.[1] === ring[0]?.[1]
  return repeats ? ring.slice(0, -1) : [...ring]
}

/** The point half way. */
export function middle(a: LonLat, b: LonLat): LonLat {
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]
}

/** How round the ends of a way are: so many corners for half a turn. */
const END_STEPS = 8

/** The outline of everything within so many metres of a line, closed. Bends of more than a right angle are the server's to judge. */
export function buffered(along: readonly LonLat[], half_width_m: number): LonLat[] {
  const way = along.filter((at, index) => index === 0 || distance(at, along[index - 1]!) > 0.5)
  const [first] = way
  if (first === undefined || way.length < 2) return []
  // On the ground around its beginning, in metres.
  const flat = way.map((at): [number, number] => [(at[0] - first[0]) * DEGREE_M * narrowing(first[1]), (at[1] - first[1]) * DEGREE_M])
  const turn = (from: number) => {
    const [a, b] = [flat[from]!, flat[from + 1]!]
    return Math.atan2(b[1] - a[1], b[0] - a[0])
  }
  const turns = flat.slice(1).map((_, from) => turn(from))
  const beside = (index: number, angle: number, far = half_width_m): LonLat =>
    moved(first, flat[index]![0] + far * Math.cos(angle), flat[index]![1] + far * Math.sin(angle))
  const side = (left: 1 | -1): LonLat[] =>
    way.slice(1, -1).map((_, bend) => {
      const [before, after] = [turns[bend]!, turns[bend + 1]!]
      const half = Math.atan2(Math.sin(after - before), Math.cos(after - before)) / 2
      // In a sharp bend the tip is cut, not drawn out.
      return beside(bend + 1, before + half + (left * Math.PI) / 2, half_width_m / Math.max(Math.cos(half), 0.5))
    })
  const end = (index: number, ahead: number): LonLat[] =>
    Array.from({ length: END_STEPS + 1 }, (_, step) => beside(index, ahead - Math.PI / 2 + (step / END_STEPS) * Math.PI))
  return closed([...side(-1), ...end(way.length - 1, turns.at(-1)!), ...side(1).reverse(), ...end(0, turns[0]! + Math.PI)])
}

export const NOTHING: FeatureCollection = { type: 'FeatureCollection', features: [] }

/** One feature; `null` where there is no place. */
export function feature(geometry: Geometry | null, properties: Record<string, unknown>): Feature[] {
  return geometry === null ? [] : [{ type: 'Feature', geometry, properties }]
}

export const point = (at: LonLat): Geometry => ({ type: 'Point', coordinates: [...at] })
export const line = (along: readonly LonLat[]): Geometry | null =>
  along.length < 2 ? null : { type: 'LineString', coordinates: along.map((at) => [...at]) }
export const polygon = (...rings: readonly (readonly LonLat[])[]): Geometry | null =>
  (rings[0]?.length ?? 0) < 4 ? null : { type: 'Polygon', coordinates: rings.map((ring) => ring.map((at) => [...at])) }
export const collection = (features: Feature[]): FeatureCollection => ({ type: 'FeatureCollection', features })

type Nested = Position | Position[] | Position[][] | Position[][][]

function eachIn(coordinates: Nested, see: (at: LonLat) => LonLat): Nested {
  if (typeof coordinates[0] === 'number') return [...see(coordinates as unknown as LonLat)]
  return (coordinates as Position[]).map((inner) => eachIn(inner, see)) as Nested
}

/** The same features with each of their points put elsewhere. */
export function shifted(all: FeatureCollection, see: (at: LonLat) => LonLat): FeatureCollection {
  const put = (geometry: Geometry): Geometry =>
    geometry.type === 'GeometryCollection'
      ? { ...geometry, geometries: geometry.geometries.map(put) }
      : ({ ...geometry, coordinates: eachIn(geometry.coordinates as Nested, see) } as Geometry)
  // A feature without a place has a null there, whatever the type says.
  const features = all.features.map((one) => (one.geometry === null ? one : { ...one, geometry: put(one.geometry) }))
  return { ...all, features }
}

/** The box around everything; null around nothing. */
export function bounds(all: readonly Feature[]): Bounds | null {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity]
  shifted(collection([...all]), (at) => {
    west = Math.min(west, at[0])
    south = Math.min(south, at[1])
    east = Math.max(east, at[0])
    north = Math.max(north, at[1])
    return at
  })
  return west > east ? null : [[west, south], [east, north]]
}
