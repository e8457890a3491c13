// What administrators set a terminal to, from what they wrote. Whether a terminal can do it, and in which bounds, is the
// server's to say; here only lines become lists.

/** What can be set, in the order in which it is offered. */
export const SETTINGS = ['report_every', 'sos_numbers', 'contacts', 'fall_sensitivity', 'fence', 'no_fence', 'restart'] as const
export type SettingWord = (typeof SETTINGS)[number]

export type Setting =
  | { do: 'report_every'; every_s: number }
  | { do: 'sos_numbers'; numbers: string[] }
  | { do: 'contacts'; contacts: { name: string; number: string }[] }
  | { do: 'fall_sensitivity'; level: number }
  | { do: 'fence'; number: number; lat: number; lon: number; radius_m: number }
  | { do: 'no_fence'; number: number }
  | { do: 'restart' }

/** A terminal numbers its own fences from one to this. */
export const OWN_FENCES_MAX = 16

/** What can be written so that it says nothing. */
export const LACKING = ['every_s', 'contacts', 'level', 'centre', 'radius_m'] as const
export type Lacking = (typeof LACKING)[number]

/** As it is written. */
export interface SetUp {
  of: SettingWord
  every_s: string
  numbers: string
  contacts: string
  level: string
  /** Which of the terminal's own fences. */
  fence: string
  /** Its centre: latitude, longitude. */
  centre: string
  radius_m: string
}

export const NOTHING_WRITTEN: SetUp = { of: 'report_every', every_s: '600', numbers: '', contacts: '', level: '4', fence: '1', centre: '', radius_m: '500' }

const lines = (text: string) =>
  text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')

/** Whole numbers only: nothing is guessed from half a number. */
const whole = (text: string) => (/^\d+$/.test(text.trim()) ? Number(text.trim()) : null)

/** Latitude and longitude in degrees, as maps show them to be copied. */
function placeOf(text: string): { lat: number; lon: number } | null {
  const found = /^(-?\d+(?:\.\d+)?)[\s,，;；]+(-?\d+(?:\.\d+)?)$/.exec(text.trim())
  const [lat, lon] = [Number(found?.[1]), Number(found?.[2])]
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? { lat, lon } : null
}

/** What is to be set; or the field that does not say it. A list may be empty: that deletes the terminal's. */
export function settingOf(written: SetUp): Setting | { lacks: Lacking } {
  switch (written.of) {
    case 'report_every': {
      const every_s = whole(written.every_s)
      return every_s === null ? { lacks: 'every_s' } : { do: 'report_every', every_s }
    }
    case 'sos_numbers':
      return { do: 'sos_numbers', numbers: lines(written.numbers) }
    case 'contacts': {
      // A name may hold spaces, a number does not: it is the last word of its line.
      const entries = lines(written.contacts).map((line) => /^(.+?)[\s,，;；]+(\S+)$/.exec(line))
      const contacts = entries.flatMap((entry) => (entry?.[1] && entry[2] ? [{ name: entry[1], number: entry[2] }] : []))
      return contacts.length < entries.length ? { lacks: 'contacts' } : { do: 'contacts', contacts }
    }
    case 'fall_sensitivity': {
      const level = whole(written.level)
      return level === null ? { lacks: 'level' } : { do: 'fall_sensitivity', level }
    }
    case 'fence': {
      const [place, radius_m] = [placeOf(written.centre), whole(written.radius_m)]
      if (place === null) return { lacks: 'centre' }
      return radius_m === null ? { lacks: 'radius_m' } : { do: 'fence', number: Number(written.fence), ...place, radius_m }
    }
    case 'no_fence':
      return { do: 'no_fence', number: Number(written.fence) }
    case 'restart':
      return { do: 'restart' }
  }
}

/** The addresses of access points, one a line, in whichever of the usual ways they are written. */
export function addresses(text: string): string[] {
  return [...new Set(lines(text).map((line) => line.toLowerCase().replaceAll('-', ':')))]
}
