import { describe, expect, it } from 'vitest'
import type { Summary } from '../src/api/types'
import { extended, renewed } from '../src/model/archive'

const some = (...ids: string[]) => ids.map((id) => ({ id }) as Summary)
const ids = (incidents: Summary[]) => incidents.map((each) => each.id).join('')

describe('what is over', () => {
  it('grows by a page, and never shows one twice', () => {
    const grown = extended({ incidents: some('e', 'd'), older: 'd' }, { incidents: some('d', 'c'), next: 'c' })
    expect([ids(grown.incidents), grown.older]).toEqual(['edc', 'c'])
  })

  it('keeps what somebody has looked back to when something new is over', () => {
    const now = renewed({ incidents: some('d', 'c', 'b', 'a'), older: null }, { incidents: some('e', 'd'), next: 'd' })
    expect([ids(now.incidents), now.older]).toEqual(['edcba', null])
  })

  it('begins anew when nothing links the newest to what is shown', () => {
    const now = renewed({ incidents: some('b', 'a'), older: null }, { incidents: some('z', 'y'), next: 'y' })
    expect([ids(now.incidents), now.older]).toEqual(['zy', 'y'])
    const first = renewed({ incidents: [], older: null }, { incidents: some('b', 'a'), next: 'a' })
    expect([ids(first.incidents), first.older]).toEqual(['ba', 'a'])
  })
})
