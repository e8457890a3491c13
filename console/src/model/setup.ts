// What administrators set a terminal to, from what they wrote. Whether a terminal can do it, and in which bounds, is the
// server's to say; here only lines become lists.

/** What can be set, in the order in which it is offered. */
export const SETTINGS = ['report_every', 'sos_numbers', 'contacts', 'fall_sensitivity', 'restart'] as const
export type SettingWord = (typeof SETTINGS)[number]

export type Setting =
  | { do: 'report_every'; every_s: number }
  | { do: 'sos_numbers'; numbers: string[] }
  | { do: 'contacts'; contacts: { name: string; number: string }[] }
  | { do: 'fall_sensitivity'; level: number }
  | { do: 'restart' }

/** As it is written. */
export interface SetUp {
  of: SettingWord
  every_s: string
  numbers: string
  contacts: string
  level: string
}

export const NOTHING_WRITTEN: SetUp = { of: 'report_every', every_s: '600', numbers: '', contacts: '', level: '4' }

const lines = (text: string) =>
  text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')

/** Whole numbers only: nothing is guessed from half a number. */
const whole = (text: string) => (/^\d+$/.test(text.trim()) ? Number(text.trim()) : null)

/** What is to be set; or the field that does not say it. A list may be empty: that deletes the terminal's. */
export function settingOf(written: SetUp): Setting | { lacks: 'every_s' | 'contacts' | 'level' } {
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
    case 'restart':
      return { do: 'restart' }
  }
}

/** The addresses of access points, one a line, in whichever of the usual ways they are written. */
export function addresses(text: string): string[] {
  return [...new Set(lines(text).map((line) => line.toLowerCase().replaceAll('-', ':')))]
}
