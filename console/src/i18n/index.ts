// The page's language: 中文 unless somebody chose otherwise on this machine.

import { createI18n } from 'vue-i18n'
import { en } from './en'
import { zh, type Messages } from './zh'

export type Language = 'zh' | 'en'

const KEPT_AS = 'ydt.language'

export const i18n = createI18n<[Messages], Language, false>({
  legacy: false,
  locale: 'zh',
  fallbackLocale: 'zh',
  messages: { zh, en },
  missingWarn: false,
  fallbackWarn: false,
})

/** Shows everything in `language` and remembers it. */
export function speak(language: Language): void {
  i18n.global.locale.value = language
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
  try {
    localStorage.setItem(KEPT_AS, language)
  } catch {
    // Storage is forbidden here: the choice lasts as long as the page.
  }
}

/** The language chosen before. */
export function chosen(): Language {
  try {
    return localStorage.getItem(KEPT_AS) === 'en' ? 'en' : 'zh'
  } catch {
    return 'zh'
  }
}
