// Ladders as the page edits them. What is a ladder and what is none is the server's to say.
import type { LadderMoment, LadderRung } from '../api/types'

export const ACTS = ['operators', 'supervisors', 'responders', 'contacts', 'centres', '120', '119', '110', 'grid_officer', 'everybody']
export const CONDITIONS = ['always', 'unclaimed', 'nobody_goes']
export const DAYS = ['every', 'working', 'off']

/** Whether it is offered for a class; the server refuses what cannot be. */
export function fits(act: string, of: string): boolean {
  if (act === 'centres') return of === 'emergency'
  if (act === 'responders') return of === 'emergency' || of === 'service'
  return of !== 'service' || !['contacts', '120', '119', '110'].includes(act)
}

/** By delay; rungs of the same delay stay in their order, and who rings everybody comes last of them. */
export const sorted = (rungs: LadderRung[]): LadderRung[] =>
  rungs
    .map((rung, place) => ({ rung, place }))
    .sort((a, b) => a.rung.after_s - b.rung.after_s || Number(a.rung.act === 'everybody') - Number(b.rung.act === 'everybody') || a.place - b.place)
    .map(({ rung }) => rung)

/** `22:30` of minute 1350. */
export const clock = (at: number): string => `${String(Math.floor(at / 60)).padStart(2, '0')}:${String(at % 60).padStart(2, '0')}`

/** Minute 1350 of `22:30`. */
export function minute(text: string): number | null {
  const parts = /^(\d\d):(\d\d)/.exec(text)
  return parts === null ? null : Number(parts[1]) * 60 + Number(parts[2])
}

/** What happens in the same second, together. */
export function together(moments: LadderMoment[]): { after_s: number; moments: LadderMoment[] }[] {
  const all = new Map<number, LadderMoment[]>()
  for (const moment of moments) all.set(moment.after_s, [...(all.get(moment.after_s) ?? []), moment])
  return [...all].map(([after_s, moments]) => ({ after_s, moments }))
}
