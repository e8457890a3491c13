// A resident's record while it is being edited: what stands in the form, what is sent, and how two edits of the
// same record come together. Whether something can be is the server's to say.

import type { ContactDraft, KeptContact, Resident, ResidentDraft } from '../api/types'

/** A contact in the form: every field is text. */
export interface ContactEntry {
  was: number | null
  name: string
  relation: string
  phone: string
  email: string
  webhook_url: string
  webhook_secret: string
}

/** What stands in the form. */
export interface Entry {
  name: string
  sex: string
  born_in: string
  phone: string
  category: string
  address: string
  door_access: string
  lat: string
  lon: string
  medical_card: string
  /** `yes` or nothing. */
  medical_risk: string
  wants_sex: string
  wants_language: string
  contacts: ContactEntry[]
}

/** What people compare: a home is one thing, and so is the list of contacts. */
export const FIELDS = ['name', 'sex', 'born_in', 'phone', 'category', 'address', 'door_access', 'home', 'medical_card', 'medical_risk', 'wants_sex', 'wants_language', 'contacts'] as const
export type Field = (typeof FIELDS)[number]

/** Which columns of the form a field is. */
const COLUMNS: Record<Field, readonly (keyof Entry)[]> = {
  name: ['name'],
  sex: ['sex'],
  born_in: ['born_in'],
  phone: ['phone'],
  category: ['category'],
  address: ['address'],
  door_access: ['door_access'],
  home: ['lat', 'lon'],
  medical_card: ['medical_card'],
  medical_risk: ['medical_risk'],
  wants_sex: ['wants_sex'],
  wants_language: ['wants_language'],
  contacts: ['contacts'],
}

const contactEntry = (contact: KeptContact): ContactEntry => ({
  was: contact.rank,
  name: contact.name,
  relation: contact.relation,
  phone: contact.phone,
  email: contact.email ?? '',
  webhook_url: contact.webhook_url ?? '',
  webhook_secret: '',
})

export const newContact = (): ContactEntry => ({ was: null, name: '', relation: '', phone: '', email: '', webhook_url: '', webhook_secret: '' })

/** The form of a record. */
export function entered(resident: Resident): Entry {
  return {
    name: resident.name,
    sex: resident.sex ?? '',
    born_in: resident.born_in?.toString() ?? '',
    phone: resident.phone ?? '',
    category: resident.category ?? '',
    address: resident.address,
    door_access: resident.door_access ?? '',
    lat: resident.home?.lat.toString() ?? '',
    lon: resident.home?.lon.toString() ?? '',
    medical_card: resident.medical_card ?? '',
    medical_risk: resident.medical_risk ? 'yes' : '',
    wants_sex: resident.wants_sex ?? '',
    wants_language: resident.wants_language ?? '',
    contacts: resident.contacts.map(contactEntry),
  }
}

/** What cannot even be sent. */
export type Lack = 'name' | 'address' | 'born_in' | 'home' | 'contact'

export function lacking(entry: Entry): Lack | null {
  if (entry.name.trim() === '') return 'name'
  if (entry.address.trim() === '') return 'address'
  if (entry.born_in.trim() !== '' && !/^\d{4}$/.test(entry.born_in.trim())) return 'born_in'
  const degrees = [entry.lat, entry.lon].map((text) => text.trim())
  if (degrees.some((text) => text === '') !== degrees.every((text) => text === '')) return 'home'
  if (degrees.some((text) => !Number.isFinite(Number(text)))) return 'home'
  if (entry.contacts.some((contact) => contact.name.trim() === '' || contact.phone.trim() === '')) return 'contact'
  return null
}

const words = (text: string): string | null => text.trim() || null

/** What is sent. */
export function draftOf(entry: Entry): ResidentDraft {
  const contact = (one: ContactEntry): ContactDraft => ({
    was: one.was,
    name: one.name.trim(),
    relation: one.relation.trim(),
    phone: one.phone.trim(),
    email: words(one.email),
    webhook_url: words(one.webhook_url),
    webhook_secret: words(one.webhook_secret),
  })
  return {
    name: entry.name.trim(),
    sex: words(entry.sex),
    born_in: entry.born_in.trim() === '' ? null : Number(entry.born_in),
    phone: words(entry.phone),
    category: words(entry.category),
    address: entry.address.trim(),
    door_access: words(entry.door_access),
    home: entry.lat.trim() === '' ? null : { lat: Number(entry.lat), lon: Number(entry.lon) },
    medical_card: words(entry.medical_card),
    medical_risk: entry.medical_risk === 'yes',
    wants_sex: words(entry.wants_sex),
    wants_language: words(entry.wants_language),
    contacts: entry.contacts.map(contact),
  }
}

/** The ranks are the server's to give: the order is the same thing. */
const bare = (value: Entry[keyof Entry]) =>
  Array.isArray(value) ? value.map(({ was: _, ...rest }) => Object.values(rest).map((text) => text.trim())) : value.trim()
const same = (one: Entry, other: Entry, column: keyof Entry) => JSON.stringify(bare(one[column])) === JSON.stringify(bare(other[column]))

/** In what two forms differ. */
export function differences(one: Entry, other: Entry): Field[] {
  return FIELDS.filter((field) => COLUMNS[field].some((column) => !same(one, other, column)))
}

/** Whose version of a field is taken. */
export type Choice = 'mine' | 'theirs'

/** Where two edits of the same record differ, and what would be taken: what only they have changed is theirs. */
export function choices(before: Entry, mine: Entry, theirs: Entry): Partial<Record<Field, Choice>> {
  const touched = differences(before, mine)
  return Object.fromEntries(differences(mine, theirs).map((field) => [field, touched.includes(field) ? 'mine' : 'theirs']))
}

/** Both edits in one. Contacts of mine are found again among theirs, which may have other ranks by now. */
export function merged(mine: Entry, theirs: Entry, chosen: Partial<Record<Field, Choice>>): Entry {
  const entry = { ...mine }
  const take = <K extends keyof Entry>(column: K) => (entry[column] = theirs[column])
  for (const field of FIELDS) if (chosen[field] === 'theirs') COLUMNS[field].forEach(take)
  const taken = new Set<number>()
  const rank = (contact: ContactEntry): number | null => {
    const fits = (other: ContactEntry) => other.was !== null && !taken.has(other.was) && other.name === contact.name
    const found = theirs.contacts.find((other) => fits(other) && other.phone === contact.phone) ?? theirs.contacts.find(fits)
    if (found?.was != null) taken.add(found.was)
    return found?.was ?? null
  }
  entry.contacts = entry.contacts.map((contact) => ({ ...contact, was: rank(contact) }))
  return entry
}

/** A field for a person to compare, in a line or a few. */
export function shown(entry: Entry, field: Field): string {
  if (field !== 'contacts') return COLUMNS[field].map((column) => String(entry[column]).trim()).filter(Boolean).join(', ')
  const line = ({ name, relation, phone, email, webhook_url }: ContactEntry) => [name, relation, phone, email, webhook_url].filter(Boolean).join(' · ')
  return entry.contacts.map((contact, index) => `${index + 1}. ${line(contact)}`).join('\n')
}
