// Durations, and the server's clock: whoever sits at a desk with a wrong clock must still see how
// many seconds somebody has to answer.

/** Beyond this the desk's own clock is not believed. `Date` headers count whole seconds. */
const BELIEVED_MS = 2_000

let offset_ms = 0

/** How far the server is ahead of us, from one answer; 0 when that is within what a header can tell. */
export function clockOffset(date: string | null, sent_at_ms: number, answered_at_ms: number): number | null {
  const told = date === null ? Number.NaN : Date.parse(date)
  if (Number.isNaN(told)) return null
  const offset = told + 500 - (sent_at_ms + answered_at_ms) / 2
  return Math.abs(offset) <= BELIEVED_MS ? 0 : Math.round(offset)
}

/** Learns from one answer of the server. */
export function learnClock(date: string | null, sent_at_ms: number, answered_at_ms: number): void {
  // A slow answer says little about when it was written.
  if (answered_at_ms - sent_at_ms > 2_000) return
  offset_ms = clockOffset(date, sent_at_ms, answered_at_ms) ?? offset_ms
}

/** The server's time, milliseconds since 1970. */
export function serverNow(): number {
  return Date.now() + offset_ms
}

export type Unit = 'seconds' | 'minutes' | 'hours' | 'days' | 'years'

/** A duration as one number a person can take in. */
export function inWords(seconds: number): { unit: Unit; n: number } {
  const s = Math.max(0, Math.abs(Math.round(seconds)))
  if (s < 60) return { unit: 'seconds', n: s }
  if (s < 3_600) return { unit: 'minutes', n: Math.floor(s / 60) }
  if (s < 2 * 86_400) return { unit: 'hours', n: Math.floor(s / 3_600) }
  if (s < 2 * 365 * 86_400) return { unit: 'days', n: Math.floor(s / 86_400) }
  return { unit: 'years', n: Math.floor(s / (365.25 * 86_400)) }
}

/** `mm:ss`, or `h:mm:ss`; never negative. */
export function stopwatch(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds))
  const two = (n: number) => String(n).padStart(2, '0')
  const hours = Math.floor(s / 3_600)
  const rest = `${two(Math.floor((s % 3_600) / 60))}:${two(s % 60)}`
  return hours > 0 ? `${hours}:${rest}` : rest
}

/** Seconds from `at` (RFC 3339) to `now_ms`; positive when `at` is past. */
export function secondsSince(at: string, now_ms: number): number {
  return (now_ms - Date.parse(at)) / 1_000
}
