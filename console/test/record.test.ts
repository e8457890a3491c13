import { createSSRApp } from 'vue'
import { renderToString } from 'vue/server-renderer'
import { describe, expect, it } from 'vitest'
import type { Resident } from '../src/api/types'
import { drafts } from '../src/drafts'
import { i18n } from '../src/i18n'
import { choices, differences, draftOf, entered, lacking, merged, newContact } from '../src/model/record'
import MergeTable from '../src/parts/MergeTable.vue'
import ResidentForm from '../src/parts/ResidentForm.vue'

const chen: Resident = {
  id: 'r1', version: 3, name: '陈秀英', sex: 'female', born_in: 1941, phone: '0731-80000001', category: '空巢', address: '湘雅路 1 号',
  door_access: '钥匙在邻居家', home: { lat: 28.228, lon: 112.938 }, serving: [], registered: [], medical_card: '高血压', medical_risk: true, wants_sex: 'female', wants_language: null,
  contacts: [
    { rank: 1, name: '陈明', relation: '儿子', phone: '13800000101', email: 'ming@mail.example', webhook_url: 'https://hook.example/1' },
    { rank: 2, name: '陈丽', relation: '女儿', phone: '13800000102' },
  ],
  terminals: [], incidents: [],
}
const edited = (change: Partial<Resident>): Resident => ({ ...chen, ...change })

describe('a record in the form', () => {
  it('is sent back as it is kept when nothing was changed', () => {
    const { id: _, version: __, serving, registered, terminals, incidents, contacts, ...kept } = chen
    const sent = draftOf(entered(chen))
    expect(sent).toEqual({
      ...kept,
      contacts: [
        { was: 1, name: '陈明', relation: '儿子', phone: '13800000101', email: 'ming@mail.example', webhook_url: 'https://hook.example/1', webhook_secret: null },
        { was: 2, name: '陈丽', relation: '女儿', phone: '13800000102', email: null, webhook_url: null, webhook_secret: null },
      ],
    })
    const nothing = edited({ sex: null, born_in: null, phone: null, category: null, door_access: null, home: null, medical_card: null, contacts: [] })
    expect(draftOf(entered(nothing))).toMatchObject({ sex: null, born_in: null, phone: null, home: null, medical_card: null, contacts: [] })
  })

  it('says what cannot even be sent', () => {
    const lack = (change: object) => lacking({ ...entered(chen), ...change })
    expect(lack({})).toBe(null)
    expect([lack({ name: ' ' }), lack({ address: '' }), lack({ born_in: '41' })]).toEqual(['name', 'address', 'born_in'])
    expect([lack({ lat: '' }), lack({ lat: '北纬' }), lack({ lat: '', lon: '' })]).toEqual(['home', 'home', null])
    expect(lack({ contacts: [newContact()] })).toBe('contact')
  })

  it('knows its fields again, whatever spaces are around them', () => {
    expect(differences(entered(chen), { ...entered(chen), name: ' 陈秀英 ' })).toEqual([])
    expect(differences(entered(chen), { ...entered(chen), lat: '28.3', phone: '' })).toEqual(['phone', 'home'])
    expect(differences(entered(chen), { ...entered(chen), medical_risk: '' })).toEqual(['medical_risk'])
  })
})

describe('two edits of the same record', () => {
  const before = entered(chen)
  const mine = { ...before, medical_card: '糖尿病', address: '湘雅路 2 号' }
  const theirs = entered(edited({ version: 4, door_access: '门禁 1234', address: '湘雅路 3 号' }))

  it('become one: what only one has changed is theirs who changed it, and both are asked about the rest', () => {
    const chosen = choices(before, mine, theirs)
    expect(chosen).toEqual({ address: 'mine', door_access: 'theirs', medical_card: 'mine' })
    const both = merged(mine, theirs, chosen)
    expect([both.address, both.door_access, both.medical_card]).toEqual(['湘雅路 2 号', '门禁 1234', '糖尿病'])
    expect(merged(mine, theirs, { ...chosen, address: 'theirs' }).address).toBe('湘雅路 3 号')
  })

  it('leave nothing to choose when both have written the same', () => {
    expect(choices(before, mine, { ...mine })).toEqual({})
  })

  it('find each contact again, though the ranks are others by now', () => {
    const [ming, li] = chen.contacts
    if (!ming || !li) throw new Error('there are two')
    const turned = entered(edited({ contacts: [{ ...li, rank: 1 }, { ...ming, rank: 2 }] }))
    const wang = { ...newContact(), name: '王芳', phone: '13800000103' }
    const own = { ...before, contacts: [...before.contacts, wang] }
    const both = merged(own, turned, choices(before, own, turned))
    expect(both.contacts.map(({ name, was }) => [name, was])).toEqual([['陈明', 2], ['陈丽', 1], ['王芳', null]])
  })

  it('are shown side by side, with the one that would be taken', async () => {
    const chosen = choices(before, mine, theirs)
    const html = await renderToString(createSSRApp(MergeTable, { mine, theirs, chosen }).use(i18n))
    for (const words of ['湘雅路 2 号', '湘雅路 3 号', '门禁 1234', '钥匙在邻居家', '糖尿病', '高血压']) expect(html).toContain(words)
    expect(html).toMatch(/data-testid="merge-door_access" data-choice="theirs"/)
  })
})

describe('the form', () => {
  const show = (resident: Resident) => renderToString(createSSRApp(ResidentForm, { resident }).use(i18n))

  it('goes on with what was being written when it is opened again', async () => {
    expect(await show(chen)).not.toContain('青霉素过敏')
    drafts.keep('r1', { before: entered(chen), version: 3, entry: { ...entered(chen), medical_card: '青霉素过敏' } })
    expect(await show(chen)).toContain('青霉素过敏')
  })

  it('shows both versions when somebody has saved meanwhile', async () => {
    drafts.keep('r1', { before: entered(chen), version: 3, entry: { ...entered(chen), medical_card: '青霉素过敏' } })
    const html = await show(edited({ version: 4, medical_card: '糖尿病' }))
    expect(html).toContain('record-conflict')
    expect(html).toContain('青霉素过敏')
    expect(html).toContain('糖尿病')
    drafts.clear()
    expect(drafts.has('r1')).toBe(false)
  })
})
