// What is usual of a resident, as it is drawn and said: hours in words, places on a map.

import type { FeatureCollection } from 'geojson'
import type { LikelyPlace, Usual, UsualPlace } from '../api/types'
import type { LonLat } from './datum'
import { circle, collection, feature, point, polygon } from './geometry'

export type Days = 'working' | 'off'

/** How dark an hour is drawn, from never to nearly always. */
export type Level = 0 | 1 | 2 | 3 | 4

const share = (there: number, known: number) => (known > 0 ? there / known : 0)

/** How dark each hour of a place is drawn; null where too few days are known. */
export function levels(usual: Usual, place: UsualPlace, of: Days): (Level | null)[] {
  const known = of === 'working' ? usual.known_working : usual.known_off
  return place[of].map((there, hour) => {
    const days = known[hour] ?? 0
    if (days < 3) return null
    const at = share(there, days)
    if (at < 0.05) return 0
    return at < 0.25 ? 1 : at < 0.5 ? 2 : at < 0.8 ? 3 : 4
  })
}

const clock = (hour: number) => `${String(hour).padStart(2, '0')}:00`

/** The hours in which they are there on at least every other day, as `09:00–12:00`; a night goes over midnight. */
export function hours(usual: Usual, place: UsualPlace, of: Days): string[] {
  const often = levels(usual, place, of).map((level) => level !== null && level >= 3)
  if (often.every(Boolean)) return often.length > 0 ? ['00:00–24:00'] : []
  const begins = often.flatMap((is, hour) => (is && !often.at(hour - 1) ? [hour] : []))
  return begins.map((begin) => {
    let end = begin
    while (often[end % 24]) end += 1
    return `${clock(begin)}–${end === 24 ? '24:00' : clock(end % 24)}`
  })
}

interface Circle {
  lat: number
  lon: number
  radius_m: number
}

/** Places as circles with names, on the layer of fences. */
export function ofPlaces(places: readonly Circle[], name: (number: number) => string): FeatureCollection {
  return collection(
    places.flatMap(({ lat, lon, radius_m }, number) => {
      const at: LonLat = [lon, lat]
      const id = `usual-${number}`
      return [...feature(polygon(circle(at, radius_m)), { id, active: true, edited: false }), ...feature(point(at), { id, name: name(number) })]
    }),
  )
}

/** How likely one is, in whole hundredths. */
export const percent = (place: LikelyPlace) => Math.round(place.weight * 100)
