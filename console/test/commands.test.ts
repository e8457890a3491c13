import { describe, expect, it } from 'vitest'
import type { Command, Entry } from '../src/api/types'
import { en } from '../src/i18n/en'
import { zh } from '../src/i18n/zh'
import { isWaiting, isWorthShowing, sign, standing } from '../src/model/commands'
import { sentence } from '../src/model/timeline'

const command = (told: Partial<Command>): Command => ({
  id: '1',
  serial: 'P1',
  command: { do: 'locate' },
  state: 'queued',
  over: false,
  confirmed: false,
  asked_at: '2026-03-01T04:05:06Z',
  not_after: '2026-03-01T04:15:06Z',
  tries: 0,
  answer: '',
  ...told,
})

describe('a command', () => {
  it('is not said to be more than the terminal has said', () => {
    const told = [
      command({}),
      command({ state: 'sent' }),
      command({ state: 'sent', delivered_at: '2026-03-01T04:05:07Z' }),
      command({ state: 'sent', over: true }),
      command({ state: 'done', over: true }),
      command({ state: 'done', over: true, confirmed: true }),
      command({ state: 'expired', over: true }),
    ]
    expect(told.map(standing)).toEqual(['queued', 'sent', 'has_it', 'left', 'received', 'done', 'expired'])
    for (const one of told) for (const messages of [zh, en]) expect(Object.keys(messages.command.state)).toContain(standing(one))
    expect(told.map(sign)).toEqual(['clock', 'send', 'send', 'send', 'check', 'check', 'cross'])
  })

  it('of a rule that a terminal has no word for is no news', () => {
    const by = { id: '2', name: '坐席一' }
    expect(isWorthShowing(command({ state: 'refused', over: true }))).toBe(false)
    expect(isWorthShowing(command({ state: 'refused', over: true, by }))).toBe(true)
    expect(isWorthShowing(command({ state: 'sent' }))).toBe(true)
  })

  it('is looked at again for as long as something may come of it', () => {
    expect(isWaiting([command({ state: 'done', over: true }), command({ state: 'sent' })])).toBe(true)
    expect(isWaiting([command({ state: 'done', over: true })])).toBe(false)
  })

  it('stands in the timeline as a sentence', () => {
    const entry = { seq: 1, at: '2026-03-01T04:05:06Z', what: 'told_terminal', who: { id: '2', name: '坐席一' }, data: { do: 'text', why: 'x' } }
    const said = sentence(entry as unknown as Entry, [])
    expect([said?.key, said?.blanks]).toEqual(['told_terminal', { who: '坐席一', what: { vocabulary: 'command.word', word: 'text' } }])
  })
})
