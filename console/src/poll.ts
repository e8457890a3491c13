// Doing something again and again while it can be seen: never twice at a time, never behind another tab.

import { onScopeDispose } from 'vue'

/** What failed is tried again after this long, or sooner when it is done more often. */
const RETRY_MS = 5_000

export interface Poll {
  /** Does it now, or once more when it is being done. */
  hurry(): void
}

/** Calls `act` now and each `every_ms` while the page is visible. What goes wrong is `act`'s to say. */
export function usePoll(act: () => Promise<void>, every_ms: number): Poll {
  let timer: ReturnType<typeof setTimeout> | undefined
  let acting = false
  let again = false
  let stopped = false

  async function run(): Promise<void> {
    clearTimeout(timer)
    if (stopped) return
    if (acting) {
      again = true
      return
    }
    acting = true
    let pause_ms = every_ms
    do {
      again = false
      pause_ms = await act().then(
        () => every_ms,
        () => Math.min(every_ms, RETRY_MS),
      )
    } while (again && !stopped)
    acting = false
    if (!stopped && document.visibilityState === 'visible') timer = setTimeout(run, pause_ms)
  }

  const seen = () => {
    if (document.visibilityState === 'visible') void run()
  }
  document.addEventListener('visibilitychange', seen)
  onScopeDispose(() => {
    stopped = true
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', seen)
  })
  void run()
  return { hurry: () => void run() }
}
