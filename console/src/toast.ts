// Short messages at the foot of the page: what was refused, what failed, what was done.

import { readonly, ref } from 'vue'

export interface Toast {
  id: number
  tone: 'wrong' | 'done'
  text: string
}

const SHOWN_MAX = 3
const shown = ref<Toast[]>([])
let last = 0

export const toasts = readonly(shown)

export function dismiss(id: number): void {
  shown.value = shown.value.filter((toast) => toast.id !== id)
}

export function say(tone: Toast['tone'], text: string): void {
  const id = (last += 1)
  shown.value = [...shown.value.filter((toast) => toast.text !== text), { id, tone, text }].slice(-SHOWN_MAX)
  // A failure stays long enough to be read by somebody on the telephone.
  setTimeout(() => dismiss(id), tone === 'wrong' ? 12_000 : 4_000)
}
