// Everything a page says that is more than one message: words of a vocabulary, ages, places, people.

import { useI18n } from 'vue-i18n'
import type { CategoryName, Doubt, Entry, Notice, Offer, Subject, Summary } from './api/types'
import { ApiError } from './api/client'
import { doubtSentence } from './model/incident'
import { inWords } from './model/time'
import { sentence, type Blank, type Sentence } from './model/timeline'

/** What was raised, as a list or an offer tells it. */
type Raised = { kinds: readonly string[]; category?: string | null; category_name?: CategoryName | null }

export function useWords() {
  const { t, te, locale } = useI18n()

  /** A word of a vocabulary; one that this page does not know is shown as it is. */
  function word(vocabulary: string, value: string): string {
    const key = `${vocabulary}.${value}`
    return te(key) || te(key, 'zh') ? t(key) : value
  }

  function ago(seconds: number): string {
    const { unit, n } = inWords(seconds)
    return unit === 'seconds' && n < 5 ? t('ago.now') : t(`ago.${unit}`, { n })
  }

  function duration(seconds: number): string {
    const { unit, n } = inWords(seconds)
    return t(`duration.${unit}`, { n })
  }

  function hour(at: string | number): string {
    return new Date(at).toLocaleTimeString('zh-CN', { hour12: false })
  }

  function day(at: string): string {
    return new Date(at).toLocaleDateString(locale.value === 'zh' ? 'zh-CN' : 'en-GB', { month: 'numeric', day: 'numeric' })
  }

  function distance(metres: number | null | undefined): string {
    if (metres === null || metres === undefined) return t('ask.distance_unknown')
    if (metres < 1_000) return t('ask.distance_m', { n: Math.round(metres / 10) * 10 })
    return t('ask.distance_km', { n: (metres / 1_000).toFixed(1) })
  }

  function who(subject: Subject, serial?: string | null): string {
    if (subject.name) return subject.name
    const mark = serial ?? subject.id ?? ''
    switch (subject.kind) {
      case 'terminal':
        return t('subject.terminal', { serial: mark })
      case 'source':
        return t('subject.source', { serial: mark })
      case 'caller':
        return t('subject.caller')
      default:
        return t('subject.unnamed')
    }
  }

  const whoIn = (summary: Summary) => who(summary.subject, summary.serial)
  /** What was raised; for daily help what is wanted. */
  function raised({ kinds, category, category_name: name }: Raised): string {
    const words = kinds.map((kind) => word('kinds', kind))
    if (name) words.push(locale.value === 'zh' ? name.zh : name.en)
    else if (category) words.push(word('skill', category))
    return words.join(locale.value === 'zh' ? '、' : ', ')
  }

  function doubt(about: Doubt): string {
    const { key, name, word: unknown, duration: long } = doubtSentence(about)
    return t(`doubts.${key}`, {
      name: name ?? '',
      word: unknown ?? '',
      duration: long ? t(`duration.${long.unit}`, { n: long.n }) : '',
    })
  }

  function news(told: Notice['news']): string {
    const told_word = typeof told === 'string' ? told : told.news
    const helper = typeof told === 'string' ? undefined : told.who
    const minutes = typeof told === 'string' ? undefined : told.minutes
    if (told_word === 'coming' && helper !== undefined && minutes !== undefined) {
      return t('news.coming_minutes', { who: helper, n: minutes })
    }
    if (told_word === 'coming' && helper !== undefined) return t('news.coming_who', { who: helper })
    if (told_word === 'arrived' && helper !== undefined) return t('news.arrived_who', { who: helper })
    return word('news', told_word)
  }

  function line(entry: Entry, offers: readonly Offer[]): { text: string; remark: string | null; raw: string | null } {
    const said = sentence(entry, offers)
    if (said === null) {
      const data = entry.data && Object.keys(entry.data).length > 0 ? JSON.stringify(entry.data) : null
      return { text: entry.what, remark: null, raw: data }
    }
    const fill = (blank: Blank): string | number => (typeof blank === 'object' ? word(blank.vocabulary, blank.word) : blank)
    const told = ({ key, blanks }: Pick<Sentence, 'key' | 'blanks'>) =>
      t(`timeline.${key}`, Object.fromEntries(Object.entries(blanks).map(([name, blank]) => [name, fill(blank)])))
    return { text: told(said) + (said.also ? told(said.also) : ''), remark: said.remark, raw: null }
  }

  function wrong(error: unknown): string {
    if (!(error instanceof ApiError)) return t('errors.unknown', { message: String(error) })
    if (error.reason && te(`refusals.${error.reason}`)) return t(`refusals.${error.reason}`)
    const key = `errors.${error.code}`
    return te(key) ? t(key, { message: error.message }) : t('errors.unknown', { message: error.message })
  }

  return { t, te, locale, word, ago, duration, hour, day, distance, who, whoIn, raised, doubt, news, line, wrong }
}

export type Words = ReturnType<typeof useWords>
