// What the map of one case shows, from what the server tells of it and what the card already has.

import type { Feature, FeatureCollection } from 'geojson'
import type { Fence, Place, Way } from '../api/types'
import type { LonLat } from './datum'
import { circle, closed, collection, distance, feature, line, moved, opened, point, polygon } from './geometry'

export const where = (place: Place): LonLat => [place.lon, place.lat]

/** The person, in the circle that they are in as far as anybody knows. */
export function ofPlace(place: Place | null | undefined): FeatureCollection {
  if (!place) return collection([])
  const at = where(place)
  const around = place.accuracy_m ? feature(polygon(circle(at, place.accuracy_m)), { what: 'accuracy' }) : []
  return collection([...around, ...feature(point(at), { what: 'person' })])
}

/** A fence's ring, closed. */
export function ring({ shape }: Pick<Fence, 'shape'>): LonLat[] {
  if (shape.type === 'circle') return circle(shape.center, shape.radius_m)
  const way = wayOf(shape)
  if (way !== null) return along(way)
  return closed(opened(shape.coordinates[0] ?? []))
}

/** A corridor's shape, when it is one. */
export function wayOf(shape: { type: string }): Way | null {
  return shape.type === 'corridor' ? (shape as Way) : null
}

/** Around a line: along one side of it, and back along the other. */
function along({ coordinates, half_width_m }: Way): LonLat[] {
  const side = (line: readonly LonLat[]): LonLat[] =>
    line.flatMap((here, i) => {
      const [before, after] = [line[i - 1] ?? here, line[i + 1] ?? here]
      const east = (after[0] - before[0]) * Math.cos((here[1] * Math.PI) / 180)
      const north = after[1] - before[1]
      const far = Math.hypot(east, north)
      return far > 0 ? [moved(here, (half_width_m * north) / far, (-half_width_m * east) / far)] : []
    })
  return closed([...side(coordinates), ...side([...coordinates].reverse())])
}

/** What a fence is for, as the map shows it; a word that is not known counts as somewhere to stay. */
export const kindOn = ({ kind }: { kind?: string }): 'safe' | 'forbidden' | 'corridor' => (kind === 'forbidden' || kind === 'corridor' ? kind : 'safe')

/** Areas, and a point at the top of each for its name, and for what it is where `kindOf` has a word for that. */
export function ofFences(fences: readonly Fence[], edited: string | null = null, kindOf: (kind: string) => string | null = () => null): FeatureCollection {
  const drawn = (fence: Fence) => {
    const { id, active } = fence
    const kind = kindOn(fence)
    const said = kindOf(kind)
    const name = said === null ? fence.name : `${fence.name}\n${said}`
    const around = ring(fence)
    const top = around.reduce<LonLat | undefined>((high, at) => (high === undefined || at[1] > high[1] ? at : high), undefined)
    const holes = fence.shape.type === 'polygon' ? fence.shape.coordinates.slice(1) : []
    const area = feature(polygon(around, ...holes), { id, active, kind, edited: id === edited })
    return [...area, ...(area.length > 0 && top ? feature(point(top), { id, name, kind }) : [])]
  }
  return collection(fences.flatMap(drawn))
}

/** Somebody or something on the way to the case. */
export interface Mover {
  id: string
  kind: 'responder' | 'vehicle'
  name: string
  state: string
  age_s: number | null
  /** To the person, as the crow flies; null when nobody knows where the person is. */
  distance_m: number | null
}

const isMover = (one: Feature) => ['responder', 'vehicle'].includes(one.properties?.what) && one.geometry?.type === 'Point'
const at = (one: Feature) => (one.geometry.type === 'Point' ? (one.geometry.coordinates as unknown as LonLat) : null)

/** Who is going, nearest first. */
export function movers(features: FeatureCollection, place: Place | null | undefined): Mover[] {
  const far = (one: Mover) => one.distance_m ?? Infinity
  return features.features
    .filter(isMover)
    .map((one): Mover => {
      const from = at(one)
      const { id, what, name, plate, state, age_s } = one.properties ?? {}
      return {
        id: String(id),
        kind: what,
        name: String(plate ?? name ?? ''),
        state: String(state ?? ''),
        age_s: typeof age_s === 'number' ? age_s : null,
        distance_m: from && place ? distance(from, where(place)) : null,
      }
    })
    .sort((a, b) => far(a) - far(b))
}

/** Straight lines from who is going to the person. */
export function ahead(features: FeatureCollection, place: Place | null | undefined): Feature[] {
  if (!place) return []
  return features.features.filter(isMover).flatMap((one) => {
    const from = at(one)
    const arrived = one.properties?.state === 'on_scene' || one.properties?.state === 'arrived'
    return from === null || arrived ? [] : feature(line([from, where(place)]), { what: 'ahead', of: one.properties?.what })
  })
}

/** The features of these kinds. */
export function only(features: FeatureCollection, ...whats: string[]): Feature[] {
  return features.features.filter((one) => whats.includes(one.properties?.what))
}
