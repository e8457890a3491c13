// Whether the district's map is shown: as this browser showed it last.

import { ref, watch } from 'vue'

const KEPT = 'ydt.map'
/** Narrower than this the queue and a card have the window to themselves until the map is asked for. */
const WIDE = '(min-width: 1100px)'

function kept(): string | null {
  try {
    return localStorage.getItem(KEPT)
  } catch {
    return null
  }
}

export function useMapShown() {
  const isShown = ref((kept() ?? (matchMedia(WIDE).matches ? 'yes' : 'no')) === 'yes')
  watch(isShown, (shown) => {
    try {
      localStorage.setItem(KEPT, shown ? 'yes' : 'no')
    } catch {
      // A browser that keeps nothing begins as a new one does.
    }
  })
  return { isShown, toggle: () => void (isShown.value = !isShown.value) }
}
