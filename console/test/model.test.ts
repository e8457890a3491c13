import { describe, expect, it } from 'vitest'
import type { Entry, Handover, Offer } from '../src/api/types'
import { zh } from '../src/i18n/zh'
import { coordinates, doubtSentence, isProposed, isRunning, ladder, voiceDue } from '../src/model/incident'
import { somebodyThere } from '../src/model/presence'
import { clockOffset, inWords, stopwatch } from '../src/model/time'
import { evidence, sentence, turned } from '../src/model/timeline'

const entry = (what: string, data: Record<string, unknown> = {}, who?: string): Entry => ({
  seq: 1,
  at: '2026-05-01T08:00:00Z',
  what,
  data,
  who,
})
const message = (key: string): unknown =>
  key.split('.').reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], zh.timeline)

describe('a line of the timeline', () => {
  const offers = [{ id: 'o1', responder: 'r1', name: '刘洋' }] as Offer[]

  it('names the responder of the offer that it is about', () => {
    expect(sentence(entry('asked', { offer: 'o1', responder: 'r1' }), offers)).toMatchObject({
      key: 'asked',
      blanks: { name: '刘洋' },
    })
  })

  it('counts the minutes when it tells when somebody is expected', () => {
    const state = { state: 'accepted', expected_at: '2026-05-01T08:04:10Z' }
    expect(sentence(entry('answered', { offer: 'o1', state }), offers)).toMatchObject({
      key: 'answered.accepted_minutes',
      blanks: { name: '刘洋', n: 4 },
    })
    expect(sentence(entry('answered', { offer: 'o1', state: 'accepted' }), offers)?.key).toBe('answered.accepted')
  })

  it('says how far outside a fence somebody is, and how sure that is', () => {
    const data = { fence_name: '家附近', distance_m: 312.4, accuracy_m: 8.2 }
    expect(sentence(entry('left_fence', data), [])).toMatchObject({
      key: 'left_fence',
      blanks: { fence: '家附近', outside: 312, accuracy: 8 },
    })
  })

  it('says how sure it is that somebody left, by what, and which way they go', () => {
    const data = {
      fence_name: '家附近', fence_kind: 'safe', distance_m: 139.2, chance: 0.99849, since: '2026-05-01T08:04:00Z', heading_deg: 268,
      speed_kmh: 3.9, stories: { rides: 0.011, walks: 0.982 }, fixes: [{}, {}, {}], explanation: 'confirmed: 139 m beyond the edge',
    }
    const said = sentence(entry('left_fence', data), [])
    expect(said).toMatchObject({
      key: 'left_fence_goes',
      remark: null,
      blanks: { outside: 139, chance: 99.8, n: 3, story: { word: 'walks' }, heading: { word: 'w' }, speed: 3.9 },
    })
    const river = { ...data, fence_kind: 'forbidden', heading_deg: null }
    expect(sentence(entry('left_fence', river), [])?.key).toBe('left_fence_stays_forbidden')
    expect(sentence(entry('returned', river), [])?.key).toBe('returned_forbidden')
  })

  it('says how somebody came to stand with a fence as they do', () => {
    const fix = { at: '2026-05-01T08:06:00Z', source: 'gnss', distance_m: 61.3, accuracy_m: 9 }
    const turn = {
      from: 'doubtful', to: 'suspected', at: '2026-05-01T08:06:00Z', since: '2026-05-01T08:04:00Z', decided_at: '2026-05-01T08:06:02Z',
      chance: 0.831, distance_m: 58.6, stories: { phantom: 0.17, walks: 0.82 }, fixes: [fix],
    }
    const by = { sure: 83.1, stories: [['walks', 82], ['phantom', 17]], fixes: [{ at: fix.at, source: 'gnss', beyond: 61, accuracy: 9 }] }
    expect(turned(turn)).toEqual({ to: 'suspected', when: turn.since, beyond: 59, by })
    // Of who is back it is said when that was, and how sure it is that they are.
    const back = turned({ ...turn, from: 'confirmed', to: 'returned', chance: 0.021, distance_m: -12.2 })
    expect(back).toMatchObject({ to: 'returned', when: turn.at, beyond: -12, by: { sure: 97.9 } })
  })

  it('says which positions that was decided by, how far each is beyond the edge, and what may explain them', () => {
    const fix = { at: '2026-05-01T08:06:00Z', lat: 28.2, lon: 112.9, distance_m: 61.3, accuracy_m: 9, source: 'gnss' }
    const data = { chance: 0.9981, stories: { phantom: 0.011, walks: 0.98 }, fixes: [{ ...fix, distance_m: -4.4, accuracy_m: null }, fix] }
    expect(evidence(entry('left_fence', data))).toEqual({
      sure: 99.8,
      stories: [['walks', 98], ['phantom', 1.1]],
      fixes: [
        { at: fix.at, source: 'gnss', beyond: -4, accuracy: null },
        { at: fix.at, source: 'gnss', beyond: 61, accuracy: 9 },
      ],
    })
    expect(evidence(entry('returned', { ...data, chance: 0.021 }))?.sure).toBe(97.9)
    // A rule asks where somebody is, not how likely that is.
    expect(evidence(entry('rule_broken', { fixes: [fix] }))).toMatchObject({ sure: null, stories: [], fixes: [{ beyond: 61 }] })
    // Of what was erased, and of older entries, there is nothing to show; the line itself stays.
    expect(evidence({ ...entry('left_fence', {}), data: null })).toBeNull()
    expect(sentence({ ...entry('left_fence', {}), data: null }, [])?.key).toBe('left_fence_unnamed')
    expect(evidence(entry('noted', data))).toBeNull()
  })

  it('quotes what somebody wrote', () => {
    expect(sentence(entry('noted', { text: '已通话' }, '王芳'), [])).toMatchObject({ remark: '已通话', blanks: { who: '王芳' } })
    expect(sentence(entry('handover_moved', { centre: '120', state: 'refused', reason: '无车' }), [])?.remark).toBe('无车')
  })

  it('with an unknown word is shown raw', () => {
    expect(sentence(entry('teleported', { to: 'moon' }), [])).toBeNull()
    expect(sentence(entry('answered', { state: 'teleported' }), [])).toBeNull()
  })

  it('has a message for every sentence', () => {
    const states = ['asked', 'accepted', 'on_the_way', 'on_scene', 'done', 'declined', 'silent', 'lost', 'withdrawn']
    const rungs = ['proposed', 'prepared', 'sent', 'acknowledged', 'dispatched', 'arrived', 'closed', 'refused', 'failed', 'stood_down', 'by_voice']
    const entries = [
      ...['opened', 'pressed', 'press', 'telephoned', 'cancel', 'check_in', 'unreadable', 'reported', 'requested', 'located', 'rung', 'claimed'],
      ...['released', 'owner_gone', 'asked', 'waits', 'nobody_left', 'handed_over', 'centre_proposed', 'centre_updated', 'voice_due', 'voice_done', 'noted', 'redelivered', 'closed'],
      ...['operator_decides', 'notified', 'notice_acknowledged', 'left_fence', 'returned', 'not_heard', 'heard_again', 'missed_check_in'],
    ].map((what) => entry(what))
    entries.push(entry('pressed', { kind: 'sos' }), entry('requested', { category: 'meal' }), entry('asked', {}, 'x'), entry('handed_over', {}, 'x'))
    entries.push(entry('missed_check_in', { due_at: '2026-11-23T00:00:00Z', last: { key: '2026-11-22T00:00:00Z', voice: null } }))
    for (const what of ['left_fence', 'returned']) entries.push(entry(what, { fence_name: '家', distance_m: 312.4, accuracy_m: 8 }))
    for (const fence_kind of ['safe', 'forbidden']) {
      for (const heading_deg of [null, 12]) entries.push(entry('left_fence', { fence_name: '家', fence_kind, heading_deg, chance: 0.99 }))
      entries.push(entry('returned', { fence_name: '家', fence_kind }))
    }
    entries.push(entry('claimed', { from: 'id', from_name: 'y' }, 'x'))
    for (const minutes of [undefined, 3]) {
      for (const state of states) entries.push(entry('answered', { state, minutes }), entry(state, { minutes, name: 'z', offer: 'o' }))
      for (const state of rungs) entries.push(entry('handover_moved', { state, centre: '120', minutes }))
    }
    for (const each of entries) {
      const said = sentence(each, [])
      expect(said, each.what).not.toBeNull()
      expect(typeof message(said?.key ?? ''), said?.key).toBe('string')
      const wanted = [...String(message(said?.key ?? '')).matchAll(/\{(\w+)\}/g)].map((hit) => hit[1] ?? '')
      expect(Object.keys(said?.blanks ?? {})).toEqual(expect.arrayContaining(wanted))
    }
  })
})

describe('doubts', () => {
  it('tell a fast clock from a slow one', () => {
    expect(doubtSentence({ doubt: 'clock_off', seconds: 631_152_000 })).toEqual({
      key: 'clock_ahead',
      duration: { unit: 'years', n: 20 },
    })
    expect(doubtSentence({ doubt: 'clock_off', seconds: -90 })).toEqual({
      key: 'clock_behind',
      duration: { unit: 'minutes', n: 1 },
    })
  })

  it('that are new are still shown', () => {
    expect(doubtSentence({ doubt: 'damaged', what: 'checksum' })).toEqual({ key: 'damaged', name: 'checksum' })
    expect(doubtSentence({ doubt: 'odd' })).toEqual({ key: 'unknown', word: 'odd' })
  })
})

describe('a hand-over', () => {
  const handover = (state: string, voice_due = false): Handover => ({ id: 'h', centre: '120', state, voice_due })

  it('stands on one rung with the others done or ahead', () => {
    expect(ladder(handover('acknowledged')).map((rung) => rung.state)).toEqual([
      'done', 'done', 'now', 'ahead', 'ahead', 'ahead',
    ])
    expect(new Set(ladder(handover('refused')).map((rung) => rung.state))).toEqual(new Set(['skipped']))
  })

  it('that is only proposed is on no rung and sends nobody', () => {
    expect(isProposed(handover('proposed'))).toBe(true)
    expect(isRunning(handover('proposed'))).toBe(false)
    expect(new Set(ladder(handover('proposed')).map((rung) => rung.state))).toEqual(new Set(['skipped']))
  })

  it('that needs the telephone is named once', () => {
    const summary = { handovers: [handover('refused', true)], tasks: ['call_by_voice', 'call_120_by_voice'] }
    expect(voiceDue(summary as never)).toEqual(['120'])
    expect(voiceDue({ handovers: [], tasks: ['call_by_voice'] } as never)).toEqual(['120'])
    expect(voiceDue({ handovers: [handover('sent')], tasks: [] } as never)).toEqual([])
  })
})

describe('times', () => {
  it('are told as one number', () => {
    expect([0, 59, 60, 3_599, 3_600, 200_000, 9e8].map(inWords).map((each) => `${each.n} ${each.unit}`)).toEqual([
      '0 seconds', '59 seconds', '1 minutes', '59 minutes', '1 hours', '2 days', '28 years',
    ])
    expect([-5, 0, 65, 3_725].map(stopwatch)).toEqual(['00:00', '00:00', '01:05', '1:02:05'])
  })

  it('follow the server when the desk’s clock is wrong, and only then', () => {
    const told = 'Fri, 01 May 2026 08:00:00 GMT'
    const at = Date.parse(told)
    expect(clockOffset(told, at, at + 200)).toBe(0)
    expect(clockOffset(told, at - 60_000, at - 60_000)).toBe(60_500)
    expect(clockOffset(null, at, at)).toBeNull()
    expect(clockOffset('yesterday', at, at)).toBeNull()
  })

  it('and places are read out with five decimals', () => {
    expect(coordinates(28.2280001, -112.938)).toBe('28.22800° N  112.93800° W')
  })
})

describe('presence', () => {
  const desk = { now_ms: 1_000_000, last_input_ms: null, owns_open: 'no', page: 'visible' } as const

  it('is a recent input, or an owner with the page before their eyes', () => {
    expect(somebodyThere(desk)).toBe(false)
    expect(somebodyThere({ ...desk, last_input_ms: 1_000_000 - 120_000 })).toBe(true)
    expect(somebodyThere({ ...desk, last_input_ms: 1_000_000 - 120_001 })).toBe(false)
    expect(somebodyThere({ ...desk, owns_open: 'yes' })).toBe(true)
    expect(somebodyThere({ ...desk, owns_open: 'yes', page: 'hidden' })).toBe(false)
  })
})
