/** What is over, newest first, as far as somebody has looked back. */

import type { Summary } from '../api/types'

export interface Archive {
  incidents: Summary[]
  /** Where it goes on; null: nothing older is there. */
  older: string | null
}

interface Page {
  incidents: Summary[]
  next: string | null
}

/** With one page more behind what is there. */
export function extended(shown: Archive, page: Page): Archive {
  const known = new Set(shown.incidents.map((each) => each.id))
  const more = page.incidents.filter((each) => !known.has(each.id))
  return { incidents: [...shown.incidents, ...more], older: page.next }
}

/** With the newest page read again. What lies between must not be passed over: without a link it begins anew. */
export function renewed(shown: Archive, newest: Page): Archive {
  const fresh = new Set(newest.incidents.map((each) => each.id))
  const rest = shown.incidents.filter((each) => !fresh.has(each.id))
  if (rest.length === shown.incidents.length) return { incidents: newest.incidents, older: newest.next }
  return { incidents: [...newest.incidents, ...rest], older: shown.older }
}
