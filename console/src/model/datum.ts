// Where a WGS-84 place lies on a map that is drawn in another datum, and back. Chinese map services draw
// in GCJ-02 or BD-09, some hundred metres away. Everything inside is WGS-84: only what is shown over such
// a map, and what is clicked on it, passes through here.
//
// The formula of GCJ-02 is the public approximation (metre level against official conversions); its
// inverse is found by iteration, because the usual one-step inverse is off by up to five metres.

/** Degrees, longitude first as in GeoJSON. */
export type LonLat = readonly [lon: number, lat: number]

export const DATUMS = ['wgs84', 'gcj02', 'bd09'] as const
export type Datum = (typeof DATUMS)[number]

/** Krasovsky 1940. */
const AXIS_M = 6_378_245
const ECCENTRICITY_2 = 0.006_693_421_622_965_943
const BD_PI = (Math.PI * 3_000) / 180

/** Mainland China's box, as the public formula has it: west, south, east, north. */
const BOX = [72.004, 0.8293, 137.8347, 55.8271] as const
/** Inside the box and drawn without a shift: coarse outlines of Taiwan, Hong Kong and Macau. */
const UNSHIFTED: readonly (readonly LonLat[])[] = [
  [[119.2, 21.5], [122.3, 21.5], [122.3, 25.5], [120.6, 25.3], [119.2, 23.9]],
  [
    [113.82, 22.13], [114.45, 22.13], [114.45, 22.54], [114.25, 22.555], [114.16, 22.56], [114.11, 22.53],
    [114.05, 22.505], [113.95, 22.48], [113.87, 22.44], [113.82, 22.2],
  ],
  [[113.526, 22.105], [113.605, 22.105], [113.605, 22.217], [113.526, 22.217]],
]

/** Whether a point lies inside a ring, which need not be closed. */
export function within([lon, lat]: LonLat, ring: readonly LonLat[]): boolean {
  let inside = false
  ring.forEach(([lon1, lat1], index) => {
    const [lon2, lat2] = ring[(index + 1) % ring.length] as LonLat
    if (lat1 > lat !== lat2 > lat && lon < lon1 + ((lat - lat1) / (lat2 - lat1)) * (lon2 - lon1)) inside = !inside
  })
  return inside
}

function isShifted(at: LonLat): boolean {
  const [lon, lat] = at
  const inBox = lon >= BOX[0] && lon <= BOX[2] && lat >= BOX[1] && lat <= BOX[3]
  return inBox && !UNSHIFTED.some((ring) => within(at, ring))
}

const wave = (x: number, amplitude: number, period: number) => amplitude * Math.sin(x * period * Math.PI)

/** By how much GCJ-02 lies off a WGS-84 place, in degrees. */
function gcjOffset([lon, lat]: LonLat): LonLat {
  const x = lon - 105
  const y = lat - 35
  const ripple = wave(x, 20, 6) + wave(x, 20, 2)
  const north =
    -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * Math.sqrt(Math.abs(x)) +
    ((ripple + wave(y, 20, 1) + wave(y, 40, 1 / 3) + wave(y, 160, 1 / 12) + wave(y, 320, 1 / 30)) * 2) / 3
  const east =
    300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * Math.sqrt(Math.abs(x)) +
    ((ripple + wave(x, 20, 1) + wave(x, 40, 1 / 3) + wave(x, 150, 1 / 12) + wave(x, 300, 1 / 30)) * 2) / 3
  const phi = (lat * Math.PI) / 180
  const magic = 1 - ECCENTRICITY_2 * Math.sin(phi) ** 2
  return [
    (east * 180) / ((AXIS_M / Math.sqrt(magic)) * Math.cos(phi) * Math.PI),
    (north * 180) / (((AXIS_M * (1 - ECCENTRICITY_2)) / (magic * Math.sqrt(magic))) * Math.PI),
  ]
}

function toGcj(at: LonLat): LonLat {
  if (!isShifted(at)) return at
  const [east, north] = gcjOffset(at)
  return [at[0] + east, at[1] + north]
}

function gcjToBd([lon, lat]: LonLat): LonLat {
  const radius = Math.hypot(lon, lat) + 0.000_02 * Math.sin(lat * BD_PI)
  const angle = Math.atan2(lat, lon) + 0.000_003 * Math.cos(lon * BD_PI)
  return [radius * Math.cos(angle) + 0.0065, radius * Math.sin(angle) + 0.006]
}

const FROM_WGS: Record<Datum, (at: LonLat) => LonLat> = {
  wgs84: (at) => at,
  gcj02: toGcj,
  bd09: (at) => gcjToBd(toGcj(at)),
}

/** A WGS-84 place as a map of that datum shows it. */
export function onto(datum: Datum, at: LonLat): LonLat {
  return FROM_WGS[datum](at)
}

/** The WGS-84 place of a point on a map of that datum. */
export function back(datum: Datum, shown: LonLat): LonLat {
  let guess = shown
  // Each round leaves about a thousandth of the error before it.
  for (let round = 0; round < 6; round += 1) {
    const there = onto(datum, guess)
    guess = [guess[0] + shown[0] - there[0], guess[1] + shown[1] - there[1]]
  }
  return guess
}
