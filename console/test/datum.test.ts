import { describe, expect, it } from 'vitest'
import { back, DATUMS, onto, type LonLat } from '../src/model/datum'
import { distance } from '../src/model/geometry'

const CHANGSHA: LonLat = [112.9388, 28.2282]
/** Points all over the mainland, and the same each time. */
const MAINLAND: LonLat[] = Array.from({ length: 400 }, (_, n) => [98 + ((n * 7.31) % 17), 25 + ((n * 3.77) % 15)])
/** Around Changsha. */
const DISTRICT: LonLat[] = Array.from({ length: 100 }, (_, n) => [112.8 + (n % 10) * 0.03, 28.1 + Math.floor(n / 10) * 0.03])

describe('a place on a map of another datum', () => {
  it('is where the published figures have it', () => {
    const gcj = onto('gcj02', CHANGSHA)
    expect(gcj[0]).toBeCloseTo(112.944249776, 8)
    expect(gcj[1]).toBeCloseTo(28.224692417, 8)
    const bd = onto('bd09', CHANGSHA)
    expect(bd[0]).toBeCloseTo(112.950743324, 8)
    expect(bd[1]).toBeCloseTo(28.230797562, 8)
  })

  it('lies 630 to 680 metres off in Changsha, and 18 to 710 on the mainland', () => {
    const offsets = DISTRICT.map((at) => distance(at, onto('gcj02', at)))
    expect(Math.min(...offsets)).toBeGreaterThan(620)
    expect(Math.max(...offsets)).toBeLessThan(690)
    const far = MAINLAND.map((at) => distance(at, onto('gcj02', at)))
    expect(Math.min(...far)).toBeGreaterThan(15)
    expect(Math.max(...far)).toBeLessThan(715)
  })

  it('is found again to the micrometre', () => {
    for (const datum of DATUMS) {
      for (const at of [...MAINLAND, ...DISTRICT]) expect(distance(at, back(datum, onto(datum, at)))).toBeLessThan(1e-6)
    }
  })

  it('does not move abroad, in Hong Kong, in Macau or in Taiwan, and does in Shenzhen and Xiamen', () => {
    const still: LonLat[] = [[2.35, 48.85], [114.17, 22.28], [114.14, 22.5], [113.55, 22.19], [121.56, 25.03], [120.3, 22.63]]
    for (const at of still) expect(onto('gcj02', at)).toEqual(at)
    for (const at of [[114.06, 22.54], [118.09, 24.48]] as LonLat[]) expect(distance(at, onto('gcj02', at))).toBeGreaterThan(100)
  })
})
