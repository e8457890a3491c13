import { describe, expect, it } from 'vitest'
import { length, limit, percent } from '../src/model/clocks'

describe('clocks', () => {
  it('write a limit in the largest unit that says it wholly', () => {
    expect([15, 60, 90, 180, 181, 2_700, 7_200].map(limit)).toEqual([
      { unit: 'seconds', n: 15 },
      { unit: 'seconds', n: 60 },
      { unit: 'seconds', n: 90 },
      { unit: 'minutes', n: 3 },
      { unit: 'seconds', n: 181 },
      { unit: 'minutes', n: 45 },
      { unit: 'hours', n: 2 },
    ])
  })

  it('never round a share up to what was asked for', () => {
    expect([0.95, 0.975, 0.94999, 1, 0, 2 / 3].map(percent)).toEqual(['95%', '97.5%', '94.99%', '100%', '0%', '66.66%'])
  })

  it('write how long something took', () => {
    expect([40, 14_990, 60_000, 3_599_999, 3_600_000].map(length)).toEqual(['40 ms', '14.9 s', '01:00', '59:59', '1:00:00'])
  })
})
