// The incident that is open on the right: its detail, kept fresh, and what is done to it.

import { computed, onScopeDispose, ref, shallowRef } from 'vue'
import * as client from './api/client'
import type { Detail } from './api/types'
import { summaryOf, type Board } from './board'

export function useCard(board: Board) {
  const id = ref<string | null>(null)
  const fetched = shallowRef<Detail | null>(null)
  const trouble = shallowRef<unknown>(null)
  const busy = ref<string | null>(null)
  let fetching = false
  let stale = false
  // Grows with every answer to an action: a detail asked for before it is older and is thrown away.
  let generation = 0
  let stopped = false
  let last: Promise<void> = Promise.resolve()

  /** The detail, with the queue's newer head where the stream was faster. */
  const detail = computed<Detail | null>(() => {
    if (fetched.value === null || fetched.value.id !== id.value) return null
    const head = board.queue.value.incidents.get(fetched.value.id)
    return head === undefined ? fetched.value : { ...fetched.value, ...head }
  })

  function open(next: string): void {
    if (id.value !== next) {
      id.value = next
      fetched.value = null
      trouble.value = null
    }
    void refresh()
  }

  function leave(): void {
    id.value = null
    fetched.value = null
    trouble.value = null
  }

  async function refresh(): Promise<void> {
    if (id.value === null) return
    stale = true
    if (fetching) return
    fetching = true
    while (stale && id.value !== null && !stopped) {
      stale = false
      const asked: string = id.value
      const before = generation
      try {
        const answer: Detail = await client.incident(asked)
        if (generation !== before) stale = true
        else apply(answer)
      } catch (error) {
        // Shown only where there is nothing else to show; the next event tries again.
        if (asked === id.value) trouble.value = error
      }
    }
    fetching = false
  }

  function apply(answer: Detail): void {
    board.take({ is: 'answered', summary: summaryOf(answer) })
    if (answer.id !== id.value) return
    fetched.value = answer
    trouble.value = null
  }

  /** Does something to an incident and shows what came of it. Throws what the server answered. */
  function act(name: string, call: (id: string) => Promise<Detail>): Promise<void> {
    const about = id.value
    if (about === null) return Promise.resolve()
    // One after the other, in the order of the clicks, each about the incident that was then open.
    const mine = last.then(() => perform(name, about, call))
    last = mine.catch(() => undefined)
    return mine
  }

  async function perform(name: string, about: string, call: (id: string) => Promise<Detail>): Promise<void> {
    busy.value = name
    try {
      const answer = await call(about)
      generation += 1
      apply(answer)
      // A detail that was under way has just been thrown away.
      if (fetching) stale = true
    } catch (error) {
      // Whatever was refused, the card may have been out of date.
      void refresh()
      throw error
    } finally {
      busy.value = null
    }
  }

  board.hear((happening) => {
    if (happening.is === 'resumed' || (happening.is === 'changed' && happening.id === id.value)) void refresh()
  })
  onScopeDispose(() => (stopped = true))

  return { id, detail, trouble, busy, open, leave, refresh, act }
}

export type Card = ReturnType<typeof useCard>
