// One line of the timeline as a sentence: which message, and with what in its blanks. A word that
// this page does not know gives null, and is then shown raw: nothing in a timeline is ever hidden.

import type { Entry, FenceTurn, Offer } from '../api/types'
import { clock as shown } from './ladders'

/** What goes into a blank: text as it is, or a word to be translated in its vocabulary. */
export type Blank = string | number | { vocabulary: string; word: string }

export interface Sentence {
  /** A key below `timeline`. */
  key: string
  blanks: Record<string, Blank>
  /** What somebody wrote, to be quoted beneath. */
  remark: string | null
  /** What follows in the same line, when it is known. */
  also?: Pick<Sentence, 'key' | 'blanks'>
}

type Data = Record<string, unknown>

/** Other names under which the same thing has been written. */
const SAME_AS: Record<string, string> = {
  press: 'pressed',
  telephone: 'telephoned',
  cancel: 'cancelled',
  check_in: 'checked_in',
  rang: 'rung',
  offered: 'asked',
  note: 'noted',
  place_changed: 'located',
  notice_sent: 'notified',
}

const OFFER_STATES = ['asked', 'accepted', 'on_the_way', 'on_scene', 'done', 'declined', 'silent', 'lost', 'withdrawn']
const HANDOVER_STATES = [
  'proposed',
  'prepared',
  'sent',
  'acknowledged',
  'dispatched',
  'arrived',
  'closed',
  'refused',
  'failed',
  'stood_down',
  'by_voice',
]

/** The sentence for `entry`, or null when its word is unknown. */
export function sentence(entry: Entry, offers: readonly Offer[]): Sentence | null {
  const data: Data = entry.data ?? {}
  const what = SAME_AS[entry.what] ?? entry.what
  const who = writer(entry)
  const remark = remarks(data)
  const say = (key: string, blanks: Record<string, Blank> = {}): Sentence => ({ key, blanks, remark })
  const by: Blank = who ?? { vocabulary: 'timeline', word: 'system' }
  const kind = text(data.kind)
  const centre: Blank = { vocabulary: 'centre', word: text(data.centre) ?? '120' }
  const name: Blank = responder(data, offers) ?? { vocabulary: 'timeline', word: 'somebody' }

  switch (what) {
    case 'opened':
    case 'telephoned':
    case 'cancelled':
    case 'checked_in':
    case 'unreadable':
    case 'reported':
    case 'located':
    case 'operator_decides':
      return say(what)
    case 'left_fence':
    case 'returned': {
      const fence = text(data.fence_name)
      if (fence === null) return say(`${what}_unnamed`)
      const forbidden = data.fence_kind === 'forbidden' ? '_forbidden' : ''
      if (what === 'returned') return say(`${what}${forbidden}`, { fence })
      if (typeof data.chance !== 'number') return say(what, { fence, outside: metres(data.distance_m), accuracy: metres(data.accuracy_m) })
      return say(`${going(data) === null ? 'left_fence_stays' : 'left_fence_goes'}${forbidden}`, {
        fence,
        outside: metres(data.distance_m),
        chance: share(data.chance),
        since: hourOf(data.since),
        n: Array.isArray(data.fixes) ? data.fixes.length : 0,
        story: { vocabulary: 'whereabouts', word: likeliest(data.stories) },
        heading: { vocabulary: 'compass', word: going(data) ?? 'n' },
        speed: typeof data.speed_kmh === 'number' ? data.speed_kmh : 0,
      })
    }
    case 'not_heard':
      return say(what, { serial: text(data.serial) ?? '?', stage: { vocabulary: 'silence.stage', word: text(data.stage) ?? 'silent' }, time: clock(data.heard_at) })
    case 'heard_again':
      return say(what, { serial: text(data.serial) ?? '?' })
    case 'missed_check_in': {
      const last = [inside(data.last, 'key'), inside(data.last, 'voice'), inside(data.last, 'movement')].map(text).filter((at) => at !== null).sort().at(-1)
      const heard = { due: clock(data.due_at), deadline: clock(data.deadline), heard: clock(data.heard_at) }
      return last === undefined ? say('missed_check_in_never', heard) : say(what, { ...heard, last: clock(last) })
    }
    case 'rule_broken': {
      const minute = (value: unknown) => shown(typeof value === 'number' ? value : 0)
      const allowed = Math.round((typeof data.allowed_s === 'number' ? data.allowed_s : 0) / 60)
      const said = say(`rule_broken.${text(data.expect) ?? 'inside'}`, {
        fence: text(data.fence_name) ?? '', from: minute(data.from_minute), until: minute(data.until_minute), allowed: `${allowed}`,
      })
      // The same in English is for programs.
      return { ...said, remark: null, ...lastWay(data) }
    }
    case 'rule_over':
      return { ...say(`rule_over.${text(data.why) ?? 'kept'}`, { fence: text(data.fence_name) ?? '' }), remark: null }
    case 'pressed':
      return kind === null ? say('pressed') : say('pressed_kind', { kind: { vocabulary: 'kinds', word: kind } })
    case 'requested': {
      const category = text(data.category)
      return category === null ? say('requested') : say('requested_what', { category: { vocabulary: 'skill', word: category } })
    }
    case 'rung': {
      const level = text(data.level) ?? text(data.ring) ?? 'operators'
      return ['none', 'operators', 'supervisors'].includes(level) ? say(`rung.${level}`) : null
    }
    case 'claimed': {
      const from = text(inside(data.from, 'name')) ?? text(data.from_name)
      return from === null ? say('claimed', { who: by }) : say('taken_over', { who: by, from })
    }
    case 'appointed':
      return say(what, { who: by, time: clock(data.wanted_at) })
    case 'site_noted':
    case 'photographed':
      return say(what, { name })
    case 'told_terminal':
    case 'listened_in':
      return say(what, { who: by, what: { vocabulary: 'command.word', word: text(data.do) ?? '' } })
    case 'place_resolved':
      return say(what, { source: { vocabulary: 'source', word: text(data.source) ?? 'unknown' }, accuracy: metres(data.accuracy_m) })
    case 'spoken':
      return say(data.with === 'contact' ? 'spoken_contact' : 'spoken', { who: by })
    case 'released':
    case 'noted':
      return say(what, { who: by })
    case 'redelivered':
      return say(what, {
        who: by,
        what: { vocabulary: 'delivery.what', word: text(data.what) ?? '' },
        channel: { vocabulary: 'delivery.channel', word: text(data.channel) ?? '' },
      })
    case 'owner_gone':
      return say(what, { who: text(data.owner_name) ?? text(inside(data.owner, 'name')) ?? who ?? { vocabulary: 'timeline', word: 'somebody' } })
    case 'asked':
      return who === null ? say('asked', { name }) : say('asked_by', { who, name })
    case 'answered': {
      const state = word(data.state)
      return state !== null && OFFER_STATES.includes(state) ? moved('answered', state, { name }) : null
    }
    case 'waits':
      return say(what)
    case 'nobody_left':
      return say(what, { shortfall: { vocabulary: 'shortfall', word: text(data.shortfall) ?? 'nobody_near' } })
    case 'handed_over':
      return who === null ? say('handed_over', { centre }) : say('handed_over_by', { who, centre })
    case 'handover_moved': {
      const state = word(data.state)
      return state !== null && HANDOVER_STATES.includes(state) ? moved('handover_moved', state, { centre }) : null
    }
    case 'centre_proposed':
    case 'centre_updated':
    case 'voice_due':
      return say(what, { centre })
    case 'grid_officer_due':
      return say(what)
    case 'grid_officer_called':
      return say(what, { who: by })
    case 'voice_done':
      return say(what, { who: by, centre })
    case 'notified':
    case 'notice_acknowledged':
      return say(what, { news: { vocabulary: 'news', word: word(data.news) ?? 'received' } })
    case 'categorized':
      return say(what, { who: by, category: { vocabulary: 'skill', word: text(data.category) ?? '' } })
    case 'contacted': {
      const state = word(data.state)
      const rank = typeof data.rank === 'number' ? data.rank : 1
      return state !== null && ['told', 'reached', 'lost', 'skipped'].includes(state) ? say(`contacted.${state}`, { rank }) : null
    }
    case 'rated':
      return say(text(data.complaint) === null ? 'rated' : 'rated_complaint', {
        who: by,
        from: { vocabulary: 'aftercare.reached', word: text(data.given_by) ?? 'resident' },
        stars: '★'.repeat(typeof data.stars === 'number' ? data.stars : 0),
      })
    case 'followed_up':
      return say(what, { who: by, reached: { vocabulary: 'aftercare.reached', word: text(data.reached) ?? 'nobody' } })
    case 'excused':
      return say(what, { who: by, why: { vocabulary: 'aftercare.why', word: text(data.excuse) ?? '' } })
    case 'closed':
      if (text(data.rule) === 'returned') return say('closed_returned', { outcome: { vocabulary: 'outcomes', word: text(data.outcome) ?? 'other' } })
      return say(what, { who: who ?? responder(data, offers) ?? by, outcome: { vocabulary: 'outcomes', word: text(data.outcome) ?? 'other' } })
    default:
      // An offer's or hand-over's state as the word itself.
      if (OFFER_STATES.includes(what) && text(data.centre) === null) return moved('answered', what, { name })
      if (what.startsWith('handover_') && HANDOVER_STATES.includes(what.slice(9))) {
        return moved('handover_moved', what.slice(9), { centre })
      }
      return null
  }

  function moved(group: string, state: string, blanks: Record<string, Blank>): Sentence {
    const n = minutes(data, entry.at)
    const timed = ['accepted', 'on_the_way', 'dispatched'].includes(state) && n !== null
    return timed ? say(`${group}.${state}_minutes`, { ...blanks, n }) : say(`${group}.${state}`, blanks)
  }
}

/** A position that something was decided by. */
export interface Witness {
  at: string
  source: string
  /** Metres on the wrong side of the edge; less than none on the right side. */
  beyond: number
  /** What the receiver claims, metres. */
  accuracy: number | null
}

/** What it was decided by that somebody left, or is back. */
export interface Evidence {
  /** Percent; null where a rule asked and not a probability decided. */
  sure: number | null
  /** What may explain what was seen: words below `whereabouts`, and percent; the likeliest first. */
  stories: [string, number][]
  fixes: Witness[]
}

/** What somebody's leaving, coming back or being where they should not be was decided by; null of anything else, and of what was erased. */
export function evidence(entry: Entry): Evidence | null {
  const data: Data = entry.data ?? {}
  const chance = number(data.chance)
  if (!['left_fence', 'returned', 'rule_broken'].includes(entry.what) || !Array.isArray(data.fixes)) return null
  const sure = chance !== null && entry.what === 'returned' ? 1 - chance : chance
  return seenBy(sure, { stories: (data.stories ?? {}) as Record<string, number>, fixes: data.fixes })
}

/** How sure somebody is, what may explain it, and by which positions. */
export function seenBy(sure: number | null, data: { stories: Record<string, number>; fixes: readonly unknown[] }): Evidence {
  const stories = Object.entries(data.stories).sort(([, one], [, other]) => other - one)
  return {
    sure: sure === null ? null : share(sure),
    stories: stories.map(([story, chance]) => [story, share(chance)]),
    fixes: data.fixes.map((fix: unknown) => ({
      at: text(inside(fix, 'at')) ?? '',
      source: text(inside(fix, 'source')) ?? 'unknown',
      beyond: Math.round(number(inside(fix, 'distance_m')) ?? 0),
      accuracy: number(inside(fix, 'accuracy_m')),
    })),
  }
}

/** How somebody came to stand with a fence as they do. */
export interface Turned {
  /** A word below `fence_turn`. */
  to: string
  /** Since when they are, or may be, where they should not be; else when it was settled that they are not. */
  when: string
  /** Metres on the wrong side of the edge; less than none on the right side. */
  beyond: number
  by: Evidence
}

export function turned(turn: FenceTurn): Turned {
  const isBreach = ['doubtful', 'suspected', 'confirmed'].includes(turn.to)
  return {
    to: turn.to,
    when: isBreach ? turn.since : turn.at,
    beyond: Math.round(turn.distance_m),
    by: seenBy(isBreach ? turn.chance : 1 - turn.chance, turn),
  }
}

/** The person who did it, as the server names them; null when it was the system. */
export function writer(entry: Entry): string | null {
  return typeof entry.who === 'string' ? text(entry.who) : text(inside(entry.who, 'name'))
}

/** What people and far ends wrote, one a line. */
function remarks(data: Data): string | null {
  const said = [data.on_behalf_of, data.text, data.note, data.complaint, data.comment, data.reason, inside(data.state, 'reason'), data.why, data.place_in_words, data.phone, data.reference]
  const lines = said.map(text).filter((line) => line !== null)
  return lines.length > 0 ? lines.join('\n') : null
}

function responder(data: Data, offers: readonly Offer[]): string | null {
  const told = text(data.name) ?? text(data.responder_name) ?? text(inside(data.responder, 'name'))
  if (told !== null) return told
  const offer = offers.find((each) => each.id === data.offer || each.responder === data.responder)
  return offer?.name ?? null
}

/** A time as people write it. */
function clock(value: unknown): string {
  const at = new Date(text(value) ?? '')
  if (Number.isNaN(at.getTime())) return '?'
  const two = (n: number) => String(n).padStart(2, '0')
  return `${at.getMonth() + 1}/${at.getDate()} ${two(at.getHours())}:${two(at.getMinutes())}`
}

/** The hour and minute of a time. */
function hourOf(value: unknown): string {
  const at = new Date(text(value) ?? '')
  const two = (n: number) => String(n).padStart(2, '0')
  return Number.isNaN(at.getTime()) ? '?' : `${two(at.getHours())}:${two(at.getMinutes())}`
}

const COMPASS = ['n', 'ne', 'e', 'se', 's', 'sw', 'w', 'nw']

/** Which way somebody goes, of eight; null when they do not. */
function going(data: Data): string | null {
  if (typeof data.heading_deg !== 'number') return null
  return COMPASS[((Math.round(data.heading_deg / 45) % 8) + 8) % 8] ?? null
}

/** Where somebody went by the last positions of them; nothing when none tell. */
function lastWay(data: Data): Pick<Sentence, 'also'> {
  if (text(data.at) === null || typeof data.stories !== 'object') return {}
  const goes = going(data)
  const blanks: Sentence['blanks'] = { at: hourOf(data.at), story: { vocabulary: 'whereabouts', word: likeliest(data.stories) } }
  if (goes === null) return { also: { key: 'rule_broken.stays', blanks } }
  const speed = typeof data.speed_kmh === 'number' ? data.speed_kmh : 0
  return { also: { key: 'rule_broken.goes', blanks: { ...blanks, heading: { vocabulary: 'compass', word: goes }, speed } } }
}

/** A chance in percent; never more than is known. */
function share(chance: number): number {
  return Math.floor(chance * 1000) / 10
}

/** What most likely explains what was seen. */
function likeliest(stories: unknown): string {
  if (typeof stories !== 'object' || stories === null) return 'unknown'
  const told = Object.entries(stories as Record<string, number>).sort(([, one], [, other]) => other - one)
  return told[0]?.[0] ?? 'unknown'
}

function number(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}

function metres(value: unknown): number {
  return typeof value === 'number' ? Math.round(Math.abs(value)) : 0
}

function minutes(data: Data, at: string): number | null {
  const told = data.minutes ?? inside(data.state, 'minutes')
  if (typeof told === 'number') return told
  const expected = text(data.expected_at) ?? text(inside(data.state, 'expected_at'))
  if (expected === null) return null
  const n = Math.round((Date.parse(expected) - Date.parse(at)) / 60_000)
  return Number.isNaN(n) ? null : Math.max(n, 1)
}

/** A state as a bare word, or as the tag of an object. */
function word(value: unknown): string | null {
  return text(value) ?? text(inside(value, 'state')) ?? text(inside(value, 'is')) ?? text(inside(value, 'news'))
}

function inside(value: unknown, field: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Data)[field] : undefined
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value : null
}
