// Which troubles of terminals are shown, in which order, and what of each.

import type { Silence, Trouble } from '../api/types'

export type Tab = Trouble | 'untested'

/** In order of urgency. */
export const TROUBLES: readonly Tab[] = ['silent', 'late', 'flat_tonight', 'not_worn', 'frozen', 'unheard', 'untested']

export type Column = 'since' | 'heard_at' | 'battery' | 'flat_at' | 'off_since' | 'frozen_since'

const COLUMNS: Record<Tab, readonly Column[]> = {
  silent: ['since', 'heard_at', 'battery'],
  late: ['since', 'heard_at', 'battery'],
  unheard: ['since'],
  flat_tonight: ['battery', 'flat_at', 'heard_at'],
  not_worn: ['off_since', 'heard_at'],
  frozen: ['frozen_since', 'heard_at'],
  untested: [],
}

/** What is told of a terminal with that trouble, besides whose it is. */
export const columns = (tab: Tab) => COLUMNS[tab]

/** How many have it; null when nobody counts them. */
export function tally({ terminals }: Silence, tab: Tab): number | null {
  switch (tab) {
    case 'silent':
      return terminals.silent + terminals.lost
    case 'unheard':
    case 'untested':
      return null
    default:
      return terminals[tab]
  }
}

/** Times as somebody writes them, `08:00, 20:00` or `8:00、20:00`: as the server reads them. */
export function timesOf(text: string): string[] {
  return text
    .split(/[\s,，、;；]+/)
    .filter((part) => part !== '')
    .map((part) => part.replace('：', ':'))
    .map((part) => (/^\d:\d\d$/.test(part) ? `0${part}` : part))
}
