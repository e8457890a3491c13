// What a page derives from an incident to show it. No rule: the server decides what may be done.

import type { Detail, Doubt, Handover, Summary } from '../api/types'
import { RUNGS } from '../api/types'
import { inWords, type Unit } from './time'

/** A fix older than this is shown as old. */
export const OLD_FIX_S = 600

/** Age in years this year; a year of birth knows no birthday. */
export function age(born_in: number | null | undefined, now_ms: number): number | null {
  if (!born_in) return null
  return new Date(now_ms).getFullYear() - born_in
}

/** A doubt as a message below `doubts` and what goes into its blanks. */
export function doubtSentence(doubt: Doubt): {
  key: string
  name?: string
  word?: string
  duration?: { unit: Unit; n: number }
} {
  switch (doubt.doubt) {
    case 'no_fix':
    case 'fix_at_zero':
    case 'fix_out_of_range':
    case 'fix_old':
    case 'unknown_terminal':
    case 'not_assigned':
      return { key: doubt.doubt }
    case 'clock_off': {
      const seconds = doubt.seconds ?? 0
      return { key: seconds >= 0 ? 'clock_ahead' : 'clock_behind', duration: inWords(seconds) }
    }
    case 'field':
      return { key: 'field', name: doubt.name ?? '?' }
    case 'damaged':
      return { key: 'damaged', name: doubt.what ?? '?' }
    default:
      return { key: 'unknown', word: doubt.doubt }
  }
}

export type RungState = 'done' | 'now' | 'ahead' | 'skipped'

/** The ladder of one hand-over: each rung with where it stands. */
export function ladder(handover: Handover): { rung: string; state: RungState }[] {
  const at = (RUNGS as readonly string[]).indexOf(handover.state)
  return RUNGS.map((rung, index) => ({
    rung,
    state: at < 0 ? 'skipped' : index < at ? 'done' : index === at ? (rung === 'closed' ? 'done' : 'now') : 'ahead',
  }))
}

/** Whether a centre may still come. */
export function isRunning(handover: Handover): boolean {
  return ['prepared', 'sent', 'acknowledged', 'dispatched', 'arrived'].includes(handover.state)
}

/** Whether the system wants a centre and a person has to say so. */
export function isProposed(handover: Handover): boolean {
  return handover.state === 'proposed'
}

/** The centres that somebody has to telephone now. */
export function voiceDue(summary: Summary): string[] {
  const due = summary.handovers.filter((handover) => handover.voice_due).map((handover) => handover.centre)
  // `call_120_by_voice` and the like name the centre themselves.
  for (const task of summary.tasks) {
    const named = /^call_(\d+)_by_voice$/.exec(task)?.[1]
    if (named !== undefined) due.push(named)
  }
  if (due.length === 0 && summary.tasks.includes('call_by_voice')) due.push('120')
  return [...new Set(due)]
}

/** The tasks that are not about telephoning a centre. */
export function otherTasks(summary: Summary): string[] {
  return summary.tasks.filter((task) => !/^call_(\d+_)?by_voice$/.test(task))
}

/** Responders who are asked or going. */
export function engaged(detail: Detail): number {
  return detail.offers.filter((offer) => ['asked', 'accepted', 'on_the_way', 'on_scene'].includes(offer.state)).length
}

/** Degrees as they are read out: `28.22800° N 112.93800° E`. */
export function coordinates(lat: number, lon: number): string {
  return `${Math.abs(lat).toFixed(5)}° ${lat < 0 ? 'S' : 'N'}  ${Math.abs(lon).toFixed(5)}° ${lon < 0 ? 'W' : 'E'}`
}

/** What is due after the end, by when, and whether that has passed. */
export function afterwards(summary: Summary, now: number): { task: string; by: string; late: 'yes' | 'no' }[] {
  const { follow_up_by: call, rate_by: rating } = summary.aftercare ?? {}
  const due = [
    { task: 'follow_up', by: call },
    { task: 'rate', by: rating },
  ]
  return due.flatMap(({ task, by }) => (by ? [{ task, by, late: Date.parse(by) < now ? 'yes' : 'no' } as const] : []))
}
