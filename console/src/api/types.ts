// The HTTP contract of /api/v1, as the console reads it. Words are closed on the server and open
// here: a console that is older than its server must still show what it does not know.

import type { FeatureCollection } from 'geojson'
import type { Datum } from '../model/datum'

/** A known word, or one that a newer server has and this page does not know yet. */
export type Word<T extends string> = T | (string & {})

export type Role = 'operator' | 'supervisor' | 'admin' | 'grid_officer' | 'responder'

export interface User {
  id: string
  login: string
  name: string
  /** The highest of their roles; none for somebody who may do nothing yet. */
  role: Word<Role> | null
  grants: readonly Grant[]
}

/** A role over the subtree of a node. */
export interface Grant {
  role: Word<Role>
  node: { id: string; name: string }
}

export interface Session {
  user: User
  csrf: string
}

export const CLASSES = ['emergency', 'service', 'wandering', 'welfare'] as const
export type IncidentClass = (typeof CLASSES)[number]

/** The ladder that a list shows, in its usual order. */
export const HEADLINES = ['ringing', 'claimed', 'help_asked', 'accepted', 'on_the_way', 'on_scene', 'closed'] as const
export type Headline = (typeof HEADLINES)[number]

export const RINGS = ['none', 'operators', 'supervisors'] as const
export type Ring = (typeof RINGS)[number]

export const OUTCOMES = [
  'no_injury',
  'ambulance',
  'false_press',
  'test',
  'found',
  'service_done',
  'unreachable',
  'other',
] as const
export type Outcome = (typeof OUTCOMES)[number]

export const CENTRES = ['120', '119', '110'] as const
export type Centre = (typeof CENTRES)[number]

/** The rungs of a hand-over that goes well, in order. */
export const RUNGS = ['prepared', 'sent', 'acknowledged', 'dispatched', 'arrived', 'closed'] as const

export interface Subject {
  kind: Word<'resident' | 'terminal' | 'source' | 'caller'>
  id?: string | null
  name?: string | null
  community?: string | null
  category?: string | null
}

export interface Handover {
  id: string
  centre: Word<Centre>
  state: Word<(typeof RUNGS)[number] | 'refused' | 'failed' | 'by_voice' | 'stood_down' | 'proposed'>
  /** A person has to telephone the centre, and has not done so yet. */
  voice_due: boolean
  reference?: string | null
  minutes?: number | null
  reason?: string | null
}

/** `wire::report::Doubt`. */
export interface Doubt {
  doubt: Word<
    'no_fix' | 'fix_at_zero' | 'fix_out_of_range' | 'fix_old' | 'clock_off' | 'field' | 'damaged' | 'unknown_terminal' | 'not_assigned'
  >
  seconds?: number
  name?: string
  what?: string
}

export interface Closing {
  outcome: Word<Outcome>
  at: string
  by?: { id: string; name: string } | string | null
  /** By which rule it closed by itself: `returned`. */
  rule?: string | null
}

/** What daily help of a category is called. */
export interface CategoryName {
  zh: string
  en: string
}

export interface Category extends CategoryName {
  word: string
}

/** What the person who was helped said of it. */
export interface Rating {
  /** From 1 to 5. */
  stars: number
  given_by?: Word<Rater>
  /** What is complained of. */
  complaint?: string | null
  comment?: string | null
  at: string
}

export const REACHED = ['resident', 'contact', 'nobody'] as const
export type Reached = (typeof REACHED)[number]
export const RATERS = ['resident', 'contact'] as const
export type Rater = (typeof RATERS)[number]
/** Why there will be no follow-up call or rating. */
export const EXCUSES = ['unreachable', 'declined', 'deceased', 'nobody_known'] as const

/** What is still to be done after the end. */
export interface Aftercare {
  follow_up_by?: string | null
  rate_by?: string | null
  /** How often nobody answered. */
  tries: number
  finished_at?: string | null
}

/** One of the five steps of a case. */
export interface Step {
  step: Word<'notified' | 'dispatched' | 'handled' | 'followed_up' | 'rated'>
  progress: Word<'taken' | 'due' | 'ahead' | 'waived'>
  at?: string | null
  due_by?: string | null
  why?: string | null
}

/** A call after the end. */
export interface AfterCall {
  at: string
  reached: Word<Reached>
  note?: string | null
  by: string
}

export interface Summary {
  id: string
  class: Word<IncidentClass>
  kinds: string[]
  /** What daily help is wanted, in a service incident: a word of the list, or what was said instead. */
  category?: string | null
  category_name?: CategoryName | null
  headline: Word<Headline>
  /** Higher comes first. */
  urgency: number
  priority?: Priority
  ring: Word<Ring>
  subject: Subject
  serial?: string | null
  opened_at: string
  last_press_at: string
  presses: number
  claimed_by?: { id: string; name: string } | null
  handovers: Handover[]
  doubts: Doubt[]
  drill: boolean
  tasks: string[]
  /** When it closes by itself, because they are back and nobody has a hand in it. */
  closes_at?: string | null
  closed?: Closing | null
  rating?: Rating | null
  aftercare?: Aftercare | null
  /** Opaque: where the live stream stands after the change that led to this state. */
  cursor: string
}

/** Why an incident stands where it does, and when that changes by itself. */
export interface Priority {
  reasons: string[]
  next?: { at: string; urgency: number; reasons: string[] } | null
}

export interface Place {
  lat: number
  lon: number
  accuracy_m?: number | null
  age_s: number
  source: Word<'gnss' | 'wifi' | 'cell' | 'beacon' | 'unknown' | 'home' | 'told'>
  at?: string | null
}

export interface Contact {
  name: string
  relation?: string | null
  phone?: string | null
}

export interface Terminal {
  serial: string
  model?: string | null
  battery_pct?: number | null
  last_heard_at?: string | null
}

/** What a terminal can be told by whoever answers calls. */
export type Wish = { do: 'locate' } | { do: 'burst'; every_s: number; for_s: number } | { do: 'text'; text: string } | { do: 'find' }

/** Something that a terminal was told to do. */
export interface Command {
  id: string
  serial: string
  command: { do: string; text?: string } & Record<string, unknown>
  incident?: string | null
  /** Nobody: a rule. */
  by?: { id: string; name: string } | null
  /** Of what a rule asked, in English. */
  why?: string | null
  /** The same as data. */
  because?: Because | null
  /** Of the fence that it is about. */
  fence_name?: string | null
  state: Word<'queued' | 'sent' | 'done' | 'refused' | 'expired' | 'cancelled'>
  /** Nothing more will come of it. */
  over: boolean
  /** The terminal said that it did it; otherwise, when it is `done`, only that it has it. */
  confirmed: boolean
  asked_at: string
  not_after: string
  sent_at?: string | null
  delivered_at?: string | null
  ended_at?: string | null
  tries: number
  /** What the terminal said, or why it was not sent. */
  answer: string
}

/** Why a rule had a terminal asked. */
export type Because =
  | { is: 'turned'; fence: string; turn: FenceTurn }
  | { is: 'rule'; fence: string; expect: FenceRule['expect']; from_minute: number; until_minute: number; allowed_s: number }
  | { is: 'unusual'; since: string; distance_m: number; hour: number; of_days: string; home_days: number; known_days: number }

export interface Commands {
  /** The newest first. */
  commands: Command[]
  /** Whether the settings allow to listen in. */
  may_listen_in: boolean
}

/** An access point of a home. */
export interface HomePoint {
  mac: string
  /** Somebody wrote it down; otherwise it was learnt. */
  entered: boolean
  /** Whoever hears it is taken to be at home. */
  counts: boolean
  seen_at: string
}

/** Longitude first, as in GeoJSON. */
export type Shape =
  | { type: 'circle'; center: [number, number]; radius_m: number }
  | { type: 'polygon'; coordinates: [number, number][][] }

/** The shape of a corridor: a line, and how far to either side of it. */
export interface Way {
  type: 'corridor'
  coordinates: [number, number][]
  half_width_m: number
}

export interface Fence {
  id: string
  name: string
  /** A corridor's shape is a `Way`: nothing here draws one. */
  kind: Word<'safe' | 'forbidden' | 'corridor'>
  /** For so many seconds somebody may be where they should not be before anybody is told. */
  grace_s?: number
  active: boolean
  shape: Shape
  /** `suspected` to be where they should not be; `doubtful`: may be, or nothing has been heard yet. */
  state: Word<'inside' | 'doubtful' | 'suspected' | 'outside'>
  /** Its last change, and what it was decided on; null while nothing has changed. */
  turn?: FenceTurn | null
  /** Begins to be judged when its wearer has been inside. */
  awaits?: boolean
  /** `no`: always judged; the others are judged in the hours of their rules. */
  by_rules?: Word<'no' | 'haven' | 'hazard'>
  version: number
}

/** A change of how a wearer stands with a fence: `inside` is where they should be, `returned` there again. */
export interface FenceTurn {
  from: Standing
  to: Standing
  /** When the newest of the positions was measured. */
  at: string
  /** When they most likely crossed the edge. */
  since: string
  decided_at: string
  /** How likely they are where they should not be, 0 to 1. */
  chance: number
  /** Metres on the wrong side of the edge; less than none on the right side. */
  distance_m: number
  stories: Record<string, number>
  fixes: TriedFix[]
}
export type Standing = Word<'inside' | 'doubtful' | 'suspected' | 'confirmed' | 'returned'>

/** Something in a drawing that the server put right, and where. */
export interface FenceMend {
  what: Word<'doubled' | 'uncurled' | 'turned'>
  at: [number, number]
}
export type SavedFence = Fence & { mended?: FenceMend[] }

/** What a fence would have raised in the last days. */
export interface FenceTrial {
  days: number
  fixes: number
  /** There were more positions than can be judged in a trial. */
  is_cut: boolean
  count: number
  suspicions: number
  alerts: { left_at: string; told_at: string; back_at: string | null; beyond_m: number; chance: number; stories: Record<string, number>; fixes: TriedFix[] }[]
  mended: FenceMend[]
}

/** A position that an alert would have been raised by. */
export interface TriedFix {
  at: string
  source: string
  distance_m: number
  accuracy_m: number | null
}

export interface CommonFence {
  name: string
  kind: Word<'safe' | 'forbidden' | 'corridor'>
  grace_s: number
  shape: Shape
  residents: number
}

/** What is expected of a resident and a fence by the calendar. */
export interface FenceRule {
  id?: string | null
  fence: string
  expect: Word<'inside' | 'outside' | 'not_leave' | 'not_away'>
  days: Word<'every' | 'working' | 'off' | 'weekdays'>
  /** A bit for each day, the lowest Monday's. */
  weekdays?: number | null
  from_minute: number
  until_minute: number
  /** By the clock of the fence's place; null: of where the resident lives. */
  time_zone?: string | null
  allowed_s: number
  grace_s: number
}

export interface FencePause {
  id: string
  fence: string | null
  from: string
  until: string
  why: string
}

export interface FenceRules {
  version: number
  time_zone: string
  rules: FenceRule[]
  pauses: FencePause[]
}

export interface Offer {
  id: string
  responder: string
  name: string
  provider?: string | null
  phone?: string | null
  state: Word<
    'asked' | 'accepted' | 'on_the_way' | 'on_scene' | 'done' | 'declined' | 'silent' | 'lost' | 'withdrawn'
  >
  asked_at: string
  answer_by: string
  minutes?: number | null
  reason?: string | null
  distance_m?: number | null
}

/** One line of the append-only timeline. */
export interface Entry {
  seq: number
  at: string
  what: string
  who?: string | { id?: string; name: string } | null
  data?: Record<string, unknown> | null
  hash?: string
}

/** How far a message has come. */
export type DeliveryState = 'queued' | 'sent' | 'accepted' | 'delivered' | 'read' | 'failed' | 'expired' | 'withdrawn'

/** A message in the ledger: whatever has left, to whomever. */
export interface Delivery {
  id: string
  incident: string
  resident?: string | null
  channel: Word<'responder' | 'centre' | 'terminal' | 'email' | 'webhook' | 'sms'>
  to: string
  what: string
  state: Word<DeliveryState>
  at: string
  not_after: string
  next_try_at?: string | null
  tries: number
  /** What came of it, oldest first. */
  lines: {
    at: string
    state: Word<DeliveryState>
    answer: string
    way?: Word<'webhook' | 'push' | 'sms' | 'page'> | null
    by?: { id: string; name: string } | null
  }[]
}

export interface Ledger {
  deliveries: Delivery[]
  next?: string | null
}

export interface Notice {
  id: string
  /** The word alone, or `wire::notice::News` with its details. */
  news: string | { news: string; minutes?: number; who?: string }
  state: Word<DeliveryState>
  at: string
}

/** A letter to a contact, and what its far end said to each attempt. */
export interface Message {
  id: string
  to: string
  relation?: string | null
  by: Word<'email' | 'webhook' | 'sms'>
  what: Word<'alert' | 'all_clear'>
  state: Word<DeliveryState>
  at: string
  answers: { at: string; taken: boolean; answer: string }[]
}

export interface Detail extends Summary {
  place?: Place | null
  address?: string | null
  /** Where they live, when `address` is another place. */
  home_address?: string | null
  door_access?: string | null
  phone?: string | null
  /** From where they called, when it was by telephone. */
  caller_phone?: string | null
  medical_card?: string | null
  born_in?: number | null
  sex?: string | null
  contacts: Contact[]
  /** Who is the grid officer there. */
  grid_officers: { name: string; phone: string | null }[]
  terminal?: Terminal | null
  /** Where the person should be. */
  fences?: Fence[]
  offers: Offer[]
  work?: Work[]
  steps?: Step[]
  calls?: AfterCall[]
  timeline: Entry[]
  script?: Script | null
  /** For each centre that has to be telephoned now; else what 120 would be told. */
  scripts?: Script[]
  notices: Notice[]
  messages: Message[]
}

/** What is read out on the telephone. */
export interface Script {
  centre?: string
  zh?: string | null
  en?: string | null
}

/** `wire::report::Unstored`: an alert that rings from memory because it is not on disk yet. */
export interface Unstored {
  id: string
  serial: string
  received_at: string
  what: string
  stored: boolean
}

export interface Candidate {
  responder: string
  name: string
  provider?: string | null
  phone?: string | null
  distance_m?: number | null
  position_age_s?: number | null
  skills: string[]
  busy: boolean
}

export interface Candidates {
  candidates: Candidate[]
  shortfall?: string | null
}

/** One look at everybody who might be asked to go. */
export interface Choice {
  at: string
  considered: {
    responder: string
    name: string
    provider: string
    verdict: string
    distance_m?: number | null
    reckoned_s?: number | null
  }[]
}

export interface Choices {
  choices: Choice[]
}

export interface ResidentFound {
  id: string
  name: string
  community?: string | null
  address?: string | null
  phone?: string | null
}

export interface TelephoneCall {
  resident?: string
  place_in_words?: string
  phone?: string
  kind: 'telephone'
  note: string
  drill?: boolean
}

/** Daily help that somebody asks for by telephone. */
export interface ServiceCall {
  resident: string
  kind: 'service'
  category?: string
  on_behalf_of?: string
  place_in_words?: string
  phone?: string
  note?: string
  drill?: boolean
}

/** What a responder sees of a case. */
export interface OwnOffer extends Offer {
  incident: {
    address?: string | null
    /** Where they live, when `address` is another place. */
    home_address?: string | null
    place?: Place | null
    person_name?: string | null
    door_access?: string | null
    class?: Word<IncidentClass>
    kinds: string[]
    category?: string | null
    category_name?: CategoryName | null
    note?: string | null
    phone?: string | null
    drill?: boolean
    /** Told once the offer is accepted. */
    likely_places?: LikelyPlace[]
  }
}

export interface OwnOffers {
  offers: OwnOffer[]
  /** Whether this responder is on duty, when the server says so. */
  duty?: boolean | null
}

/** What a person may change of a fence. */
export type FenceDraft = Pick<Fence, 'name' | 'active' | 'shape'> & {
  grace_s: number
  kind: 'safe' | 'forbidden' | 'corridor'
  /** What is to be done when the wearer is outside of it already. */
  when_outside?: 'alert' | 'wait'
}

/** Features of a map; `more`: there are more than these. */
export type MapFeatures = FeatureCollection & { more?: boolean }

/** How this installation's maps are drawn. */
export interface MapSettings {
  tiles?: { url: string; attribution: string; datum: Datum; max_zoom: number } | null
  /** Where to begin, longitude first. */
  center?: [number, number] | null
  /** What the caller may see: south-west, north-east. */
  bounds?: [[number, number], [number, number]] | null
}

/** Everything of one case that has a place. `properties.what` tells what each feature is. */
export interface CaseMap {
  place?: Place | null
  features: MapFeatures
}

/** One node on the way from the root. */
export interface NodeName {
  id: string
  level: Word<'city' | 'district' | 'street' | 'community' | 'grid' | 'courtyard'>
  name: string
}

export interface PastIncident {
  id: string
  class: Word<IncidentClass>
  kinds: string[]
  opened_at: string
  closed_at?: string | null
  outcome?: Word<Outcome> | null
  drill: boolean
}

/** A contact with all the ways to them. */
export interface KeptContact {
  /** The first to be told is 1. */
  rank: number
  name: string
  relation: string
  phone: string
  email?: string | null
  /** Told to administrators only: the address may be a secret in itself. */
  webhook_url?: string | null
}

/** A contact as an administrator writes them down; the first to be told comes first. */
export interface ContactDraft {
  /** Under which rank the editor saw them; null: new. */
  was: number | null
  name: string
  relation: string
  phone: string
  email: string | null
  webhook_url: string | null
  /** Null: as before, while the address is. */
  webhook_secret: string | null
}

/** A resident as an administrator writes them down: the whole, not a difference. */
export interface ResidentDraft {
  name: string
  sex: string | null
  born_in: number | null
  phone: string | null
  category: string | null
  address: string
  door_access: string | null
  home: { lat: number; lon: number } | null
  medical_card: string | null
  medical_risk: boolean
  wants_sex: string | null
  wants_language: string | null
  contacts: ContactDraft[]
}

/** Everything that is kept of a resident, but where they are. */
export interface Resident {
  id: string
  version: number
  name: string
  sex?: string | null
  born_in?: number | null
  phone?: string | null
  category?: string | null
  address: string
  door_access?: string | null
  home?: { lat: number; lon: number } | null
  /** From the root down. */
  serving: NodeName[]
  registered: NodeName[]
  medical_card?: string | null
  /** Noted as soon in danger. */
  medical_risk: boolean
  /** Who is to come with daily help. */
  wants_sex?: string | null
  wants_language?: string | null
  contacts: KeptContact[]
  terminals: Terminal[]
  /** Newest first; the open ones before them. */
  incidents: PastIncident[]
}

/** A number with its 95 % interval. */
export interface Estimate {
  value: number
  low: number
  high: number
  cases: number
}

/** What a provider's contracts ask for; shares from 0 to 1. */
export interface Floors {
  acceptance_min?: number | null
  on_time_min?: number | null
  completion_min?: number | null
  complaints_max?: number | null
  rating_min?: number | null
}

/** How a provider worked in a month. */
export interface ScoreCard {
  id: string
  name: string
  editable: boolean
  asked: number
  served: number
  acceptance?: Estimate | null
  on_time?: Estimate | null
  lateness_median_s?: number | null
  completion?: Estimate | null
  complaints?: Estimate | null
  rating?: Estimate | null
  floors: Floors
  /** Anything: to be replaced. */
  breaches: { code: Word<'acceptance' | 'on_time' | 'completion' | 'complaints' | 'rating'>; message: string; floor: number }[]
  standing?: { flagged_since: string; handicap_s: number } | null
}

export interface ScoreCards {
  month: string
  providers: ScoreCard[]
}

/** Some hours of a day of the week; 1 is Monday. */
export interface Opening {
  weekday: number
  from: string
  until: string
}

/** What a contract says; null is nothing. */
export interface ContractDraft {
  node: string
  category: string
  since: string
  until: string | null
  /** Null: at any time. */
  hours: Opening[] | null
  /** GeoJSON; null: everywhere. */
  area: unknown
  price_class: string | null
  capacity: number | null
  grade: number | null
}

export interface Contract extends Omit<ContractDraft, 'node'> {
  id: string
  version: number
  provider: string
  node: { id: string; name: string }
  in_force: boolean
  editable: boolean
}

export interface Provider {
  id: string
  name: string
  phone?: string | null
  node: { id: string; name: string }
  people: number
  contracts: Contract[]
}

/** What one of a provider's people can do. */
export interface Abilities {
  /** Null: everything that their provider does. */
  skills: string[] | null
  mode: string
  sex: string | null
  languages: string[]
}

export interface Person extends Abilities {
  id: string
  version: number
  provider: string
  name: string
  phone: string
  on_duty: boolean
  at_work: boolean
  editable: boolean
}

export interface Shift {
  id: string
  responder: string
  from: string
  until: string
}

/** Whom a resident refused, and who went to them. */
export interface Refusals {
  refusals: { responder: string; name: string; provider: string; at: string; why: string; by?: string | null }[]
  visitors: { responder: string; name: string; provider: string; last_at: string }[]
}

/** What somebody did on the spot. */
export interface Work {
  offer: string
  name: string
  provider: string
  /** What kind of price was agreed. */
  price_class?: string | null
  accepted_at: string
  promised_at?: string | null
  arrived_at?: string | null
  /** How far from the place they were then. */
  arrived_m?: number | null
  finished_at?: string | null
  finished_m?: number | null
  /** A note without text is a photograph. */
  notes: { id: string; at: string; text?: string | null }[]
}

/** Daily help that is wanted later. */
export interface Appointment extends CategoryName {
  id: string
  resident: string
  name: string
  category: string
  wanted_at: string
  /** When the incident for it is opened. */
  opens_at: string
  on_behalf_of?: string | null
  note?: string | null
  drill: boolean
  state: Word<'waiting' | 'opened' | 'cancelled'>
  made_by: string
  version: number
}

/** Without a time it is wanted now. */
export interface AppointmentDraft {
  resident: string
  category: string
  wanted_at?: string
  on_behalf_of?: string
  note?: string
}
/** How the press of our own fares that shows that the line works. */
export interface Canary {
  missing: boolean
  seen_at: string | null
  acknowledged_ms: number | null
  seen_ms: number | null
  missing_after_s: number
}

/** What a standard or a contract asks for. */
export interface ClockTarget {
  /** None: a contract's own. */
  profile: string | null
  id: string | null
  node: string | null
  provider: { id: string; name: string } | null
  source: string
  clock: string
  calls: string
  share: number
  within_s: number
}

/** How fast help came in one case. */
export interface CaseClocks {
  evidence: string
  weight: string
  calls: string
  as_of: string
  milestones: { milestone: string; at: string }[]
  clocks: { clock: string; took_ms: number }[]
  readings: { target: ClockTarget; state: string; due_at: string | null; took_ms: number | null }[]
  next: number | null
}

export interface ClockTally {
  target: ClockTarget
  met: number
  missed: number
  running: number
  dropped: number
  share: number | null
  keeps: boolean | null
  forecast: { expected: number; allowed: number; spare: number; risk: number } | null
}

/** A node's clocks in a month. */
export interface ClockMonth {
  node: { id: string; name: string }
  month: string
  time_zone: string
  from: string
  until: string
  as_of: string
  counted: number
  drills: number
  tests: number
  spreads: { clock: string; calls: string; cases: number; p50_ms: number; p90_ms: number; max_ms: number }[]
  targets: ClockTally[]
  breaches: { evidence: string; incident: string; since: string; took_ms: number | null; target: number }[]
  breaches_total: number
  evidence: { sha256: string; cases: number }
}

export interface ClockTargets {
  targets: ClockTarget[]
  providers: { id: string; name: string }[]
}

export interface ClockTargetDraft {
  source: string
  provider: string | null
  clock: string
  calls: string
  share: number
  within_s: number
}

export const CLOCKS = [
  'pressed_durable',
  'pressed_claimed',
  'pressed_spoken',
  'pressed_accepted',
  'pressed_on_scene',
  'pressed_closed',
  'asked_on_scene',
  'centre_answered',
  'vehicle_out',
] as const

export interface LadderRung {
  after_s: number
  act: string
  when: string
}

export interface LadderDraft {
  class: string
  days: string
  from_minute: number
  until_minute: number
  rungs: LadderRung[]
  every_s: number
}

/** None of `id`, `node` and `version`: the standard one. */
export interface Ladder extends LadderDraft {
  id: string | null
  node: string | null
  version: number | null
}

export interface HolidayDraft {
  day: string
  off: boolean
  name: string
}

export interface Ladders {
  node: string
  name: string
  time_zone: string
  ladders: Ladder[]
  standard: Ladder[]
  holidays: (HolidayDraft & { node: string })[]
  /** Whether a wandering case closes by itself once its wearer is back: what the node says (0: never, null: nothing), and what holds. */
  returned: { own_s: number | null; after_s: number | null }
}

/** A terminal said something that it may not say. */
export interface Violation {
  at: string
  times: number
  serial: string
  what: string
  topic: string | null
  code: number | null
}

/** A front door, as it last said. */
export interface Door {
  name: string
  heard_at: string
  silent: boolean
  opened_at: string
  tls: { listen: string; expires_at: string; asks_certificates: boolean } | null
  counted: Record<string, number>
  violations: Violation[]
}

export interface Doors {
  doors: Door[]
}

/** A message that nobody could read. */
export interface Unreadable {
  at: string
  serial: string
  why: string
}

/** The terminals that name a profile, or none. */
export interface ProfileUse {
  profile?: string | null
  terminals: number
  heard_at?: string | null
  unreadable?: Unreadable | null
}

/** How the JSON of one kind of terminal is read. */
export interface Profile extends ProfileUse {
  name: string
  /** It comes with the product. */
  shipped: boolean
  datum: Word<'wgs84' | 'gcj02' | 'bd09'>
  up: string[]
  answers: string[]
  down?: string | null
  takes: { what: string; from: string }[]
  alarms: { from: string; when: string; raises: string }[]
  commands: string[]
}

export interface Profiles {
  profiles: Profile[]
  /** Named by terminals, and defined by nobody. */
  missing: ProfileUse[]
  unnamed?: ProfileUse | null
}

/** A terminal that can encrypt what it says. */
export interface KeyedTerminal {
  serial: string
  wearer?: string | null
  encrypts: boolean
  heard_at?: string | null
  unreadable?: Unreadable | null
}

/** What is wrong with terminals; `untested` is asked for elsewhere. */
export type Trouble = 'silent' | 'late' | 'unheard' | 'flat_tonight' | 'not_worn' | 'frozen'

/** A terminal and what is known of it. */
export interface TroubledTerminal {
  id: number
  serial: string
  model: string
  resident: string
  name: string
  node: string
  stage: string
  since: string
  heard_at: string | null
  battery_pct: number | null
  flat_at: string | null
  off_since: string | null
  frozen_since: string | null
  outage: string | null
  incident: string | null
}

/** A place where a resident stays again and again. */
export interface UsualPlace {
  number: number
  lat: number
  lon: number
  radius_m: number
  /** Where they are at night. */
  home: boolean
  first_day: string
  last_day: string
  days: number
  /** On how many days that are worked they were there around each hour. */
  working: number[]
  off: number[]
}

/** What is usual of a resident, and whether it is learnt. */
export interface Usual {
  installation: boolean
  on: boolean
  /** Null: it is learnt while they have a safe area. */
  chosen: boolean | null
  version: number
  learnt_at: string | null
  days: number
  days_min: number
  known_working: number[]
  known_off: number[]
  away_working: number[]
  away_off: number[]
  places: UsualPlace[]
}

/** A place where somebody who is missing may be, and why. */
export interface LikelyPlace {
  lat: number
  lon: number
  radius_m: number
  home: boolean
  distance_m: number | null
  days: number
  of_days: number
  last_day: string
  hour: number | null
  hour_of: Word<'working' | 'off' | 'both'> | null
  hour_days: number | null
  hour_known: number | null
  weight: number
}

/** Somebody who is out when they never are. */
export interface Suspicion {
  id: string
  resident: string
  name: string
  phone: string | null
  node: string
  since: string
  raised_at: string
  distance_m: number
  hour: number
  of_days: Word<'working' | 'off' | 'both'>
  home_days: number
  known_days: number
  why: string
  acknowledged_at: string | null
  acknowledged_by: { id: string; name: string } | null
  note: string | null
}

/** Many that fell silent together. */
export interface Outage {
  id: string
  kind: string
  key: string
  name: string | null
  began_at: string
  noticed_at: string
  ended_at: string | null
  shared_by: number
  members: number
  still_gone: number
  /** Who said that they have it; until then supervisors' consoles ring. */
  acknowledged_by: string | null
  acknowledged_at: string | null
}

/** An outage that goes on and that nobody has acknowledged, as the live stream tells supervisors. */
export type CallingOutage = Pick<Outage, 'id' | 'kind' | 'key' | 'name' | 'began_at' | 'members' | 'still_gone'>

export interface Silence {
  listening_since: string | null
  terminals: { late: number; silent: number; lost: number; in_outage: number; flat_tonight: number; not_worn: number; frozen: number }
  outages: Outage[]
}

export interface OutageMember {
  id: number
  serial: string
  resident: string
  name: string
  heard_at: string
  returned_at: string | null
}

/** How often a model is to be heard, and what follows when it is not. */
export interface Heartbeat {
  /** Empty: all models that have none of their own. */
  model: string
  version: number
  moving_s: number
  still_s: number
  charging_s: number
  late_beats: number
  silent_beats: number
  lost_after_s: number
  alarm: 'none' | 'silent' | 'lost'
}

/** Whose key nobody has tried in a month. */
export interface TestPresses {
  month: string
  worn: number
  tested: number
  untested: { id: number; serial: string; resident: string; name: string; node: string; tested_at: string | null; stage: string }[]
  next: number | null
}

/** When a resident is to be heard of. */
export interface CheckInPlan {
  times: string[]
  days: number[]
  time_zone: string | null
  grace_min: number
  quiet: { from: string; until: string } | null
  ways: string[]
  active: boolean
  version: number
}

export interface CheckIns {
  plan: (CheckInPlan & { due_at: string | null; deadline: string | null }) | null
  pauses: { id: string; since: string; until: string; why: string }[]
  past: { due_at: string; state: string; way: string | null; known_at: string | null; incident: string | null }[]
}

export interface LadderMoment {
  after_s: number
  what: string
  detail: string | null
}

export interface LadderPreview {
  refused: { reason: string; rung: number | null; message: string } | null
  unanswered: LadderMoment[]
  nobody_there: LadderMoment[]
}
