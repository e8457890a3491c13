// How a front door's numbers are grouped, and which of them somebody should look at.

import type { Door } from '../api/types'

/** Numbers by what they are about, in order of reading. Each is a counter of the door (broker/src/counters.rs). */
export const GROUPS = {
  now: ['connections', 'half_open', 'sessions', 'concentrators', 'alerts_waiting', 'alerts_waiting_bytes', 'telemetry_parked', 'telemetry_parked_bytes'],
  refused: [
    'refused_credentials',
    'refused_certificate',
    'refused_tls',
    'refused_no_directory',
    'refused_protocol',
    'refused_silent',
    'refused_full',
    'refused_half_open',
    'refused_address',
    'accept_waited',
  ],
  breaches: [
    'publish_denied',
    'subscribe_denied',
    'subscribe_refused',
    'violations',
    'violations_malformed',
    'violations_too_large',
    'violations_unexpected',
    'violations_topic_name',
    'violations_topic_alias',
    'violations_quota',
  ],
  ended: ['sessions_opened', 'taken_over', 'pushed_out', 'revoked', 'gone_silent', 'without_receipt'],
  alerts: ['alerts', 'alerts_handed_over', 'alerts_given_up', 'receipts_late', 'wills', 'wills_replaced'],
  telemetry: [
    'telemetry',
    'telemetry_coalesced_gateway',
    'telemetry_coalesced_bus',
    'telemetry_coalesced_rate',
    'telemetry_shed_gateway',
    'telemetry_shed_bus',
    'telemetry_shed_rate',
  ],
  down: ['downlinks', 'delivered', 'downlinks_dropped', 'presence_dropped', 'bus_unreadable'],
} as const

export type Group = keyof typeof GROUPS

/** What should be nothing: something was lost, or nearly so. */
const AMISS: readonly string[] = [
  'refused_no_directory',
  'refused_full',
  'without_receipt',
  'alerts_given_up',
  'telemetry_shed_gateway',
  'telemetry_shed_bus',
  'downlinks_dropped',
  'presence_dropped',
  'bus_unreadable',
]

export interface Figure {
  name: string
  value: number
  is: 'nothing' | 'amiss' | 'plain'
}

const figure = (name: string, value: number): Figure => ({
  name,
  value,
  is: value === 0 ? 'nothing' : AMISS.includes(name) ? 'amiss' : 'plain',
})

/** The numbers of a door. What a door of another version counts besides comes last, by its name. */
export function figures(counted: Door['counted']): { group: Group | 'other'; figures: Figure[] }[] {
  const known = Object.entries(GROUPS).map(([group, names]) => ({
    group: group as Group,
    figures: names.filter((name) => name in counted).map((name) => figure(name, counted[name] ?? 0)),
  }))
  const named: readonly string[] = Object.values(GROUPS).flat()
  const other = Object.keys(counted).filter((name) => !named.includes(name)).sort()
  const all = [...known, { group: 'other' as const, figures: other.map((name) => figure(name, counted[name] ?? 0)) }]
  return all.filter((one) => one.figures.length > 0)
}

/** Days until then, rounded down; less than nothing when it is past. */
export const daysUntil = (at: string, now_ms: number) => Math.floor((new Date(at).getTime() - now_ms) / 86_400_000)

/** A certificate with fewer days than this is to be renewed. */
export const RENEW_DAYS = 21

/** MQTT's reason code as specifications write it. */
export const reasonCode = (code: number) => `0x${code.toString(16).padStart(2, '0').toUpperCase()}`
