// Calls to the dispatcher: one typed function a call, one kind of error, the CSRF token and the
// server's clock on the side. Knows nothing of pages.

import type { Setting } from '../model/setup'
import { learnClock } from '../model/time'
import type {
  Abilities,
  Appointment,
  AppointmentDraft,
  Candidates,
  Choices,
  CaseClocks,
  CaseMap,
  Category,
  CheckInPlan,
  CheckIns,
  Command,
  Commands,
  Delivery,
  ClockMonth,
  ClockTargetDraft,
  ClockTargets,
  Contract,
  ContractDraft,
  Detail,
  Doors,
  CommonFence,
  Fence,
  FenceDraft,
  FencePause,
  FenceRule,
  FenceRules,
  FenceTrial,
  HomePoint,
  KeyedTerminal,
  Ledger,
  LikelyPlace,
  Floors,
  Heartbeat,
  HolidayDraft,
  LadderDraft,
  LadderPreview,
  Ladders,
  MapFeatures,
  MapSettings,
  Outage,
  OutageMember,
  OwnOffers,
  Person,
  Place,
  Profiles,
  Provider,
  Refusals,
  Resident,
  ResidentDraft,
  ResidentFound,
  SavedFence,
  ScoreCards,
  ServiceCall,
  Session,
  Shift,
  Silence,
  Summary,
  Suspicion,
  TelephoneCall,
  TestPresses,
  Trouble,
  TroubledTerminal,
  Usual,
  Wish,
} from './types'

/** What a refusal says beside its sentence. */
export interface Refusal {
  where?: { coordinates: [number, number][] }
  /** Of a drawing: which rings (0 is the outline), and the number that it is about. */
  drawing?: { rings: number[]; number: number | null }
  rules?: number[]
  choices?: { when_outside: string[]; distance_m: number; at: string }
}

/** Why a call did not do what was asked. `unreachable`: nobody answered. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly reason?: string,
    /** What somebody else has made of it meanwhile (409 `edited_meanwhile`). */
    readonly current?: unknown,
    /** Which field of the body cannot be. */
    readonly field?: string,
    /** What else the answer says of it: where on the map, which rules, what can be chosen. */
    readonly more: Refusal = {},
  ) {
    super(message)
    this.name = 'ApiError'
  }

  /** The answer is unknown: the same call may be made again with the same idempotency key. */
  get undecided(): boolean {
    return this.code === 'unreachable' || this.status >= 500
  }
}

const ROOT = '/api/v1'
/** Without an answer for this long nobody will wait any longer. */
const PATIENCE_MS = 15_000

let csrf = ''
let onLoggedOut: (() => void) | null = null

/** Called when the server no longer knows who we are. */
export function whenLoggedOut(act: () => void): void {
  onLoggedOut = act
}

/** Told by whoever else meets a 401: the live stream. */
export function loggedOut(): void {
  csrf = ''
  onLoggedOut?.()
}

interface Asked {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  body?: unknown
  /** A body that is no JSON. */
  file?: Blob
  key?: string
  /** Whether the browser may ask "has it changed?" instead of for the whole. Default: no. */
  kept?: 'yes' | 'no'
}

async function call<T>(path: string, asked: Asked = {}, again = true): Promise<T> {
  const method = asked.method ?? 'GET'
  const as_whom = csrf
  const headers: Record<string, string> = { accept: 'application/json' }
  if (asked.body !== undefined) headers['content-type'] = 'application/json'
  if (asked.file) headers['content-type'] = asked.file.type
  if (method !== 'GET' && csrf) headers['x-csrf-token'] = csrf
  if (asked.key) headers['idempotency-key'] = asked.key
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS)
  const sent_at = Date.now()
  let response: Response
  try {
    response = await fetch(ROOT + path, {
      method,
      headers,
      body: asked.file ?? (asked.body === undefined ? undefined : JSON.stringify(asked.body)),
      credentials: 'same-origin',
      cache: asked.kept === 'yes' ? 'no-cache' : 'no-store',
      signal: patience.signal,
    })
    learnClock(response.headers.get('date'), sent_at, Date.now())
    if (response.status === 204) return undefined as T
    if (response.ok) return (await response.json()) as T
  } catch (cause) {
    throw new ApiError(0, 'unreachable', cause instanceof Error ? cause.message : String(cause))
  } finally {
    clearTimeout(timer)
  }
  const error = await readError(response)
  // Another tab may have logged in anew: the cookie is the same for all tabs, the token is not.
  if (error.code === 'bad_csrf' && again) {
    csrf = (await call<Session>('/session')).csrf
    return call<T>(path, asked, false)
  }
  // Unless somebody has logged in while this was under way.
  if (error.code === 'not_logged_in' && path !== '/session' && csrf === as_whom) loggedOut()
  throw error
}

async function readError(response: Response): Promise<ApiError> {
  let code = response.status >= 500 ? 'internal' : 'bad_request'
  let message = response.statusText
  let reason: string | undefined
  let current: unknown
  let field: string | undefined
  let more: Refusal = {}
  try {
    const body = (await response.json()) as {
      error?: { code?: string; message?: string; reason?: string; current?: unknown; field?: string } & Refusal
      reason?: string
    }
    code = body.error?.code ?? code
    message = body.error?.message ?? message
    reason = body.error?.reason ?? body.reason
    current = body.error?.current
    field = body.error?.field
    more = { where: body.error?.where, drawing: body.error?.drawing, rules: body.error?.rules, choices: body.error?.choices }
  } catch {
    // Not ours: a proxy's page. The status says enough.
    if (response.status === 503 || response.status === 502 || response.status === 504) code = 'unavailable'
  }
  return new ApiError(response.status, code, message, reason, current, field, more)
}

function post<T>(path: string, body: unknown = {}, key?: string): Promise<T> {
  return call<T>(path, { method: 'POST', body, key })
}

/** A fresh idempotency key. `crypto.randomUUID` is missing on plain http. */
export function freshKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export async function logIn(login: string, password: string): Promise<Session> {
  const session = await post<Session>('/session', { login, password })
  csrf = session.csrf
  return session
}

/** Who is logged in, or null. */
export async function whoAmI(): Promise<Session | null> {
  try {
    const session = await call<Session>('/session')
    csrf = session.csrf
    return session
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null
    throw error
  }
}

export async function logOut(): Promise<void> {
  await call<void>('/session', { method: 'DELETE' })
  csrf = ''
}

export const sayPresent = () => post<void>('/presence')

export const openIncidents = () => call<{ incidents: Summary[]; cursor: string }>('/incidents?state=open')
/** A page of what is over, newest first; `after` is the `next` of the page before. */
export const closedIncidents = (after: string | null = null) =>
  call<{ incidents: Summary[]; next: string | null }>(`/incidents?state=closed${after ? `&after=${after}` : ''}`)
export const incident = (id: string) => call<Detail>(`/incidents/${encodeURIComponent(id)}`).then(whole)
export const openByTelephone = (told: TelephoneCall | ServiceCall, key: string) => post<Summary>('/incidents', told, key)

/** A list that is missing is an empty one: no gap in an answer may keep a card from being shown. */
function whole(detail: Detail): Detail {
  const { contacts, grid_officers, offers, timeline, notices, messages } = detail
  return {
    ...detail,
    contacts: contacts ?? [],
    grid_officers: grid_officers ?? [],
    offers: offers ?? [],
    timeline: timeline ?? [],
    notices: notices ?? [],
    messages: messages ?? [],
  }
}

const on = (id: string, act: string, body: unknown = {}, key?: string) =>
  post<Detail>(`/incidents/${encodeURIComponent(id)}/${act}`, body, key).then(whole)

export const claim = (id: string) => on(id, 'claim')
export const release = (id: string) => on(id, 'release')
export const ask = (id: string, responder: string, key: string) => on(id, 'ask', { responder }, key)
export const withdraw = (id: string, offer: string) => on(id, 'withdraw', { offer })
export const handOver = (id: string, centre: string, key: string) => on(id, 'hand-over', { centre }, key)
export const standDown = (id: string, centre: string, reason: string) => on(id, 'stand-down', { centre, reason })
export const gridOfficerCalled = (id: string) => on(id, 'grid-officer-called')
export const voiceDone = (id: string, centre: string, reference?: string) =>
  on(id, 'voice-done', reference ? { centre, reference } : { centre })
export const close = (id: string, outcome: string, note?: string) =>
  on(id, 'close', note ? { outcome, note } : { outcome })
export const note = (id: string, text: string, key: string) => on(id, 'note', { text }, key)

export const categorize = (id: string, category: string) => on(id, 'category', { category })
/** A follow-up call; without a time it was just now. */
export interface FollowUp {
  reached: string
  at?: string
  note?: string
}
export interface Rated {
  stars: number
  given_by: string
  complaint?: string
  comment?: string
}
export const followUp = (id: string, told: FollowUp, key: string) => on(id, 'follow-up', told, key)
export const rate = (id: string, told: Rated, key: string) => on(id, 'rating', told, key)
export const excuse = (id: string, why: string, note: string, key: string) =>
  on(id, 'excuse', note ? { excuse: why, note } : { excuse: why }, key)
/** A page of what waits for a follow-up call or a rating, the oldest deadline first. */
export const aftercare = (after: string | null = null) =>
  call<{ incidents: Summary[]; overdue: number; next: string | null }>(`/aftercare${after ? `?after=${after}` : ''}`)
export const categories = () => call<{ categories: Category[] }>('/categories')

export const appointments = (after: string | null = null) =>
  call<{ appointments: Appointment[]; next: string | null }>(`/appointments${after ? `?after=${after}` : ''}`)
export const makeAppointment = (draft: AppointmentDraft, key: string) => post<Appointment>('/appointments', draft, key)
export const moveAppointment = (id: string, version: number, wanted_at: string, note: string | null) =>
  call<Appointment>(`/appointments/${encodeURIComponent(id)}`, { method: 'PUT', body: { version, wanted_at, note } })
export const cancelAppointment = (id: string, version: number, reason: string) =>
  post<Appointment>(`/appointments/${encodeURIComponent(id)}/cancel`, { version, reason })

export const scoreCards = (month: string | null) => call<ScoreCards>(`/score-cards${month ? `?month=${month}` : ''}`)
export const saveFloors = (provider: string, floors: Floors) =>
  call<void>(`/providers/${encodeURIComponent(provider)}/floors`, { method: 'PUT', body: floors })

/** Whose terminal is told something. */
export type Told = { of: 'incidents' | 'residents'; id: string }
const commandsOf = (told: Told) => `/${told.of}/${encodeURIComponent(told.id)}/commands`
export const commands = (told: Told) => call<Commands>(commandsOf(told))
export const tellTerminal = (told: Told, command: Wish, reason: string, key: string) =>
  post<Command>(commandsOf(told), reason ? { command, reason } : { command }, key)
export const cancelCommand = (id: string) => post<Command>(`/commands/${encodeURIComponent(id)}/cancel`)
export const setUpTerminal = (resident: string, setting: Setting, serial: string, key: string) =>
  post<Command>(`/residents/${encodeURIComponent(resident)}/set-up`, { setting, serial }, key)
export const homePoints = (resident: string) =>
  call<{ access_points: HomePoint[] }>(`/residents/${encodeURIComponent(resident)}/access-points`)
/** These, instead of those that were written down before. */
export const saveHomePoints = (resident: string, access_points: string[]) =>
  call<{ access_points: HomePoint[] }>(`/residents/${encodeURIComponent(resident)}/access-points`, { method: 'PUT', body: { access_points } })
export const listenIn = (incident: string, number: string, reason: string, key: string) =>
  post<Command>(`/incidents/${encodeURIComponent(incident)}/listen-in`, { number, reason }, key)

export const choices = (id: string) => call<Choices>(`/incidents/${encodeURIComponent(id)}/choices`)
export const providers = () => call<{ providers: Provider[] }>('/providers')
export const addContract = (provider: string, draft: ContractDraft, key: string) =>
  post<Contract>(`/providers/${encodeURIComponent(provider)}/contracts`, draft, key)
export const saveContract = (id: string, version: number, draft: ContractDraft) =>
  call<Contract>(`/contracts/${encodeURIComponent(id)}`, { method: 'PUT', body: { ...draft, version } })
/** Ends the version that was seen, and no newer one. */
export const endContract = (id: string, version: number) =>
  call<void>(`/contracts/${encodeURIComponent(id)}?version=${version}`, { method: 'DELETE' })
export const people = (provider: string) =>
  call<{ responders: Person[] }>(`/providers/${encodeURIComponent(provider)}/responders`)
export const saveAbilities = (id: string, version: number, abilities: Abilities) =>
  call<Person>(`/responders/${encodeURIComponent(id)}`, { method: 'PUT', body: { ...abilities, version } })
export const roster = (provider: string, from: string, until: string) =>
  call<{ shifts: Shift[] }>(
    `/providers/${encodeURIComponent(provider)}/shifts?from=${encodeURIComponent(from)}&until=${encodeURIComponent(until)}`,
  )
export const planShift = (responder: string, shift: { from: string; until: string; weeks: number }, key: string) =>
  post<{ shifts: Shift[] }>(`/responders/${encodeURIComponent(responder)}/shifts`, shift, key)
export const removeShift = (id: string) => call<void>(`/shifts/${encodeURIComponent(id)}`, { method: 'DELETE' })
export const refusals = (resident: string) => call<Refusals>(`/residents/${encodeURIComponent(resident)}/refusals`)
export const addRefusal = (resident: string, responder: string, why: string) =>
  post<Refusals>(`/residents/${encodeURIComponent(resident)}/refusals`, { responder, why })
export const removeRefusal = (resident: string, responder: string) =>
  call<void>(`/residents/${encodeURIComponent(resident)}/refusals/${encodeURIComponent(responder)}`, { method: 'DELETE' })

export const candidates = (id: string) => call<Candidates>(`/incidents/${encodeURIComponent(id)}/candidates`)
export const residents = (q: string) =>
  call<{ residents: ResidentFound[]; next: string | null }>(`/residents?q=${encodeURIComponent(q)}`)

export const resident = (id: string) => call<Resident>(`/residents/${encodeURIComponent(id)}`)
export const saveResident = (id: string, version: number, draft: ResidentDraft) =>
  call<Resident>(`/residents/${encodeURIComponent(id)}`, { method: 'PUT', body: { ...draft, version } })
/** The last place of somebody without an open incident: asked for with a reason, which is written down. */
export const locate = (id: string, reason: string) =>
  post<{ place: Place | null }>(`/residents/${encodeURIComponent(id)}/locate`, { reason })
export const fences = (resident: string) => call<{ fences: Fence[] }>(`/residents/${encodeURIComponent(resident)}/fences`)
export const addFence = (resident: string, draft: FenceDraft, key: string) =>
  post<SavedFence>(`/residents/${encodeURIComponent(resident)}/fences`, draft, key)
export const saveFence = (id: string, version: number, draft: FenceDraft) =>
  call<SavedFence>(`/fences/${encodeURIComponent(id)}`, { method: 'PUT', body: { ...draft, version } })
export const tryFence = (resident: string, { shape, kind, grace_s }: Pick<FenceDraft, 'shape' | 'kind' | 'grace_s'>, fence: string | null) =>
  post<FenceTrial>(`/residents/${encodeURIComponent(resident)}/fences/try`, { shape, kind, grace_s, fence })
export const commonFences = (resident: string) =>
  call<{ fences: CommonFence[] }>(`/residents/${encodeURIComponent(resident)}/fences/common`)
export const fenceRules = (resident: string) => call<FenceRules>(`/residents/${encodeURIComponent(resident)}/fence-rules`)
export const saveFenceRules = (resident: string, version: number, rules: FenceRule[]) =>
  call<FenceRules>(`/residents/${encodeURIComponent(resident)}/fence-rules`, { method: 'PUT', body: { version, rules } })
export const pauseFences = (resident: string, pause: Omit<FencePause, 'id'>) =>
  post<FenceRules>(`/residents/${encodeURIComponent(resident)}/fence-pauses`, pause)
export const resumeFences = (pause: string) =>
  call<FenceRules>(`/fence-pauses/${encodeURIComponent(pause)}`, { method: 'DELETE' })
/** Deletes the version that was seen, and no newer one. */
export const removeFence = (id: string, version: number) =>
  call<void>(`/fences/${encodeURIComponent(id)}?version=${version}`, { method: 'DELETE' })

export const mapSettings = () => call<MapSettings>('/settings/map')
export const mapNodes = () => call<MapFeatures>('/map/nodes', { kept: 'yes' })
export const mapPeople = () => call<MapFeatures>('/map/people', { kept: 'yes' })
export const mapIncidents = () => call<MapFeatures>('/map/incidents')
export const mapResponders = () => call<MapFeatures>('/map/responders')
export const mapStations = () => call<MapFeatures>('/map/stations', { kept: 'yes' })
export const caseMap = (incident: string) => call<CaseMap>(`/incidents/${encodeURIComponent(incident)}/map`)

const page = (after: string | null) => (after ? `?after=${encodeURIComponent(after)}` : '')
/** A page of everything that has left for an incident. */
export const deliveries = (incident: string, after: string | null = null) =>
  call<Ledger>(`/incidents/${encodeURIComponent(incident)}/deliveries${page(after)}`)
/** A page of what has not arrived, newest first. */
export const lostDeliveries = (after: string | null = null) => call<Ledger>(`/deliveries${page(after)}`)
export const redeliver = (id: string) => post<Delivery>(`/deliveries/${encodeURIComponent(id)}/redeliver`)
/** The resident's terminal is taken to have been pressed, for practice. */
export const startDrill = (resident: string) => post<Detail>('/drills', { resident }).then(whole)
export const caseClocks = (incident: string) => call<CaseClocks>(`/incidents/${encodeURIComponent(incident)}/clocks`)
/** They have heard each other. */
export const spoken = (id: string, whom: 'wearer' | 'contact') => on(id, 'spoken', { with: whom })
export const nodeClocks = (node: string, month: string) =>
  call<ClockMonth>(`/nodes/${encodeURIComponent(node)}/clocks${month ? `?month=${encodeURIComponent(month)}` : ''}`)
export const evidenceUrl = (node: string, month: string) =>
  `${ROOT}/nodes/${encodeURIComponent(node)}/clocks.csv?month=${encodeURIComponent(month)}`
export const capUrl = (handover: string) => `${ROOT}/handovers/${encodeURIComponent(handover)}/cap`
export const clockTargets = (node: string) => call<ClockTargets>(`/nodes/${encodeURIComponent(node)}/targets`)
export const addClockTarget = (node: string, draft: ClockTargetDraft) =>
  post<ClockTargets>(`/nodes/${encodeURIComponent(node)}/targets`, draft)
const laddersOf = (node: string) => `/nodes/${encodeURIComponent(node)}/ladders`
export const doors = () => call<Doors>('/doors')
export const profiles = () => call<Profiles>('/profiles')
export const payloadKeys = (sought: string) =>
  call<{ terminals: KeyedTerminal[]; more: boolean }>(`/payload-keys?q=${encodeURIComponent(sought)}`)
/** With no key one is made, and told in the answer. */
export const setPayloadKey = (serial: string, key: string | null) =>
  call<{ serial: string; key?: string | null }>('/payload-keys', { method: 'PUT', body: { serial, key } })
export const removePayloadKey = (serial: string) =>
  call<void>(`/payload-keys?serial=${encodeURIComponent(serial)}`, { method: 'DELETE' })
export const silence = () => call<Silence>('/silence')
export const troubled = (trouble: Trouble, after = 0) =>
  call<{ terminals: TroubledTerminal[]; next: number | null }>(`/silence/terminals?trouble=${trouble}&after=${after}`)
export const heartbeats = () => call<{ contracts: Heartbeat[] }>('/heartbeat-contracts')
export const saveHeartbeat = (body: Heartbeat) => call<{ contracts: Heartbeat[] }>('/heartbeat-contracts', { method: 'PUT', body })
export const usual = (resident: string) => call<Usual>(`/residents/${encodeURIComponent(resident)}/usual`)
export const chooseUsual = (resident: string, chosen: boolean | null, version: number) =>
  call<Usual>(`/residents/${encodeURIComponent(resident)}/usual`, { method: 'PUT', body: { chosen, version } })
export const likelyPlaces = (incident: string) =>
  call<{ places: LikelyPlace[] }>(`/incidents/${encodeURIComponent(incident)}/likely-places`)
export const suspicions = () => call<{ suspicions: Suspicion[] }>('/suspicions')
export const acknowledgeSuspicion = (id: string, note: string | null) =>
  post<{ suspicions: Suspicion[] }>(`/suspicions/${encodeURIComponent(id)}/acknowledge`, { note })
export const outageMembers = (outage: string, after = 0) =>
  call<{ members: OutageMember[]; next: number | null }>(`/outages/${encodeURIComponent(outage)}/members?after=${after}`)
export const acknowledgeOutage = (outage: string) => post<Outage>(`/outages/${encodeURIComponent(outage)}/acknowledgement`)
export const testPresses = (after = 0) => call<TestPresses>(`/test-presses?after=${after}`)
const ofResident = (resident: string) => `/residents/${encodeURIComponent(resident)}`
export const checkIns = (resident: string) => call<CheckIns>(`${ofResident(resident)}/check-ins`)
/** They said so, to whoever is logged in. */
export const checkInByVoice = (resident: string) => post<CheckIns>(`${ofResident(resident)}/check-ins`)
export const saveCheckInPlan = (resident: string, plan: CheckInPlan) =>
  call<CheckIns>(`${ofResident(resident)}/check-in-plan`, { method: 'PUT', body: plan })
export const removeCheckInPlan = (resident: string) => call<void>(`${ofResident(resident)}/check-in-plan`, { method: 'DELETE' })
export const pauseCheckIns = (resident: string, until: string, why: string) =>
  post<CheckIns>(`${ofResident(resident)}/check-in-pauses`, { until, why })
export const endCheckInPause = (resident: string, pause: string) =>
  call<void>(`${ofResident(resident)}/check-in-pauses/${encodeURIComponent(pause)}`, { method: 'DELETE' })
export const ladders = (node: string) => call<Ladders>(laddersOf(node))
export const previewLadder = (node: string, draft: LadderDraft) => post<LadderPreview>(`${laddersOf(node)}/preview`, draft)
export const makeLadder = (node: string, draft: LadderDraft) => post<Ladders>(laddersOf(node), draft)
export const changeLadder = (id: string, version: number, draft: LadderDraft) =>
  call<Ladders>(`/ladders/${encodeURIComponent(id)}`, { method: 'PUT', body: { ...draft, version } })
export const removeLadder = (id: string) => call<void>(`/ladders/${encodeURIComponent(id)}`, { method: 'DELETE' })
export const setReturned = (node: string, own_s: number | null) =>
  call<Ladders>(`/nodes/${encodeURIComponent(node)}/returned`, { method: 'PUT', body: { own_s } })
export const setHolidays = (node: string, holidays: HolidayDraft[]) =>
  call<Ladders>(`/nodes/${encodeURIComponent(node)}/holidays`, { method: 'PUT', body: { holidays } })
export const endClockTarget = (id: string) => call<void>(`/targets/${encodeURIComponent(id)}`, { method: 'DELETE' })

export const liveUrl = (after: string | null) =>
  `${ROOT}/live${after === null ? '' : `?after=${encodeURIComponent(after)}`}`

export const ownOffers = () => call<OwnOffers>('/offers')
export const ownOffersLiveUrl = () => `${ROOT}/offers/live`
export const answerOffer = (
  id: string,
  answer: 'accept' | 'decline' | 'on-the-way' | 'arrived' | 'done',
  body: Record<string, unknown> = {},
) => post<unknown>(`/offers/${encodeURIComponent(id)}/${answer}`, body)
export const offerSeen = (id: string) => post<void>(`/offers/${encodeURIComponent(id)}/seen`)
export const pushKey = () => call<{ key: string | null }>('/me/push')
export const subscribePush = (subscription: PushSubscriptionJSON) =>
  post<void>('/me/push', { endpoint: subscription.endpoint, keys: subscription.keys })
export const unsubscribePush = (endpoint: string) =>
  call<void>('/me/push', { method: 'DELETE', body: { endpoint } })
export const addSiteNote = (offer: string, text: string) => post<unknown>(`/offers/${encodeURIComponent(offer)}/note`, { text })
export const addPhoto = (offer: string, photo: Blob) =>
  call<unknown>(`/offers/${encodeURIComponent(offer)}/photo`, { method: 'POST', file: photo })
export const photoUrl = (id: string) => `${ROOT}/photos/${encodeURIComponent(id)}`
export const setDuty = (on: boolean) => call<unknown>('/responder/duty', { method: 'PUT', body: { on } })
export const tellPosition = (at: { lat: number; lon: number; accuracy_m?: number }) =>
  call<unknown>('/responder/position', { method: 'PUT', body: at })
