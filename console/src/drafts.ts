// Records that are being edited on this page, so that a look at somebody else loses nothing that was written. In memory
// only: whoever closes the page lets go of them.

import { ref } from 'vue'
import type { Resident } from './api/types'
import { entered, type Entry } from './model/record'

export interface Draft {
  /** What the form began from, and of which version that was. */
  before: Entry
  version: number
  entry: Entry
}

const kept = ref(new Map<string, Draft>())

export const drafts = {
  /** What was being written of somebody, else their record as it is. */
  of(resident: Resident): Draft {
    return kept.value.get(resident.id) ?? { before: entered(resident), version: resident.version, entry: entered(resident) }
  },
  keep(id: string, draft: Draft): void {
    kept.value.set(id, draft)
  },
  has: (id: string): boolean => kept.value.has(id),
  forget(id: string): void {
    kept.value.delete(id)
  },
  /** Somebody else sits down here. */
  clear(): void {
    kept.value.clear()
  },
}
