import { describe, expect, it } from 'vitest'
import { en } from '../src/i18n/en'
import { zh } from '../src/i18n/zh'
import { addresses, LACKING, NOTHING_WRITTEN, SETTINGS, settingOf, type SetUp } from '../src/model/setup'

const of = (written: Partial<SetUp>) => settingOf({ ...NOTHING_WRITTEN, ...written })

describe('what a terminal is set to', () => {
  it('is a whole number where one is asked for', () => {
    expect(of({ every_s: ' 300 ' })).toEqual({ do: 'report_every', every_s: 300 })
    for (const every_s of ['', '5.5', '5 min', '-60']) expect(of({ every_s })).toEqual({ lacks: 'every_s' })
    expect(of({ of: 'fall_sensitivity', level: '0' })).toEqual({ do: 'fall_sensitivity', level: 0 })
  })

  it('is a number a line, in their order', () => {
    expect(of({ of: 'sos_numbers', numbers: '0731-80000001\n\n 13907311234 \r\n' })).toEqual({ do: 'sos_numbers', numbers: ['0731-80000001', '13907311234'] })
    expect(of({ of: 'sos_numbers' })).toEqual({ do: 'sos_numbers', numbers: [] })
  })

  it('is a name and a number a line, whatever stands between them', () => {
    const contacts = '女儿 张 敏 13907311234\n社区，0731-80000001'
    expect(of({ of: 'contacts', contacts })).toEqual({
      do: 'contacts',
      contacts: [
        { name: '女儿 张 敏', number: '13907311234' },
        { name: '社区', number: '0731-80000001' },
      ],
    })
    expect(of({ of: 'contacts', contacts: '女儿 139\n13907311234' })).toEqual({ lacks: 'contacts' })
  })

  it('is a circle with a number, around a place that says latitude first', () => {
    const fence = { of: 'fence', fence: '3', radius_m: '400' } as const
    for (const centre of ['28.2282, 112.9388', ' 28.2282，112.9388', '28.2282 112.9388']) {
      expect(of({ ...fence, centre })).toEqual({ do: 'fence', number: 3, lat: 28.2282, lon: 112.9388, radius_m: 400 })
    }
    for (const centre of ['', '28.2282', '112.9388, 28.2282', '28.2282, east', '28.2282, 112.9388, 5']) {
      expect(of({ ...fence, centre })).toEqual({ lacks: 'centre' })
    }
    expect(of({ ...fence, centre: '28.2282, 112.9388', radius_m: '0.4 km' })).toEqual({ lacks: 'radius_m' })
    expect(of({ of: 'no_fence', fence: '16' })).toEqual({ do: 'no_fence', number: 16 })
  })

  it('has a word for everything that is offered and everything that is lacking', () => {
    for (const messages of [zh, en]) {
      for (const one of SETTINGS) expect(Object.keys(messages.command.word)).toContain(one)
      for (const one of LACKING) expect(messages.set_up).toHaveProperty(`lacks_${one}`)
    }
  })
})

describe('the access points of a home', () => {
  it('are addresses, one a line and each once', () => {
    expect(addresses('A4-2B-00-01-FE-09\na4:2b:00:01:fe:09\n\na4:2b:00:01:fe:0a')).toEqual(['a4:2b:00:01:fe:09', 'a4:2b:00:01:fe:0a'])
  })
})
