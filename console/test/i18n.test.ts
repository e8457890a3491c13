import { createI18n } from 'vue-i18n'
import { describe, expect, it } from 'vitest'
import { en } from '../src/i18n/en'
import { zh } from '../src/i18n/zh'

function flat(messages: object, prefix = ''): Map<string, string> {
  const all = new Map<string, string>()
  for (const [key, value] of Object.entries(messages)) {
    if (typeof value === 'string') all.set(prefix + key, value)
    else for (const [inner, text] of flat(value as object, `${prefix}${key}.`)) all.set(inner, text)
  }
  return all
}

const blanks = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((hit) => hit[1]).sort()

describe('the two languages', () => {
  const chinese = flat(zh)
  const english = flat(en)

  it('have the same keys', () => {
    expect([...english.keys()].sort()).toEqual([...chinese.keys()].sort())
  })

  it('leave no message empty', () => {
    for (const [key, text] of [...chinese, ...english]) expect(text.trim(), key).not.toBe('')
  })

  it('have the same blanks in each message', () => {
    for (const [key, text] of chinese) expect(blanks(english.get(key) ?? ''), key).toEqual(blanks(text))
  })

  it('hold nothing that the message format would take for syntax', () => {
    const i18n = createI18n({ legacy: false, locale: 'zh', messages: { zh, en } })
    for (const locale of ['zh', 'en'] as const) {
      i18n.global.locale.value = locale
      for (const [key, text] of locale === 'zh' ? chinese : english) {
        const filled = Object.fromEntries(blanks(text).map((blank) => [blank, `<${blank}>`]))
        const want = text.replace(/\{(\w+)\}/g, '<$1>')
        expect(i18n.global.t(key, filled), key).toBe(want)
      }
    }
  })
})

describe('the pages', () => {
  const sources = Object.values(
    import.meta.glob<string>('../src/**/*.{vue,ts}', { query: '?raw', import: 'default', eager: true }),
  )
  const keys = flat(zh)

  it('use only messages that exist', () => {
    expect(sources.length).toBeGreaterThan(20)
    for (const source of sources) {
      for (const hit of source.matchAll(/\bt\('([\w.]+)'/g)) expect([...keys.keys()]).toContain(hit[1])
    }
  })

  it('carry no text of their own and no inline style', () => {
    for (const source of sources) {
      const template = /<template>[\s\S]*<\/template>/.exec(source)?.[0] ?? ''
      expect(template).not.toMatch(/[\u4e00-\u9fff]/)
      expect(template).not.toMatch(/\sstyle="/)
    }
  })
})
