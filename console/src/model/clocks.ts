// How a limit and a share are written.

import type { ClockTarget } from '../api/types'

/** A limit as a number with its unit: 15 seconds, 3 minutes, 1 hour; what is no whole minute stays in seconds. */
export function limit(seconds: number): { unit: 'seconds' | 'minutes' | 'hours'; n: number } {
  if (seconds >= 7_200 && seconds % 3_600 === 0) return { unit: 'hours', n: seconds / 3_600 }
  if (seconds >= 180 && seconds % 60 === 0) return { unit: 'minutes', n: seconds / 60 }
  return { unit: 'seconds', n: seconds }
}

/** A share in per cent. Rounded down: 94.999 % must not look like 95 %. */
export function percent(share: number): string {
  return `${Math.floor(share * 10_000 + 1e-6) / 100}%`
}

/** A length of time as it is read: milliseconds, tenths below a minute, then a stop-watch's minutes. */
export function length(ms: number): string {
  if (ms < 1_000) return `${Math.floor(ms)} ms`
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`
  const s = Math.floor(ms / 1_000)
  const two = (n: number) => String(n).padStart(2, '0')
  const rest = `${two(Math.floor((s % 3_600) / 60))}:${two(s % 60)}`
  return s >= 3_600 ? `${Math.floor(s / 3_600)}:${rest}` : rest
}

/** What tells one target from the others. */
export const targetKey = (target: ClockTarget) => target.id ?? `${target.profile}-${target.clock}-${target.within_s}`
