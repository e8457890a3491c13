// Whether a person is at this desk. An owner who is gone makes the incident ring again, so the
// answer must err neither way: no word for an empty chair, none missing for somebody on the telephone.

/** After an input a person is believed to be there for this long. */
export const PRESENT_MS = 120_000
/** How often presence is told. */
export const TELL_EACH_MS = 20_000

export interface Desk {
  now_ms: number
  last_input_ms: number | null
  owns_open: 'yes' | 'no'
  page: 'visible' | 'hidden'
}

/** Whether to tell the server that somebody is there. */
export function somebodyThere(desk: Desk): boolean {
  if (desk.last_input_ms !== null && desk.now_ms - desk.last_input_ms <= PRESENT_MS) return true
  return desk.owns_open === 'yes' && desk.page === 'visible'
}
