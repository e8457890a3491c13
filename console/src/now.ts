// One ticking clock for the whole page, on the server's time.

import { readonly, ref } from 'vue'
import { serverNow } from './model/time'

const ticking = ref(serverNow())
setInterval(() => (ticking.value = serverNow()), 500)

/** Milliseconds since 1970, twice a second. */
export const now = readonly(ticking)
