// Who is logged in on this page.

import { computed, readonly, ref } from 'vue'
import * as client from './api/client'
import type { User } from './api/types'
import { drafts } from './drafts'
import * as sound from './sound'

const present = ref<User | null>(null)
const looked = ref(false)
const cut = ref(false)

/** The person, or null. Stays who they are when their session ends by itself: so does what is on their page. */
export const user = readonly(present)
/** Whether it is known by now if somebody is logged in. */
export const known = readonly(looked)
/** The session of that person ended without anybody logging out: nothing can be done before they have logged in again. */
export const ended = computed(() => cut.value && present.value !== null)

client.whenLoggedOut(() => {
  cut.value = true
  sound.hush()
})

const waiting: (() => void)[] = []

/** Comes true when somebody has logged in again. */
export function again(): Promise<void> {
  return new Promise((resolve) => (cut.value ? waiting.push(resolve) : resolve()))
}

/** Finds out whether this browser has a session; keeps asking while nobody answers. */
export async function look(): Promise<void> {
  for (let pause_ms = 500; !looked.value; pause_ms = Math.min(pause_ms * 2, 5_000)) {
    try {
      present.value = (await client.whoAmI())?.user ?? null
      cut.value = false
      looked.value = true
    } catch {
      await new Promise((resolve) => setTimeout(resolve, pause_ms))
    }
  }
}

export async function logIn(login: string, password: string): Promise<void> {
  // Inside the click, before any waiting: afterwards the browser would not allow it.
  sound.unlock()
  const session = await client.logIn(login, password)
  if (present.value?.id !== session.user.id) drafts.clear()
  // First who: the page of somebody else is not to wake up.
  present.value = session.user
  cut.value = false
  for (const go of waiting.splice(0)) go()
}

export async function logOut(): Promise<void> {
  sound.hush()
  await client.logOut()
  drafts.clear()
  cut.value = false
  present.value = null
}
