// The queue as a pure function of what came in: the list at the start, the live stream, answers to
// our own calls. No clock, no network, no Vue.
//
// Cursors are opaque: they can be compared for equality and nothing else. So two things are told
// apart by equality alone: an event that has been seen before (a stream that repeats its tail), and
// an event older than an answer we already hold (the stream runs behind our own calls).

import { isOperator, mayAnswer, type Holder } from './access'
import type { Ring, Summary, Unstored } from '../api/types'

/** How many cursors are remembered to know a repeated event: more than a server keeps in one batch. */
const REMEMBERED_MAX = 2_048
/** How many incidents' last cursors are kept, so that a late answer cannot bring a closed one back. */
const INCIDENTS_MAX = 20_000

export interface Queue {
  /** Open incidents as shown. */
  readonly incidents: ReadonlyMap<string, Summary>
  /** Alerts that ring from the gateways' memory. */
  readonly unstored: ReadonlyMap<string, Unstored>
  /** Where to resume the stream. */
  readonly cursor: string | null
  /** Cursors of events taken in, with the order in which they came. */
  readonly seen: ReadonlyMap<string, number>
  /** The last cursor that the list or the stream brought for each incident, closed ones too for a while. */
  readonly streamed: ReadonlyMap<string, string>
  /** Incidents whose shown state came as an answer that the stream has not reached yet. */
  readonly awaited: ReadonlyMap<string, string>
}

export type Input =
  /** GET /incidents: the start, and a new start when the server no longer knows our cursor. */
  | { is: 'loaded'; incidents: readonly Summary[]; cursor: string }
  /** One `incident` event. */
  | { is: 'streamed'; summary: Summary; cursor: string }
  /** The answer to one of our own calls about one incident. */
  | { is: 'answered'; summary: Summary }
  /** One `unstored` event. */
  | { is: 'unstored'; alert: Unstored }
  /** The `hello` that a stream begins with: what is not stored now is told right after it. */
  | { is: 'greeted' }

export interface Step {
  queue: Queue
  /** Incidents that began to ring, or ring louder, or were pressed again while they ring. */
  rang: Summary[]
  /** Alerts that newly ring from memory. */
  rangUnstored: Unstored[]
  /** Incidents whose true state is in doubt between stream and answer: ask the server. */
  refetch: string[]
  /** Incidents whose shown state changed or ended. */
  changed: string[]
}

export const EMPTY: Queue = {
  incidents: new Map(),
  unstored: new Map(),
  cursor: null,
  seen: new Map(),
  streamed: new Map(),
  awaited: new Map(),
}

/** Takes one input in. */
export function step(queue: Queue, input: Input): Step {
  switch (input.is) {
    case 'loaded':
      return loaded(queue, input.incidents, input.cursor)
    case 'streamed':
      return streamed(queue, input.summary, input.cursor)
    case 'answered':
      return answered(queue, input.summary)
    case 'unstored':
      return unstored(queue, input.alert)
    case 'greeted':
      // Stored while nobody told us, or forgotten with the process that held it: the terminal repeats it.
      return quiet({ ...queue, unstored: new Map() })
  }
}

const quiet = (queue: Queue): Step => ({ queue, rang: [], rangUnstored: [], refetch: [], changed: [] })

function loaded(queue: Queue, summaries: readonly Summary[], cursor: string): Step {
  const incidents = new Map<string, Summary>()
  const streamed = new Map<string, string>()
  const rang: Summary[] = []
  const changed = new Set(queue.incidents.keys())
  for (const summary of summaries) {
    if (isClosed(summary)) continue
    incidents.set(summary.id, summary)
    streamed.set(summary.id, summary.cursor)
    changed.add(summary.id)
    if (ringsAnew(queue.incidents.get(summary.id), summary)) rang.push(summary)
  }
  return {
    ...quiet({ ...queue, incidents, cursor, seen: new Map([[cursor, 0]]), streamed, awaited: new Map() }),
    rang,
    changed: [...changed],
  }
}

function streamed(queue: Queue, summary: Summary, cursor: string): Step {
  if (queue.seen.has(cursor)) return quiet(queue)
  const next: Queue = {
    ...queue,
    cursor,
    seen: remember(queue.seen, cursor),
    streamed: keep(queue, summary.id, cursor),
  }
  const awaited = queue.awaited.get(summary.id)
  // Older than what we were answered, or newer: nobody can say. What is shown stays until it is known.
  if (awaited !== undefined && awaited !== cursor && awaited !== summary.cursor) return { ...quiet(next), refetch: [summary.id] }
  return show({ ...next, awaited: unset(queue.awaited, summary.id) }, summary)
}

function answered(queue: Queue, summary: Summary): Step {
  if (isClosed(summary) && !queue.incidents.has(summary.id)) return quiet(queue)
  const last = queue.streamed.get(summary.id)
  const answer_at = queue.seen.get(summary.cursor)
  const last_at = last === undefined ? undefined : queue.seen.get(last)
  const reached = summary.cursor === last || answer_at !== undefined
  // The stream overtook this answer: what is shown is newer.
  if (summary.cursor !== last && answer_at !== undefined && last_at !== undefined && answer_at < last_at) {
    return quiet(queue)
  }
  const awaited = reached ? unset(queue.awaited, summary.id) : set(queue.awaited, summary.id, summary.cursor)
  return show({ ...queue, awaited }, summary)
}

function unstored(queue: Queue, alert: Unstored): Step {
  if (alert.stored) {
    return quiet({ ...queue, unstored: unset(queue.unstored, alert.id) })
  }
  const isNew = !queue.unstored.has(alert.id)
  const next = { ...queue, unstored: set(queue.unstored, alert.id, alert) }
  return { ...quiet(next), rangUnstored: isNew ? [alert] : [] }
}

function show(queue: Queue, summary: Summary): Step {
  const before = queue.incidents.get(summary.id)
  const incidents = isClosed(summary)
    ? unset(queue.incidents, summary.id)
    : set(queue.incidents, summary.id, summary)
  return {
    ...quiet({ ...queue, incidents }),
    rang: ringsAnew(before, summary) ? [summary] : [],
    changed: [summary.id],
  }
}

const RING_RANK: Record<string, number> = { none: 0, operators: 1, supervisors: 2 }
const rank = (ring: string) => RING_RANK[ring] ?? 1

function ringsAnew(before: Summary | undefined, after: Summary): boolean {
  if (isClosed(after) || rank(after.ring) === 0) return false
  return before === undefined || rank(after.ring) > rank(before.ring) || after.presses > before.presses
}

export function isClosed(summary: Summary): boolean {
  return summary.headline === 'closed' || (summary.closed !== undefined && summary.closed !== null)
}

/** Where it stands at a time: what rises by itself has risen when its time has come. */
export function standing(summary: Summary, now: number): { urgency: number; reasons: string[] } {
  const next = summary.priority?.next
  if (next && Date.parse(next.at) <= now) return next
  return { urgency: summary.urgency, reasons: summary.priority?.reasons ?? [] }
}

/** When the last of those that have risen by itself did: until the next one the order stays. */
export function lastRise(incidents: Iterable<Summary>, now: number): number {
  let last = 0
  for (const { priority } of incidents) {
    const at = priority?.next ? Date.parse(priority.next.at) : 0
    if (at <= now && at > last) last = at
  }
  return last
}

/** Most urgent first; among equals whoever has waited longest. */
export function inOrder(incidents: Iterable<Summary>, now = 0): Summary[] {
  return [...incidents].sort(
    (a, b) =>
      standing(b, now).urgency - standing(a, now).urgency ||
      Date.parse(a.opened_at) - Date.parse(b.opened_at) ||
      (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
  )
}

/** Who sits at this console. */
export interface Listener extends Holder {
  id: string
}

/** How loudly this console has to ring, and for how many. */
export function ringing(queue: Queue, listener: Listener, outages = 0): { ring: Ring; count: number } {
  let ring: Ring = 'none'
  let count = 0
  const raise = (to: Ring) => {
    count += 1
    if (rank(to) > rank(ring)) ring = to
  }
  for (const alert of queue.unstored.values()) if (!alert.stored) raise('supervisors')
  // Nobody's life hangs on it by itself: the calm ring.
  for (let one = 0; one < outages; one += 1) raise('operators')
  for (const summary of queue.incidents.values()) {
    if (rank(summary.ring) === 0) continue
    if (ringsFor(summary, listener)) raise(rank(summary.ring) >= 2 ? 'supervisors' : 'operators')
  }
  return { ring, count }
}

/** Whether an incident that rings rings here. */
export function ringsFor(summary: Summary, listener: Listener): boolean {
  if (isClosed(summary) || rank(summary.ring) === 0) return false
  // A grid officer sees, and is not the one to answer.
  if (rank(summary.ring) >= 2) return mayAnswer(listener)
  // A new press on a claimed case calls its owner, whoever that is.
  if (summary.claimed_by) return summary.claimed_by.id === listener.id
  // A supervisor is called when nobody at the desks answers, not before.
  return isOperator(listener)
}

/** The neighbour of `id` in `order`, `by` rows away; the first row when there is none. */
export function neighbour(order: readonly string[], id: string | null, by: number): string | null {
  if (order.length === 0) return null
  const at = id === null ? -1 : order.indexOf(id)
  if (at < 0) return order[0] ?? null
  return order[Math.min(order.length - 1, Math.max(0, at + by))] ?? null
}

function set<V>(map: ReadonlyMap<string, V>, key: string, value: V): ReadonlyMap<string, V> {
  return new Map(map).set(key, value)
}

function unset<V>(map: ReadonlyMap<string, V>, key: string): ReadonlyMap<string, V> {
  if (!map.has(key)) return map
  const next = new Map(map)
  next.delete(key)
  return next
}

function remember(seen: ReadonlyMap<string, number>, cursor: string): ReadonlyMap<string, number> {
  let last = -1
  for (const order of seen.values()) last = order
  const next = new Map(seen).set(cursor, last + 1)
  if (next.size > REMEMBERED_MAX) {
    for (const oldest of next.keys()) {
      next.delete(oldest)
      break
    }
  }
  return next
}

function keep(queue: Queue, id: string, cursor: string): ReadonlyMap<string, string> {
  const next = new Map(queue.streamed)
  next.delete(id)
  next.set(id, cursor)
  if (next.size > INCIDENTS_MAX) {
    for (const oldest of next.keys()) {
      if (queue.incidents.has(oldest)) continue
      next.delete(oldest)
      break
    }
  }
  return next
}
