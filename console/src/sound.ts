// The ring: a siren made of oscillators, no file. It lives on the audio thread, so it goes on while
// timers of a hidden page are slowed down. A browser lets a page be heard only after somebody has
// touched it: `suspended` says when that has not happened yet.

import { readonly, ref } from 'vue'
import type { Ring } from './api/types'

interface Siren {
  ring: Ring
  stop(): void
}

let context: AudioContext | null = null
let siren: Siren | null = null
let wanted: Ring = 'none'
let warning: ReturnType<typeof setInterval> | null = null

const held = ref(false)
const sounding = ref<Ring>('none')

/** The browser keeps this page silent. */
export const suspended = readonly(held)
/** What can be heard now. */
export const heard = readonly(sounding)

/** Makes the sound ready. Call it in the handler of a click or a key: browsers allow it only there. */
export function unlock(): void {
  prepare()
  if (context && context.state !== 'running') void context.resume().then(settle, settle)
  settle()
}

/** Looks whether a ring could be heard, without waiting for a touch. */
export function prepare(): void {
  if (context === null && typeof AudioContext !== 'undefined') {
    context = new AudioContext({ latencyHint: 'interactive' })
    context.addEventListener('statechange', settle)
  }
  settle()
}

/** Rings like this from now on, until told otherwise. */
export function setRing(ring: Ring): void {
  wanted = ring
  settle()
}

/** A soft warning, again each 10 s until it is switched off: the connection is lost. */
export function setWarning(on: 'on' | 'off'): void {
  if (on === 'off') {
    if (warning !== null) clearInterval(warning)
    warning = null
  } else if (warning === null) {
    warn()
    warning = setInterval(warn, 10_000)
  }
}

/** Nobody is logged in any more. */
export function hush(): void {
  setWarning('off')
  setRing('none')
}

function settle(): void {
  held.value = context !== null && context.state !== 'running'
  if (siren !== null && siren.ring !== wanted) {
    siren.stop()
    siren = null
  }
  if (siren === null && wanted !== 'none' && context !== null) siren = start(context, wanted)
  sounding.value = held.value || siren === null ? 'none' : siren.ring
}

/** Operators hear two calm tones in turn, supervisors a fast rising wail: two rings nobody confuses. */
function start(on: AudioContext, ring: Ring): Siren {
  const sharp = ring === 'supervisors'
  const tone = new OscillatorNode(on, { type: sharp ? 'sawtooth' : 'triangle', frequency: sharp ? 1_150 : 760 })
  const sweep = new OscillatorNode(on, { type: sharp ? 'sawtooth' : 'square', frequency: sharp ? 2.4 : 0.9 })
  const depth = new GainNode(on, { gain: sharp ? 420 : 130 })
  const beat = new OscillatorNode(on, { type: 'square', frequency: sharp ? 4.8 : 1.8 })
  const beatDepth = new GainNode(on, { gain: sharp ? 0.06 : 0.07 })
  const volume = new GainNode(on, { gain: sharp ? 0.24 : 0.2 })
  const soften = new BiquadFilterNode(on, { type: 'lowpass', frequency: sharp ? 5_000 : 2_600 })
  sweep.connect(depth).connect(tone.frequency)
  beat.connect(beatDepth).connect(volume.gain)
  tone.connect(soften).connect(volume).connect(on.destination)
  const nodes = [tone, sweep, beat]
  for (const node of nodes) node.start()
  return {
    ring,
    stop() {
      for (const node of nodes) node.stop()
      volume.disconnect()
    },
  }
}

function warn(): void {
  if (context === null || context.state !== 'running') return
  for (const [delay, frequency] of [
    [0, 520],
    [0.22, 390],
  ] as const) {
    const at = context.currentTime + delay
    const tone = new OscillatorNode(context, { type: 'sine', frequency })
    const volume = new GainNode(context, { gain: 0 })
    volume.gain.setValueAtTime(0, at)
    volume.gain.linearRampToValueAtTime(0.09, at + 0.03)
    volume.gain.linearRampToValueAtTime(0, at + 0.2)
    tone.connect(volume).connect(context.destination)
    tone.start(at)
    tone.stop(at + 0.25)
  }
}
