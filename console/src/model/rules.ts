// What is expected of a resident and a fence by the calendar, while it is written, and in words. Whether it can be is the
// server's to say.

import type { FenceRule } from '../api/types'
import { clock } from './ladders'

export const EXPECTS = ['inside', 'not_leave', 'not_away', 'outside'] as const
export const RULE_DAYS = ['every', 'working', 'off', 'weekdays'] as const
export const WEEKDAYS = [1, 2, 3, 4, 5, 6, 7] as const

/** What most of them are: one to begin with. */
export const PRESETS = {
  home_by: { expect: 'inside', days: 'every', from_minute: 22 * 60, until_minute: 6 * 60, allowed_s: 0, grace_s: 900 },
  night: { expect: 'not_leave', days: 'every', from_minute: 22 * 60, until_minute: 6 * 60, allowed_s: 0, grace_s: 300 },
  school: { expect: 'inside', days: 'working', from_minute: 8 * 60, until_minute: 16 * 60 + 30, allowed_s: 0, grace_s: 900 },
  away: { expect: 'not_away', days: 'every', from_minute: 8 * 60, until_minute: 20 * 60, allowed_s: 3 * 3600, grace_s: 0 },
  keep_off: { expect: 'outside', days: 'every', from_minute: 0, until_minute: 24 * 60, allowed_s: 0, grace_s: 300 },
} as const
export type Preset = keyof typeof PRESETS

export function newRule(fence: string, preset: Preset): FenceRule {
  return { id: null, fence, weekdays: null, time_zone: null, ...PRESETS[preset] }
}

export const has = (rule: FenceRule, day: number) => ((rule.weekdays ?? 0) >> (day - 1)) % 2 === 1

/** The rule with a day of the week more, or less. */
export function toggled(rule: FenceRule, day: number): FenceRule {
  return { ...rule, weekdays: (rule.weekdays ?? 0) ^ (1 << (day - 1)) }
}

/** What its fields hang on each other by: weekdays only where they are asked for, and how long only for an absence. */
export function fitted(rule: FenceRule): FenceRule {
  const weekdays = rule.days === 'weekdays' ? rule.weekdays || 0b11111 : null
  const allowed_s = rule.expect === 'not_away' ? rule.allowed_s || 3600 : 0
  return { ...rule, weekdays, allowed_s, time_zone: rule.time_zone?.trim() || null }
}

/** Words that a message has blanks for. */
export interface Spoken {
  /** A message below `rules.say`. */
  key: string
  days: string[]
  from: string
  until: string
  /** Whether it goes over midnight, or is the whole day. */
  hours: 'day' | 'night' | 'all'
  allowed_min: number
  grace_min: number
}

/** What a rule says, ready for the messages of either language. */
export function spoken(rule: FenceRule): Spoken {
  const hours = rule.from_minute === 0 && rule.until_minute === 1440 ? 'all' : rule.until_minute < rule.from_minute ? 'night' : 'day'
  return {
    key: rule.expect,
    days: rule.days === 'weekdays' ? WEEKDAYS.filter((day) => has(rule, day)).map((day) => `weekday.${day}`) : [`days.${rule.days}`],
    from: clock(rule.from_minute),
    until: clock(rule.until_minute),
    hours,
    allowed_min: Math.round(rule.allowed_s / 60),
    grace_min: Math.round(rule.grace_s / 60),
  }
}
