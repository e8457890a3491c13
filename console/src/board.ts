// The operators' board: the queue kept up to date by the live stream, the ring that follows from
// it, and the word that somebody is at this desk. One for each login.

import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'
import * as client from './api/client'
import { Live, type LiveState, type Message } from './api/live'
import type { CallingOutage, Canary, Summary, Unstored, User } from './api/types'
import { EMPTY, inOrder, lastRise, ringing, step, type Input } from './model/queue'
import { somebodyThere, TELL_EACH_MS } from './model/presence'
import { serverNow } from './model/time'
import { now } from './now'
import { again, ended } from './session'
import * as sound from './sound'

/** Lost for longer than this is heard, too. */
const WARN_AFTER_MS = 5_000

export type Happening =
  | { is: 'rang'; summary: Summary; again: 'yes' | 'no' }
  | { is: 'unstored'; alert: Unstored }
  | { is: 'changed'; id: string }
  | { is: 'resumed' }

export function useBoard(user: User) {
  const queue = shallowRef(EMPTY)
  const live = ref<LiveState>({ is: 'connecting' })
  const canary = ref<Canary | null>(null)
  /** Outages that call for whoever is at this desk. */
  const outages = shallowRef<CallingOutage[]>([])
  const loaded = ref(false)
  const hearers = new Set<(happening: Happening) => void>()
  const tell = (happening: Happening) => {
    for (const hearer of hearers) hearer(happening)
  }

  function take(input: Input): void {
    const before = queue.value
    const after = step(before, input)
    queue.value = after.queue
    for (const summary of after.rang) {
      tell({ is: 'rang', summary, again: before.incidents.has(summary.id) ? 'yes' : 'no' })
    }
    for (const alert of after.rangUnstored) tell({ is: 'unstored', alert })
    // An answer comes from the card itself, which need not be told of it.
    if (input.is !== 'answered') for (const id of after.changed) tell({ is: 'changed', id })
    for (const id of after.refetch) void settle(id)
  }

  /** Asks the server how an incident stands; the next event asks again if nobody answers. */
  async function settle(id: string): Promise<void> {
    tell({ is: 'changed', id })
    try {
      take({ is: 'answered', summary: summaryOf(await client.incident(id)) })
    } catch {
      // Nothing is lost: what is shown stays, and the stream goes on.
    }
  }

  function read(message: Message): void {
    if (message.event === 'incident' && message.id !== null) {
      take({ is: 'streamed', summary: JSON.parse(message.data) as Summary, cursor: message.id })
    } else if (message.event === 'hello') {
      take({ is: 'greeted' })
      // A stream that begins has told of none.
      outages.value = []
    } else if (message.event === 'outages') {
      outages.value = JSON.parse(message.data) as CallingOutage[]
    } else if (message.event === 'unstored') {
      take({ is: 'unstored', alert: JSON.parse(message.data) as Unstored })
    } else if (message.event === 'canary') {
      canary.value = JSON.parse(message.data) as Canary
    }
  }

  const stream = new Live({
    url: () => client.liveUrl(queue.value.cursor),
    load: async () => {
      const { incidents, cursor } = await client.openIncidents()
      take({ is: 'loaded', incidents, cursor })
      loaded.value = true
    },
    take: read,
    denied: () => {
      client.loggedOut()
      return again()
    },
    became: (state) => {
      const back = state.is === 'open' && live.value.is === 'lost'
      live.value = state
      if (back) tell({ is: 'resumed' })
    },
    now: serverNow,
  })
  void stream.run()

  const risen = computed(() => lastRise(queue.value.incidents.values(), now.value))
  const order = computed(() => inOrder(queue.value.incidents.values(), risen.value))
  const unstored = computed(() => [...queue.value.unstored.values()])
  const ring = computed(() => ringing(queue.value, user, outages.value.length))
  // Whoever has to log in again hears nothing meanwhile, and afterwards what rings.
  watch(() => (ended.value ? 'none' : ring.value.ring), sound.setRing, { immediate: true })

  const lost_ms = computed(() => (live.value.is === 'lost' ? Math.max(0, now.value - live.value.since) : 0))
  watch(
    () => lost_ms.value > WARN_AFTER_MS && !ended.value,
    (late) => sound.setWarning(late ? 'on' : 'off'),
  )

  let last_input_ms: number | null = Date.now()
  let told_ms = 0
  const touched = () => (last_input_ms = Date.now())
  const owns = () => [...queue.value.incidents.values()].some((summary) => summary.claimed_by?.id === user.id)

  function tellPresence(): void {
    const at = { now_ms: Date.now(), last_input_ms, page: document.visibilityState } as const
    if (!somebodyThere({ ...at, owns_open: owns() ? 'yes' : 'no' })) return
    if (at.now_ms - told_ms < TELL_EACH_MS / 2) return
    told_ms = at.now_ms
    client.sayPresent().catch(() => undefined)
  }
  const teller = setInterval(tellPresence, TELL_EACH_MS)
  tellPresence()

  // Whoever comes back to the desk is there at once, not in twenty seconds.
  const back = () => {
    touched()
    if (Date.now() - told_ms > TELL_EACH_MS) tellPresence()
  }
  const online = () => stream.hurry()
  addEventListener('pointerdown', back)
  addEventListener('pointermove', back)
  addEventListener('keydown', back)
  addEventListener('online', online)

  onScopeDispose(() => {
    stream.stop()
    clearInterval(teller)
    removeEventListener('pointerdown', back)
    removeEventListener('pointermove', back)
    removeEventListener('keydown', back)
    removeEventListener('online', online)
    sound.hush()
  })

  return {
    user,
    queue,
    order,
    unstored,
    ring,
    live,
    canary,
    outages,
    lost_ms,
    loaded,
    take,
    hear(hearer: (happening: Happening) => void): void {
      hearers.add(hearer)
      onScopeDispose(() => hearers.delete(hearer))
    },
  }
}

export type Board = ReturnType<typeof useBoard>

/** The part of a detail that a queue holds. */
export function summaryOf(detail: Summary): Summary {
  const { id, kinds, category, category_name, headline, urgency, priority, ring, subject, serial, opened_at, last_press_at, presses } = detail
  const { claimed_by, handovers, doubts, drill, tasks, closed, rating, aftercare, closes_at, cursor } = detail
  return {
    id, class: detail.class, kinds, category, category_name, headline, urgency, priority, ring, subject, serial, opened_at,
    last_press_at, presses,
    claimed_by, handovers, doubts, drill, tasks, closed, rating, aftercare, closes_at, cursor,
  }
}
