// Who is logged in on this page.

import { readonly, ref } from 'vue'
import * as client from './api/client'
import type { User } from './api/types'
import * as sound from './sound'

const present = ref<User | null>(null)
const looked = ref(false)
const cut = ref(false)

/** The person, or null. */
export const user = readonly(present)
/** Whether it is known by now if somebody is logged in. */
export const known = readonly(looked)
/** The last session ended without anybody logging out. */
export const ended = readonly(cut)

client.whenLoggedOut(() => {
  cut.value = present.value !== null
  present.value = null
  sound.hush()
})

/** Finds out whether this browser has a session; keeps asking while nobody answers. */
export async function look(): Promise<void> {
  for (let pause_ms = 500; !looked.value; pause_ms = Math.min(pause_ms * 2, 5_000)) {
    try {
      present.value = (await client.whoAmI())?.user ?? null
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
  cut.value = false
  present.value = session.user
}

export async function logOut(): Promise<void> {
  sound.hush()
  await client.logOut()
  cut.value = false
  present.value = null
}
