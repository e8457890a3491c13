// A stand-in for the dispatcher, for looking at the pages while working on them: in memory, no rules
// worth the name, nothing that the product uses. Node's own http, no dependency.
//
//   npm run mock              http://127.0.0.1:8470, serves dist/ too, under the product's policy
//   YDT_MOCK_PORT=0           any free port; the address is printed
//
// POST /mock/<what> makes things happen: press, unproved, drill, doubtful, unstored, stored, cut, forget,
// refuse-120, ask-me, refence, reedit, expire. `npm run look` drives them.

import { createHash, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as district from './district.mjs'

const DIST = fileURLToPath(new URL('../dist/', import.meta.url))
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }

const HEARTBEATS = [{ model: '', version: 1, moving_s: 300, still_s: 600, charging_s: 900, late_beats: 2, silent_beats: 6, lost_after_s: 86_400, alarm: 'lost' }]
const OUTAGE_BY = { name: null }
/** Some terminals that are not heard, in an outage and alone. */
function silence() {
  const ago = (s) => new Date(Date.now() - s * 1_000).toISOString()
  return {
    listening_since: ago(86_400 * 9),
    terminals: { late: 3, silent: 511, lost: 2, in_outage: 508, flat_tonight: 1, not_worn: 1, frozen: 1 },
    outages: [
      { id: 'o1', kind: 'cell', key: '460-0-29507-211', name: null, began_at: ago(5_400), noticed_at: ago(4_100), ended_at: null, shared_by: 523, members: 508, still_gone: 508, acknowledged_by: OUTAGE_BY.name, acknowledged_at: OUTAGE_BY.name ? ago(60) : null },
      { id: 'o2', kind: 'community', key: 'c1', name: '湘雅路社区', began_at: ago(86_400 * 3), noticed_at: ago(86_400 * 3 - 1_300), ended_at: ago(86_400 * 3 - 9_000), shared_by: 61, members: 58, still_gone: 2, acknowledged_by: '刘班长', acknowledged_at: ago(86_400 * 3 - 1_400) },
    ],
  }
}

/** What somebody chose for a resident, of what is usual of them. */
const USUAL = new Map()
const SUSPICION = {
  id: 's1', since: new Date(Date.now() - 1_500_000).toISOString(), raised_at: new Date(Date.now() - 300_000).toISOString(), distance_m: 900,
  hour: 2, of_days: 'working', home_days: 42, known_days: 42, why: '', acknowledged_at: null, acknowledged_by: null, note: null,
}

function suspicions() {
  const kept = RESIDENTS[1]
  return [{ ...SUSPICION, resident: kept.id, name: kept.name, phone: kept.phone ?? null, node: '湘雅路社区' }]
}

/** At home, at a market in the mornings, and with a daughter on Sundays. */
function usual(id) {
  const { lat, lon } = RESIDENTS.find((one) => one.id === id) ?? RESIDENTS[0]
  const { chosen = null, version = 0 } = USUAL.get(id) ?? {}
  const by = (of) => Array.from({ length: 24 }, (_, hour) => of(hour))
  const place = (number, north, east, days, working, off) => ({
    number, lat: lat + north, lon: lon + east, radius_m: 80 + 20 * number, home: number === 0, first_day: '2026-09-01', last_day: '2026-11-20', days,
    working: by(working), off: by(off),
  })
  const places = [
    place(0, 0, 0, 60, (hour) => (hour >= 9 && hour < 11 ? 3 : 42), (hour) => (hour >= 10 && hour < 18 ? 9 : 17)),
    place(1, 0.004, 0.003, 44, (hour) => (hour >= 9 && hour < 11 ? 38 : 0), () => 1),
    place(2, -0.006, 0.005, 9, () => 0, (hour) => (hour >= 10 && hour < 18 ? 8 : 0)),
  ]
  const learnt = chosen !== false
  const counts = (n) => (learnt ? by(() => n) : [])
  return {
    installation: true, on: learnt, chosen, version, learnt_at: learnt ? new Date(Date.now() - 7_200_000).toISOString() : null, days: learnt ? 60 : 0,
    days_min: 14, known_working: counts(42), known_off: counts(18), away_working: counts(0), away_off: counts(0), places: learnt ? places : [],
  }
}

function likely({ class: of, subject }) {
  if (of !== 'wandering') return []
  return usual(subject.id).places.map(({ lat, lon, radius_m, home, days, last_day }, n) => ({
    lat, lon, radius_m, home, distance_m: [420, 310, 1_240][n], days, of_days: 60, last_day, hour: 10, hour_of: 'working', hour_days: [3, 38, 0][n],
    hour_known: 42, weight: [0.28, 0.64, 0.08][n],
  })).sort((one, other) => other.weight - one.weight)
}

function troubled(trouble) {
  const ago = (s) => new Date(Date.now() - s * 1_000).toISOString()
  const row = (id, which, rest) => {
    const kept = RESIDENTS[which % RESIDENTS.length]
    return {
      id, serial: `P10${id}`, model: 'ydt-pendant', resident: kept.id, name: kept.name, node: '湘雅路社区', stage: 'heard', since: ago(4_000), heard_at: ago(60),
      battery_pct: 64, flat_at: null, off_since: null, frozen_since: null, outage: null, incident: null, ...rest,
    }
  }
  const absent = { stage: 'silent', since: ago(3_000), heard_at: ago(6_600) }
  const rows = {
    silent: [row(11, 0, { ...absent, stage: 'lost', since: ago(4_000), heard_at: ago(90_400), battery_pct: 8 }), row(12, 1, { ...absent, outage: 'o1' }), row(13, 2, { ...absent, outage: 'o1', battery_pct: 91 })],
    late: [row(14, 1, { stage: 'late', since: ago(300), heard_at: ago(1_500) })],
    flat_tonight: [row(15, 0, { battery_pct: 17, flat_at: ago(-6 * 3_600) })],
    not_worn: [row(16, 2, { off_since: ago(9_000) })],
    frozen: [row(17, 1, { frozen_since: ago(40_000) })],
    unheard: [],
  }
  return { terminals: rows[trouble] ?? [], next: null }
}

const CHECK_INS = new Map()
function checkIns(id) {
  const at = (days, clock) => new Date(new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 11) + clock).toISOString()
  const none = { plan: null, pauses: [], past: [] }
  const past = [
    { due_at: at(-1, '00:00:00Z'), state: 'missed', way: null, known_at: null, incident: null },
    { due_at: at(-2, '00:00:00Z'), state: 'kept', way: 'key', known_at: at(-2, '00:12:00Z'), incident: null },
    { due_at: at(-3, '00:00:00Z'), state: 'paused', way: null, known_at: null, incident: null },
  ]
  return CHECK_INS.has(id) ? { ...none, ...CHECK_INS.get(id), past } : none
}

/** Two front doors: the certificate of one expires soon, the other is silent and has none. */
function doors() {
  const ago = (s) => new Date(Date.now() - s * 1_000).toISOString()
  const zero = Object.fromEntries(
    [
      'connections half_open sessions concentrators sessions_opened refused_credentials refused_certificate refused_tls',
      'refused_no_directory refused_protocol refused_full refused_half_open refused_address accept_waited refused_silent taken_over',
      'pushed_out revoked violations violations_malformed violations_too_large violations_unexpected violations_topic_name',
      'violations_topic_alias violations_quota gone_silent without_receipt alerts alerts_waiting alerts_waiting_bytes',
      'alerts_handed_over alerts_given_up receipts_late telemetry telemetry_coalesced_gateway telemetry_coalesced_bus',
      'telemetry_coalesced_rate telemetry_shed_gateway telemetry_shed_bus telemetry_shed_rate telemetry_parked telemetry_parked_bytes',
      'publish_denied subscribe_denied subscribe_refused wills wills_replaced downlinks downlinks_dropped delivered presence_dropped bus_unreadable',
    ].flatMap((line) => line.split(' ')).map((name) => [name, 0]),
  )
  const east = {
    ...zero, connections: 10_842, half_open: 3, sessions: 10_839, concentrators: 2, sessions_opened: 24_310, refused_credentials: 118,
    refused_tls: 41, refused_silent: 7, taken_over: 902, violations: 12, violations_malformed: 11, violations_too_large: 1,
    gone_silent: 388, alerts: 211, alerts_handed_over: 214, telemetry: 8_204_511, telemetry_coalesced_rate: 1_204,
    telemetry_shed_bus: 37, publish_denied: 486, subscribe_denied: 9, downlinks: 803, delivered: 791,
  }
  const violation = (s, times, serial, what, topic, code) => ({ at: ago(s), times, serial, what, topic, code })
  return [
    {
      name: 'east', heard_at: ago(2), silent: false, opened_at: ago(86_400 * 3), counted: east,
      tls: { listen: '0.0.0.0:8883', expires_at: ago(-86_400 * 12.5), asks_certificates: true },
      violations: [
        violation(40, 483, 'P2044', 'publish', 'ydt/1/P2004/alert', 0x87),
        violation(900, 1, 'P1307', 'too_large', null, 0x95),
        violation(4_000, 9, '集中器-7', 'subscribe', 'ydt/1/P9001/#', 0x87),
        violation(9_000, 11, 'P3310', 'malformed', null, null),
      ],
    },
    {
      name: 'west', heard_at: ago(900), silent: true, opened_at: ago(86_400 * 9), counted: { ...zero, connections: 12, sessions: 12, brand_new: 3 },
      tls: null, violations: [violation(1_000, 2, 'P0007', 'publish', 'owntracks/li/phone', null)],
    },
  ]
}

const USERS = {
  operator: { id: 'u-op', login: 'operator', name: '王芳', role: 'operator', grants: [{ role: 'operator', node: { id: 'n1', name: '开福区' } }] },
  operator2: { id: 'u-op2', login: 'operator2', name: '李静', role: 'operator', grants: [{ role: 'operator', node: { id: 'n1', name: '开福区' } }] },
  supervisor: { id: 'u-sv', login: 'supervisor', name: '陈建国', role: 'supervisor', grants: [{ role: 'supervisor', node: { id: 'n1', name: '开福区' } }] },
  admin: { id: 'u-ad', login: 'admin', name: '赵敏', role: 'admin', grants: [{ role: 'admin', node: { id: 'n1', name: '开福区' } }] },
  responder: { id: 'u-r1', login: 'responder', name: '刘洋', role: 'responder', grants: [{ role: 'responder', node: { id: 'n1', name: '开福区' } }] },
}
const RESPONDERS = [
  { responder: 'r1', name: '刘洋', provider: '银铃居家服务', phone: '13807310001', distance_m: 320, position_age_s: 14, skills: ['first_aid', 'lift'], busy: false },
  { responder: 'r2', name: '周敏', provider: '银铃居家服务', phone: '13807310002', distance_m: 610, position_age_s: 41, skills: ['nurse', 'first_aid'], busy: false },
  { responder: 'r3', name: '吴磊', provider: '安心物业', phone: '13807310003', distance_m: 940, position_age_s: 180, skills: ['locksmith', 'repair'], busy: true },
  { responder: 'r4', name: '赵倩', provider: '湘江社区网格', phone: '13807310004', distance_m: 1480, position_age_s: 75, skills: ['grid'], busy: false },
]
const CATEGORIES = [
  { word: 'meal', zh: '送餐', en: 'meal delivery' },
  { word: 'repair', zh: '维修', en: 'repair' },
]
const RESIDENTS = [
  {
    id: 'p1', name: '张秀英', community: '桐梓坡社区', address: '长沙市岳麓区桐梓坡路 128 号 3 栋 2 单元 501', phone: '13907311234',
    category: 'lives_alone', sex: 'female', born_in: 1944, serial: 'YD-100217', lat: 28.22813, lon: 112.93874,
    door_access: '单元门密码 3308#；备用钥匙在 502 李阿姨处',
    medical_card: '高血压、冠心病（2019 年支架）\n长期服用：阿司匹林、氨氯地平\n过敏：青霉素　血型：A 型',
    contacts: [
      { name: '刘建军', relation: '儿子', phone: '13808450077' },
      { name: '李桂兰', relation: '邻居', phone: '13974811122' },
      { name: '彭丽', relation: '网格员', phone: '13787300456' },
    ],
  },
  {
    id: 'p2', name: '黄国栋', community: '望月湖社区', address: '长沙市岳麓区望月湖小区 12 片 8 栋 104', phone: '13507318899',
    category: 'disabled', sex: 'male', born_in: 1958, serial: 'YD-100398', lat: 28.2161, lon: 112.9527,
    door_access: '一楼，门铃坏，请敲窗', medical_card: '右侧偏瘫，轮椅；糖尿病（胰岛素）',
    contacts: [{ name: '黄晓雯', relation: '女儿', phone: '13677350021' }],
  },
  {
    id: 'p3', name: '何淑珍', community: '银盆岭社区', address: '长沙市岳麓区银盆南路 66 号 5 栋 1203', phone: '13187016655',
    category: 'dementia', sex: 'female', born_in: 1939, serial: 'YD-100455', lat: 28.2402, lon: 112.9511, medical_card: '阿尔茨海默病中期',
    contacts: [{ name: '谭志强', relation: '女婿', phone: '13755011009' }],
  },
]
const SCRIPT = {
  zh: '您好，这里是一点通呼叫中心，我看到您按了求助。\n您现在哪里不舒服？能走动吗？身边有人吗？\n120 已经通知，附近的服务人员马上过来，请不要挂断。',
  en: 'This is the Yidiantong call centre; I can see that you have called for help.\nWhat is wrong? Can you move? Is anybody with you?\n120 has been told and somebody nearby is coming; please stay on the line.',
}

const incidents = new Map()
const log = []
const streams = new Set()
const offerStreams = new Set()
const sessions = new Map()
const unstored = new Map()
let forgotten = 0
const now = () => new Date().toISOString()
const inSeconds = (s) => new Date(Date.now() + s * 1000).toISOString()

function write(incident, what, data = {}, who) {
  const last = incident.timeline.at(-1)
  const entry = { seq: incident.timeline.length + 1, at: now(), what, ...(who ? { who } : {}), data }
  entry.hash = createHash('sha256').update((last?.hash ?? '') + JSON.stringify(entry)).digest('hex')
  incident.timeline.push(entry)
}

function derive(incident) {
  const at = ['asked', 'accepted', 'on_the_way', 'on_scene'].map((state) => incident.offers.some((offer) => offer.state === state)).lastIndexOf(true)
  if (incident.closed) incident.headline = 'closed'
  else if (!incident.claimed_by) incident.headline = 'ringing'
  else incident.headline = ['help_asked', 'accepted', 'on_the_way', 'on_scene'][at] ?? 'claimed'
  incident.tasks = [
    ...(incident.handovers.some((handover) => handover.voice_due) ? ['call_by_voice'] : []),
    ...(incident.handovers.some((handover) => handover.state === 'proposed') ? ['decide_centre'] : []),
    ...(incident.nobody_left ? ['nobody_left_to_ask'] : []),
    ...(incident.cancelled ? ['cancelled_by_wearer'] : []),
  ]
  const base = { emergency: 1000, wandering: 600, welfare: 400, service: 200 }[incident.class]
  incident.urgency = base + { none: 0, operators: 100, supervisors: 150 }[incident.ring] + (incident.claimed_by ? 0 : 100) + (incident.tasks.length ? 50 : 0)
}

const SUMMARY = ['id', 'class', 'kinds', 'headline', 'urgency', 'ring', 'subject', 'serial', 'opened_at', 'last_press_at', 'presses', 'claimed_by', 'handovers', 'doubts', 'drill', 'tasks', 'closed', 'cursor']
const summary = (incident) => structuredClone(Object.fromEntries(SUMMARY.filter((key) => key in incident).map((key) => [key, incident[key]])))

function publish(incident) {
  derive(incident)
  incident.cursor = `m${log.length + 1}`
  log.push({ cursor: incident.cursor, data: summary(incident) })
  for (const stream of streams) send(stream, log.at(-1))
  for (const stream of offerStreams) sendOffers(stream)
}

const send = (stream, { cursor, data }) => stream.write(`id: ${cursor}\nevent: incident\ndata: ${JSON.stringify(data)}\n\n`)
const sendOffers = (stream) => stream.write(`event: offers\ndata: ${JSON.stringify(ownOffers())}\n\n`)

function open({ resident, cls = 'emergency', kinds = ['sos'], ago = 0, doubts = [], drill = false, ring = 'operators', extra = {} }) {
  const at = new Date(Date.now() - ago * 1000).toISOString()
  const incident = {
    id: randomUUID(), class: cls, kinds, headline: 'ringing', urgency: 0, ring,
    subject: resident
      ? { kind: 'resident', id: resident.id, name: resident.name, community: resident.community, category: resident.category }
      : { kind: 'source' },
    serial: resident?.serial, opened_at: at, last_press_at: at, presses: 1, claimed_by: null, handovers: [], doubts, drill, tasks: [], closed: null, cursor: '',
    place: resident ? { lat: resident.lat, lon: resident.lon, accuracy_m: 12, age_s: 95, source: 'gnss', at: new Date(Date.parse(at) - 95_000).toISOString() } : null,
    address: resident?.address, door_access: resident?.door_access, phone: resident?.phone, medical_card: resident?.medical_card,
    born_in: resident?.born_in, sex: resident?.sex, contacts: resident?.contacts ?? [],
    terminal: resident ? { serial: resident.serial, model: 'YD-P2 挂件', battery_pct: 71, last_heard_at: at } : null,
    offers: [], timeline: [], script: cls === 'emergency' ? SCRIPT : null, notices: [],
    ...extra,
  }
  incidents.set(incident.id, incident)
  write(incident, 'pressed', { kind: kinds[0] })
  if (ring !== 'none') write(incident, 'rung', { level: 'operators' })
  incident.timeline.forEach((entry) => (entry.at = at))
  tell(incident, 'received')
  return incident
}

function tell(incident, news, extra) {
  incident.notices.push({ id: randomUUID(), news: extra ? { news, ...extra } : news, state: 'delivered', at: now() })
}

function handOver(incident, centre, state = 'prepared', extra = {}) {
  incident.handovers.push({ id: randomUUID(), centre, state, voice_due: false, ...extra })
  return incident.handovers.at(-1)
}

function offer(incident, responder, state = 'asked', extra = {}) {
  const who = RESPONDERS.find((each) => each.responder === responder)
  incident.offers.push({ id: randomUUID(), responder, name: who.name, provider: who.provider, phone: who.phone, state, asked_at: now(), answer_by: inSeconds(30), distance_m: who.distance_m, ...extra })
  return incident.offers.at(-1)
}

function climb(incident, handover) {
  const rungs = ['sent', 'acknowledged', 'dispatched', 'arrived']
  const next = () => {
    const state = rungs.shift()
    if (!state || ['stood_down', 'refused'].includes(handover.state) || incident.closed) return
    Object.assign(handover, { state, ...(state === 'acknowledged' ? { reference: '120-4471' } : {}), ...(state === 'dispatched' ? { minutes: 9 } : {}) })
    write(incident, 'handover_moved', { centre: handover.centre, state, ...(state === 'dispatched' ? { minutes: 9 } : {}) })
    if (state === 'dispatched') tell(incident, 'coming', { minutes: 9, who: '120' })
    publish(incident)
    setTimeout(next, 2500).unref()
  }
  setTimeout(next, 700).unref()
}

function press(resident, more = {}) {
  const already = [...incidents.values()].find((each) => !each.closed && each.subject.id === resident.id && each.class === 'emergency')
  if (already) {
    already.presses += 1
    already.last_press_at = now()
    already.ring = 'operators'
    write(already, 'pressed', { kind: 'sos' })
    publish(already)
    return already
  }
  const incident = open({ resident, ...more })
  if (incident.unproved) {
    handOver(incident, '120', 'proposed')
    write(incident, 'centre_proposed', { centre: '120' })
  } else if (!incident.drill) {
    const handover = handOver(incident, '120')
    write(incident, 'handed_over', { centre: '120' })
    climb(incident, handover)
  }
  const asked = offer(incident, 'r2')
  write(incident, 'asked', { offer: asked.id, responder: 'r2' })
  publish(incident)
  setTimeout(() => {
    if (asked.state !== 'asked') return
    asked.state = 'silent'
    write(incident, 'answered', { offer: asked.id, responder: 'r2', state: 'silent' })
    publish(incident)
  }, 30_000).unref()
  return incident
}

function seed() {
  const running = open({ resident: RESIDENTS[1], kinds: ['fall', 'sos'], ago: 524, ring: 'none' })
  running.presses = 2
  running.claimed_by = { id: 'u-op2', name: '李静' }
  write(running, 'claimed', {}, '李静')
  handOver(running, '120', 'dispatched', { reference: '120-4438', minutes: 6 })
  write(running, 'handover_moved', { centre: '120', state: 'dispatched', minutes: 6 })
  const going = offer(running, 'r3', 'on_the_way', { minutes: 4 })
  write(running, 'answered', { offer: going.id, responder: 'r3', state: { state: 'on_the_way', minutes: 4 } })
  publish(running)

  const lost = open({ resident: RESIDENTS[2], cls: 'wandering', kinds: ['fence_exit'], ago: 1260, ring: 'none' })
  lost.claimed_by = { id: 'u-op2', name: '李静' }
  lost.nobody_left = true
  Object.assign(lost.place, { lat: 28.2347, lon: 112.9432, accuracy_m: 85, source: 'wifi' })
  write(lost, 'nobody_left', { shortfall: 'nobody_near' })
  publish(lost)

  const flat = open({ resident: { ...RESIDENTS[0], id: 'p9', name: '罗德明', community: '咸嘉湖社区', serial: 'YD-100512' }, cls: 'welfare', kinds: ['low_battery'], ago: 4100, ring: 'none', extra: { terminal: { serial: 'YD-100512', model: 'YD-P2 挂件', battery_pct: 6, last_heard_at: now() } } })
  flat.ring = 'none'
  publish(flat)

  const done = open({ resident: { ...RESIDENTS[1], id: 'p8', name: '蒋玉兰', community: '望岳街道' }, ago: 9200, ring: 'none' })
  done.closed = { outcome: 'false_press', at: inSeconds(-8800), by: '王芳' }
  write(done, 'closed', { outcome: 'false_press' }, '王芳')
  publish(done)
  log.splice(0)
}

const features = (all) => ({ type: 'FeatureCollection', features: all })
const feature = (type, coordinates, properties) => ({ type: 'Feature', geometry: coordinates && { type, coordinates }, properties })

/** How the wearer of the first fence came to be outside. */
const TURN = {
  from: 'suspected', to: 'confirmed', at: '2026-05-01T08:10:00Z', since: '2026-05-01T08:04:10Z', decided_at: '2026-05-01T08:10:02Z', chance: 0.9981,
  distance_m: 139.2, stories: { walks: 0.982, rides: 0.011 },
  fixes: [[6, 24, 6], [8, 61, 9], [10, 139, 8]].map(([minute, distance_m, accuracy_m]) => ({ at: `2026-05-01T08:${String(minute).padStart(2, '0')}:00Z`, source: 'gnss', distance_m, accuracy_m })),
}
const FENCES = new Map([
  ['f1', { id: 'f1', of: 'p3', kind: 'safe', name: '小区', active: true, version: 1, state: 'outside', turn: TURN, shape: { type: 'circle', center: [112.9511, 28.2402], radius_m: 350 } }],
  ['f2', { id: 'f2', of: 'p3', kind: 'safe', name: '银盆公园', active: true, version: 3, state: 'doubtful', shape: { type: 'polygon', coordinates: [[[112.946, 28.2422], [112.9495, 28.2436], [112.9502, 28.2463], [112.9466, 28.2459], [112.946, 28.2422]]] } }],
  ['f3', { id: 'f3', of: 'p1', kind: 'safe', name: '小区', active: true, version: 1, state: 'inside', shape: { type: 'circle', center: [112.93874, 28.22813], radius_m: 260 } }],
])
/** The access points of homes that somebody wrote down; each home has one that was learnt, too. */
const POINTS = new Map()
const COMMANDS = new Map()
/** What the terminal of a case or a resident was told; it does at once what it is told. */
function commandsOf(of, told, by) {
  const commands = COMMANDS.get(of) ?? []
  if (told) {
    const at = inSeconds(0)
    const command = { id: randomUUID(), serial: 'P1001', command: told.command, by, why: told.reason, state: 'done', over: true, confirmed: true, asked_at: at, not_after: at, tries: 1, answer: '' }
    COMMANDS.set(of, [command, ...commands])
    return command
  }
  return { commands, may_listen_in: false }
}
const RULES = new Map()
/** Two sides that cross, as the dispatcher says it: with the place. */
function checkDrawing(shape) {
  const ring = shape.type === 'polygon' ? shape.coordinates[0] : []
  const turn = (a, b, c) => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
  for (let one = 0; one + 1 < ring.length; one++)
    for (let other = one + 2; other + 1 < ring.length; other++) {
      const [a, b, c, d] = [ring[one], ring[one + 1], ring[other], ring[other + 1]]
      if (turn(a, b, c) * turn(a, b, d) >= 0 || turn(c, d, a) * turn(c, d, b) >= 0) continue
      const share = turn(c, d, a) / (turn(c, d, a) - turn(c, d, b))
      const at = [a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])]
      raise(Object.assign(new Wrong(422, 'bad_field', 'shape: the outline crosses or touches itself in 1 places'), { field: 'shape', more: { where: { type: 'MultiPoint', coordinates: [at] } } }))
    }
}
const fencesOf = (resident) => [...FENCES.values()].filter((fence) => fence.of === resident)

/** Everything of a case that has a place. */
function caseMap(incident) {
  const { place } = incident
  if (!place) return { place: null, features: features([]) }
  const at = [place.lon, place.lat]
  const from = (metres, turn) => [at[0] + (metres / 98_000) * Math.cos(turn), at[1] + (metres / 111_000) * Math.sin(turn)]
  const resident = RESIDENTS.find((each) => each.id === incident.subject.id)
  const all = district.around(at).map((one) => ({ ...one, properties: { ...one.properties, what: 'node' } }))
  if (resident) all.push(feature('Point', [resident.lon, resident.lat], { what: 'home' }))
  if (incident.class === 'wandering') {
    const way = Array.from({ length: 14 }, (_, n) => [resident.lon + (at[0] - resident.lon) * (n / 13) + Math.sin(n * 1.7) * 0.0007, resident.lat + (at[1] - resident.lat) * (n / 13) + Math.cos(n * 1.3) * 0.0006])
    way[13] = at
    all.push(feature('LineString', way, { what: 'track' }), ...way.map((one, n) => feature('Point', one, { what: 'fix', at: inSeconds(-60 * (14 - n)) })))
  }
  incident.offers.filter((each) => ['asked', 'accepted', 'on_the_way', 'on_scene'].includes(each.state)).forEach((each, n) => {
    const now = from(each.distance_m * 0.7, 0.7 + n)
    const begun = from(each.distance_m * 1.3, 0.25 + n)
    const bend = from(each.distance_m, 0.6 + n)
    all.push(feature('LineString', [begun, bend, now], { what: 'way', id: each.id }), feature('Point', now, { what: 'responder', id: each.id, name: each.name, state: each.state, age_s: 9 }))
  })
  for (const each of incident.handovers) {
    if (each.centre === '120' && each.state === 'dispatched') all.push(feature('Point', from(1900, 2.4), { what: 'vehicle', id: each.id, plate: '湘A·120L7', state: each.state, age_s: 6 }))
  }
  all.push(...district.stations.map((one) => ({ ...one, properties: { ...one.properties, what: 'station' } })))
  return { place: { ...place, age_s: Math.round((Date.now() - Date.parse(place.at)) / 1000) }, features: features(all) }
}

/** What was changed of residents. */
const EDITS = new Map()

function residentPage(id) {
  const kept = RESIDENTS.find((each) => each.id === id)
  const home = district.people.find((each) => each.properties.id === id)
  if (!kept && !home) raise(new Wrong(404, 'not_found', 'there is no such resident'))
  const at = kept ? [kept.lon, kept.lat] : home.geometry.coordinates
  const serving = district.around(at).map(({ properties: { id, level, name } }) => ({ id, level, name }))
  const past = [...incidents.values()].filter((each) => each.subject.id === id)
  return {
    id, version: 1, ...(kept ?? { ...home.properties, address: home.properties.community, contacts: [{ rank: 1, name: '陈明', relation: 'son', phone: '13800000101', email: 'ming@mail.example' }] }),
    home: { lon: at[0], lat: at[1] }, serving, registered: id === 'p2' ? [{ id: 'x', level: 'community', name: '天心区坡子街社区' }] : serving,
    terminals: kept ? [{ serial: kept.serial, model: 'YD-P2 挂件', battery_pct: 71, last_heard_at: inSeconds(-140) }] : [],
    ...EDITS.get(id),
    incidents: past.map(({ id, class: cls, kinds, opened_at, closed, drill }) => ({ id, class: cls, kinds, opened_at, closed_at: closed?.at ?? null, outcome: closed?.outcome ?? null, drill })),
  }
}

const ownOffers = () => ({
  duty: true,
  offers: [...incidents.values()].flatMap((incident) =>
    incident.offers
      .filter((each) => each.responder === 'r1' && ['asked', 'accepted', 'on_the_way', 'on_scene'].includes(each.state))
      .map((each) => ({
        ...each,
        incident: { address: incident.address, place: incident.place, person_name: incident.subject.name, door_access: incident.door_access, kinds: incident.kinds, phone: incident.phone, drill: incident.drill },
      })),
  ),
})

class Wrong extends Error {
  constructor(status, code, message, reason, current) {
    super(message)
    Object.assign(this, { status, code, reason, current })
  }
}
const find = (id) => incidents.get(id) ?? raise(new Wrong(404, 'not_found', 'no such incident'))
const raise = (error) => {
  throw error
}

const ACTS = {
  claim(incident, user) {
    if (incident.claimed_by && incident.claimed_by.id !== user.id && user.role === 'operator') raise(new Wrong(409, 'refused', 'somebody else has claimed it', 'claimed_by_other'))
    incident.claimed_by = { id: user.id, name: user.name }
    incident.ring = 'none'
    write(incident, 'claimed', {}, user.name)
    tell(incident, 'claimed')
  },
  release(incident, user) {
    incident.claimed_by = null
    incident.ring = 'operators'
    write(incident, 'released', {}, user.name)
  },
  ask(incident, user, { responder }) {
    const asked = offer(incident, responder)
    write(incident, 'asked', { offer: asked.id, responder }, user.name)
    if (responder === 'r1') return
    setTimeout(() => {
      if (asked.state !== 'asked') return
      Object.assign(asked, { state: 'accepted', minutes: 5 })
      write(incident, 'answered', { offer: asked.id, responder, state: 'accepted', minutes: 5 })
      tell(incident, 'coming', { minutes: 5, who: asked.name })
      publish(incident)
    }, 2000).unref()
  },
  withdraw(incident, user, { offer: id }) {
    const found = incident.offers.find((each) => each.id === id)
    found.state = 'withdrawn'
    write(incident, 'answered', { offer: id, responder: found.responder, state: 'withdrawn' }, user.name)
  },
  'hand-over'(incident, user, { centre }) {
    const proposed = incident.handovers.find((each) => each.centre === centre && each.state === 'proposed')
    const handover = proposed ? Object.assign(proposed, { state: 'prepared' }) : handOver(incident, centre)
    write(incident, 'handed_over', { centre }, user.name)
    climb(incident, handover)
  },
  'stand-down'(incident, user, { centre, reason }) {
    const handover = incident.handovers.find((each) => each.centre === centre && !['stood_down', 'closed'].includes(each.state))
    Object.assign(handover ?? raise(new Wrong(409, 'refused', 'there is no such hand-over', 'no_such_handover')), { state: 'stood_down', reason, voice_due: false })
    write(incident, 'handover_moved', { centre, state: 'stood_down', reason }, user.name)
  },
  'voice-done'(incident, user, { centre, reference }) {
    for (const handover of incident.handovers) if (handover.centre === centre) Object.assign(handover, { voice_due: false, state: 'by_voice', reference })
    write(incident, 'voice_done', { centre, reference }, user.name)
  },
  close(incident, user, { outcome, note }) {
    if (incident.handovers.some((each) => ['prepared', 'sent', 'acknowledged', 'dispatched'].includes(each.state))) raise(new Wrong(409, 'refused', 'a centre may still be on its way', 'centre_under_way'))
    incident.closed = { outcome, at: now(), by: user.name }
    incident.ring = 'none'
    write(incident, 'closed', { outcome, note }, user.name)
    tell(incident, 'all_clear')
  },
  note(incident, user, { text }) {
    write(incident, 'noted', { text }, user.name)
  },
}

const KEYED = [
  { serial: 'chen/phone', wearer: '陈秀英', encrypts: true, heard_at: inSeconds(-240), unreadable: null },
  { serial: 'li/phone', wearer: '李桂兰', encrypts: true, heard_at: inSeconds(-3_600), unreadable: { at: inSeconds(-3_600), serial: 'li/phone', why: 'encrypted with another key than this terminal\'s, or damaged' } },
  { serial: 'wang/phone', wearer: null, encrypts: false, heard_at: null, unreadable: null },
]

function payloadKeys(request, body, json) {
  const asked = new URL(request.url, 'http://x').searchParams
  const whose = KEYED.find((one) => one.serial === (asked.get('serial') ?? body?.serial))
  if (request.method === 'DELETE') {
    whose.encrypts = false
    return json(204)
  }
  if (request.method === 'PUT') {
    whose.encrypts = true
    return json(200, { serial: whose.serial, key: body.key ? null : 'k7m2qd_9tn4vwx3hb6zcr8fpg5' })
  }
  return json(200, { terminals: KEYED.filter((one) => `${one.serial} ${one.wearer}`.includes(asked.get('q') ?? '')), more: false })
}

/** The shipped profile, one of the installation's own, and terminals of one that is gone. */
function profiles() {
  const taken = (pairs) => Object.entries(pairs).map(([what, from]) => ({ what, from }))
  return {
    profiles: [
      {
        profile: 'g616', name: 'g616', shipped: true, datum: 'gcj02', terminals: 42, heard_at: inSeconds(-35),
        unreadable: { at: inSeconds(-7_200), serial: '860000000000017', why: 'not JSON: expected value at line 1 column 1' },
        up: ['atom/g616/status/{serial}'], answers: ['atom/g616/cmd/{serial}/{word}'], down: 'atom/g616/cmd/{serial}/{word}',
        takes: taken({ serial: '/imei', time: '/locationDate /locationTime', 'position.pair': '/location', wifi: '/positionWifi', battery: '/battery', worn: '/isWearing', online: '/isOnline', heart_rate: '/heartRate', systolic: '/bpSystolic', diastolic: '/bpDiastolic', oxygen: '/bloodOxygen', temperature: '/temperature', steps: '/stepCount' }),
        alarms: [{ from: '/sos', when: 'true, 1, yes, on, y', raises: 'sos' }], commands: ['contacts', 'text'],
      },
      {
        profile: 'kangyang', name: 'kangyang', shipped: false, datum: 'bd09', terminals: 0, heard_at: null, unreadable: null,
        up: ['ky/{serial}/up'], answers: [], down: null, takes: taken({ 'position.lat': '/gps/lat', 'position.lon': '/gps/lng', battery: '/bat' }),
        alarms: [{ from: '/code', when: '1', raises: 'sos' }, { from: '/code', when: '6', raises: 'fall' }, { from: '/bits', when: 'bit 3', raises: 'low_battery' }, { from: '/pulse', when: '> 150, < 40', raises: 'heart_rate' }],
        commands: [],
      },
    ],
    missing: [{ profile: 'g620', terminals: 3, heard_at: inSeconds(-90_000), unreadable: null }],
    unnamed: { profile: null, terminals: 5, heard_at: inSeconds(-60), unreadable: null },
  }
}

const MOCK = {
  press: () => press(RESIDENTS[0]),
  unproved: () => press({ ...RESIDENTS[0], id: 'p-unproved', name: '手表用户', serial: '8800000015' }, { extra: { unproved: true } }),
  drill: () => press({ ...RESIDENTS[2], id: 'p-drill', name: '演练用户' }, { drill: true }),
  doubtful: () => {
    const incident = open({
      resident: null, kinds: ['unreadable'],
      doubts: [{ doubt: 'unknown_terminal' }, { doubt: 'fix_at_zero' }, { doubt: 'clock_off', seconds: 631_152_000 }, { doubt: 'field', name: 'battery_pct' }],
      extra: { serial: 'G616-88213', subject: { kind: 'source', id: 'G616-88213' } },
    })
    write(incident, 'teleported', { from: 'here' })
    publish(incident)
    return incident
  },
  louder: () => {
    for (const incident of incidents.values()) {
      if (incident.ring !== 'operators') continue
      incident.ring = 'supervisors'
      write(incident, 'rung', { level: 'supervisors' })
      publish(incident)
    }
  },
  'refuse-120': () => {
    for (const incident of incidents.values()) {
      const handover = incident.handovers.find((each) => each.centre === '120' && !['refused', 'stood_down', 'by_voice'].includes(each.state))
      if (!handover || incident.closed) continue
      Object.assign(handover, { state: 'refused', reason: '无可派车辆', voice_due: true })
      incident.cancelled = true
      write(incident, 'handover_moved', { centre: '120', state: 'refused', reason: '无可派车辆' })
      write(incident, 'voice_due', { centre: '120' })
      write(incident, 'cancelled')
      publish(incident)
    }
  },
  'ask-me': () => {
    const incident = press(RESIDENTS[0])
    offer(incident, 'r1')
    publish(incident)
  },
  unstored: () => ring({ id: randomUUID(), serial: 'YD-100871', received_at: now(), what: 'SOS 按键', stored: false }),
  stored: () => [...unstored.values()].forEach((alert) => ring({ ...alert, stored: true })),
  cut: () => [...streams, ...offerStreams].forEach((stream) => stream.destroy()),
  forget: () => (forgotten = log.length),
  refence: () => FENCES.forEach((fence) => (fence.version += 1)),
  reedit: () => RESIDENTS.forEach((each) => (EDITS.set(each.id, { ...EDITS.get(each.id), version: (EDITS.get(each.id)?.version ?? 1) + 1, door_access: '门禁 2468#' }))),
  expire: () => {
    sessions.clear()
    MOCK.cut()
  },
}
let down = false

function ring(alert) {
  if (alert.stored) unstored.delete(alert.id)
  else unstored.set(alert.id, alert)
  for (const stream of streams) stream.write(`event: unstored\ndata: ${JSON.stringify(alert)}\n\n`)
}

async function answer(request, response, url) {
  const path = url.pathname.replace('/api/v1', '')
  const json = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(body === undefined ? undefined : JSON.stringify(body))
  }
  const parts = []
  for await (const part of request) parts.push(part)
  const body = parts.length ? JSON.parse(Buffer.concat(parts).toString()) : {}
  const token = /ydt_session=(\w+)/.exec(request.headers.cookie ?? '')?.[1]
  const session = sessions.get(token)

  if (path === '/session' && request.method === 'POST') {
    const user = USERS[body.login]
    if (!user || body.password !== 'demo') raise(new Wrong(401, 'bad_credentials', 'wrong'))
    const fresh = randomUUID().replaceAll('-', '')
    sessions.set(fresh, { user, csrf: randomUUID() })
    response.setHeader('set-cookie', `ydt_session=${fresh}; HttpOnly; SameSite=Strict; Path=/`)
    return json(200, sessions.get(fresh))
  }
  if (!session) raise(new Wrong(401, 'not_logged_in', 'log in'))
  if (request.method !== 'GET' && request.headers['x-csrf-token'] !== session.csrf) raise(new Wrong(403, 'bad_csrf', 'token'))
  if (path === '/session' && request.method === 'GET') return json(200, session)
  if (path === '/session') {
    sessions.delete(token)
    return json(204)
  }
  if (path === '/presence' || path.startsWith('/responder/')) return json(204)
  if (path === '/incidents' && request.method === 'GET') {
    const closed = url.searchParams.get('state') === 'closed'
    return json(200, { incidents: [...incidents.values()].filter((each) => !!each.closed === closed).map(summary), cursor: `m${log.length}` })
  }
  if (path === '/incidents') {
    const resident = RESIDENTS.find((each) => each.id === body.resident)
    const incident = open({
      resident, kinds: ['telephone'], drill: body.drill === true, ring: 'none',
      extra: resident ? {} : { subject: { kind: 'caller' }, phone: body.phone, address: body.place_in_words },
    })
    incident.claimed_by = { id: session.user.id, name: session.user.name }
    write(incident, 'noted', { text: body.note }, session.user.name)
    publish(incident)
    return json(201, summary(incident))
  }
  if (path === '/live') {
    const after = Number((url.searchParams.get('after') ?? `m${log.length}`).slice(1))
    if (after < forgotten) return json(410, { error: { code: 'not_found', message: 'cursor unknown' } })
    stream(response, streams)
    response.write(`event: hello\ndata: {"cursor":"m${log.length}"}\n\n`)
    if (!OUTAGE_BY.name && process.env.YDT_MOCK_OUTAGE) response.write(`event: outages\ndata: ${JSON.stringify(silence().outages.slice(0, 1))}\n\n`)
    for (const alert of unstored.values()) response.write(`event: unstored\ndata: ${JSON.stringify(alert)}\n\n`)
    for (const event of log.slice(after)) send(response, event)
    return
  }
  if (path === '/silence') return json(200, silence())
  if (path === '/suspicions') return json(200, { suspicions: suspicions() })
  if (/^\/suspicions\/.*\/acknowledge$/.test(path)) {
    Object.assign(SUSPICION, { acknowledged_at: inSeconds(0), acknowledged_by: session.user, note: body.note })
    return json(200, { suspicions: suspicions() })
  }
  if (/^\/outages\/[^/]+\/acknowledgement$/.test(path)) {
    OUTAGE_BY.name = '刘班长'
    return json(200, silence().outages[0])
  }
  if (path.startsWith('/silence/terminals')) return json(200, troubled(new URL(request.url, 'http://x').searchParams.get('trouble')))
  if (path === '/heartbeat-contracts') {
    if (request.method === 'PUT') {
      const known = HEARTBEATS.find((each) => each.model === body.model)
      if (known) Object.assign(known, body, { version: known.version + 1 })
      else HEARTBEATS.push({ ...body, version: 1 })
    }
    return json(200, { contracts: HEARTBEATS })
  }
  if (/^\/outages\/[^/]+\/members$/.test(path)) {
    const members = RESIDENTS.slice(0, 3).map((one, n) => ({ id: n + 1, serial: `P10${n}`, resident: one.id, name: one.name, heard_at: inSeconds(-1_800), returned_at: null }))
    return json(200, { members, next: null })
  }
  if (path.startsWith('/test-presses')) {
    const untested = RESIDENTS.slice(0, 3).map((one, n) => ({ id: n + 1, serial: `P10${n}`, resident: one.id, name: one.name, node: '湘雅路社区', tested_at: n ? null : inSeconds(-86_400 * 40), stage: 'heard' }))
    return json(200, { month: '2026-11', worn: 312, tested: 309, untested, next: null })
  }
  if (path === '/doors') return json(200, { doors: doors() })
  if (path === '/profiles') return json(200, profiles())
  if (path.startsWith('/payload-keys')) return payloadKeys(request, body, json)
  if (path === '/categories') return json(200, { categories: CATEGORIES })
  if (path === '/settings/map') return json(200, { tiles: null, center: null, bounds: [[112.9, 28.2], [112.9875, 28.258]] })
  if (path === '/map/nodes') return json(200, features(district.nodes))
  if (path === '/map/people') {
    return json(200, features([...district.people, ...RESIDENTS.map((each) => feature('Point', [each.lon, each.lat], { id: each.id, name: each.name, category: each.category, community: each.community }))]))
  }
  if (path === '/map/stations') return json(200, features(district.stations))
  if (path === '/map/responders') return json(200, features(district.responders()))
  if (path === '/map/incidents') {
    return json(200, features([...incidents.values()].filter((each) => !each.closed).map(({ id, place }) => feature('Point', place && [place.lon, place.lat], { id, accuracy_m: place?.accuracy_m, age_s: place?.age_s, source: place?.source }))))
  }
  if (path === '/residents') {
    const q = url.searchParams.get('q') ?? ''
    return json(200, { residents: RESIDENTS.filter((each) => `${each.name}${each.phone}${each.address}`.includes(q)) })
  }
  if (path === '/offers') return json(200, ownOffers())
  if (path === '/offers/live') {
    stream(response, offerStreams)
    return sendOffers(response)
  }
  const [, kind, id, act] = path.split('/')
  if (kind === 'offers') {
    const incident = [...incidents.values()].find((each) => each.offers.some((one) => one.id === id))
    const mine = incident?.offers.find((one) => one.id === id) ?? raise(new Wrong(404, 'not_found', 'no offer'))
    mine.state = { accept: 'accepted', decline: 'declined', 'on-the-way': 'on_the_way', arrived: 'on_scene', done: 'done' }[act]
    Object.assign(mine, body)
    write(incident, 'answered', { offer: id, responder: mine.responder, state: mine.state, ...body }, session.user.name)
    publish(incident)
    return json(200, {})
  }
  if (kind === 'residents') {
    if (!act && request.method === 'PUT') {
      const now = residentPage(id)
      if (body.version !== now.version) raise(new Wrong(409, 'edited_meanwhile', 'somebody has changed this meanwhile', undefined, now))
      EDITS.set(id, { ...body, version: now.version + 1, contacts: body.contacts.map((each, index) => ({ ...each, rank: index + 1 })) })
      return json(200, residentPage(id))
    }
    if (!act) return json(200, residentPage(id))
    if (act === 'locate') {
      const kept = RESIDENTS.find((each) => each.id === id)
      return json(200, { place: kept ? { lat: kept.lat + 0.0011, lon: kept.lon + 0.0014, accuracy_m: 60, age_s: 210, source: 'wifi', at: inSeconds(-210) } : null })
    }
    if (act === 'commands') return json(200, commandsOf(id, request.method === 'POST' ? body : null, session.user))
    if (act === 'check-in-plan') {
      if (request.method === 'DELETE') return CHECK_INS.delete(id) && json(204)
      const next = body.active ? { due_at: inSeconds(20_000), deadline: inSeconds(20_000 + body.grace_min * 60) } : { due_at: null, deadline: null }
      CHECK_INS.set(id, { ...CHECK_INS.get(id), plan: { ...body, time_zone: body.time_zone ?? 'Asia/Shanghai', version: body.version + 1, ...next } })
      return json(200, checkIns(id))
    }
    if (act === 'usual') {
      if (request.method === 'PUT') USUAL.set(id, { chosen: body.chosen, version: body.version + 1 })
      return json(200, usual(id))
    }
    if (act === 'check-in-pauses') {
      const kept = CHECK_INS.get(id) ?? {}
      const pauses = request.method === 'POST' ? [...(kept.pauses ?? []), { id: randomUUID(), since: inSeconds(0), ...body }] : []
      CHECK_INS.set(id, { ...kept, pauses })
      return request.method === 'POST' ? json(201, checkIns(id)) : json(204)
    }
    if (act === 'check-ins') return json(request.method === 'POST' ? 201 : 200, checkIns(id))
    if (act === 'set-up') {
      if (body.setting.do === 'report_every' && body.setting.every_s < 10) raise(new Wrong(422, 'unprocessable', `every_s: ${body.setting.every_s} does not lie between 10 and 86400`))
      return json(201, commandsOf(id, { command: body.setting }, session.user))
    }
    if (act === 'access-points') {
      if (request.method === 'PUT') POINTS.set(id, body.access_points.map((mac) => ({ mac, entered: true, counts: true, seen_at: inSeconds(0) })))
      return json(200, { access_points: [...(POINTS.get(id) ?? []), { mac: 'c8:3a:35:00:10:02', entered: false, counts: true, seen_at: inSeconds(-86_400) }] })
    }
    if (act === 'refusals') return json(200, { refusals: [], visitors: [] })
    if (act === 'fence-rules') {
      const held = RULES.get(id) ?? { version: 0, time_zone: 'Asia/Shanghai', rules: [], pauses: [] }
      if (request.method === 'PUT') {
        const clash = body.rules.findIndex((one, n) => body.rules.slice(0, n).some((other) => other.fence === one.fence && (other.expect === 'outside') !== (one.expect === 'outside')))
        if (clash > 0) raise(Object.assign(new Wrong(422, 'bad_rules', 'somebody cannot be inside and outside of the same fence at the same time', 'in_and_out'), { more: { rules: [0, clash] } }))
        RULES.set(id, { ...held, version: held.version + 1, rules: body.rules.map((rule) => ({ ...rule, id: rule.id ?? randomUUID() })) })
        fencesOf(id).forEach((fence) => (fence.by_rules = body.rules.some((rule) => rule.fence === fence.id) ? 'haven' : 'no'))
      }
      return json(200, RULES.get(id) ?? held)
    }
    if (act === 'fence-pauses') {
      const held = RULES.get(id) ?? { version: 0, time_zone: 'Asia/Shanghai', rules: [], pauses: [] }
      RULES.set(id, { ...held, version: held.version + 1, pauses: [...held.pauses, { id: randomUUID(), ...body }] })
      return json(201, RULES.get(id))
    }
    if (path.endsWith('/fences/common')) return json(200, { fences: [{ name: '月湖公园', residents: 12, shape: FENCES.get('f2').shape }, { name: '社区', residents: 5, shape: { type: 'circle', center: [112.9505, 28.2405], radius_m: 600 } }] })
    if (path.endsWith('/fences/try')) {
      checkDrawing(body.shape)
      const alert = (days, why) => ({ left_at: inSeconds(-86400 * days), told_at: inSeconds(-86400 * days + 340), back_at: inSeconds(-86400 * days + 2400), beyond_m: 139, chance: 0.994, stories: TURN.stories, fixes: TURN.fixes, why })
      return json(200, { days: 30, fixes: 8412, is_cut: false, count: 2, suspicions: 5, mended: [], alerts: [alert(12, 'confirmed: 139 m beyond the edge, 99.4 % sure that they are outside'), alert(3, 'confirmed: 212 m beyond the edge, 99.9 % sure that they are outside')] })
    }
    if (request.method === 'GET') return json(200, { fences: fencesOf(id) })
    checkDrawing(body.shape)
    if (body.active && !body.when_outside && body.shape.type === 'polygon') raise(Object.assign(new Wrong(409, 'refused', 'outside', 'wearer_outside'), { more: { choices: { when_outside: ['alert', 'wait'], distance_m: 740, at: inSeconds(-210) } } }))
    const awaits = body.when_outside === 'wait'
    const fence = { kind: 'safe', ...body, active: body.active && !awaits, awaits, id: randomUUID(), of: id, version: 1, state: 'doubtful' }
    FENCES.set(fence.id, fence)
    return json(201, fence)
  }
  if (kind === 'fences') {
    const fence = FENCES.get(id) ?? raise(new Wrong(404, 'not_found', 'there is no such fence'))
    if (request.method === 'PUT' && body.version !== fence.version) raise(new Wrong(409, 'edited_meanwhile', 'somebody has edited it meanwhile', undefined, fence))
    if (request.method === 'DELETE') {
      FENCES.delete(id)
      return json(204)
    }
    Object.assign(fence, body, { version: fence.version + 1 })
    return json(200, fence)
  }
  const incident = find(id)
  if (!act) return json(200, { ...incident, fences: fencesOf(incident.subject.id) })
  if (act === 'commands') return json(200, commandsOf(id, request.method === 'POST' ? body : null, session.user))
  if (act === 'map') return json(200, caseMap(incident))
  if (act === 'likely-places') return json(200, { places: likely(incident) })
  if (act === 'candidates') return json(200, { candidates: RESPONDERS, shortfall: null })
  const does = ACTS[act] ?? raise(new Wrong(404, 'not_found', 'no such act'))
  if (act !== 'claim' && act !== 'note' && incident.claimed_by?.id !== session.user.id) raise(new Wrong(409, 'refused', 'claim it first', 'not_claimed'))
  does(incident, session.user, body)
  publish(incident)
  json(200, incident)
}

function stream(response, group) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  response.flushHeaders()
  const alive = setInterval(() => response.write(': here\n\n'), 10_000)
  group.add(response)
  response.on('close', () => {
    clearInterval(alive)
    group.delete(response)
  })
}

async function file(response, path) {
  const name = normalize(path === '/' ? '/index.html' : path)
  let content
  try {
    content = await readFile(join(DIST, name))
  } catch {
    content = await readFile(join(DIST, 'index.html'))
  }
  response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? TYPES['.html'], 'content-security-policy': POLICY })
  response.end(content)
}

seed()
const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://mock')
  try {
    if (url.pathname.startsWith('/mock/')) {
      const what = url.pathname.slice(6)
      if (what === 'down' || what === 'up') {
        down = what === 'down'
        if (down) MOCK.cut()
      } else {
        MOCK[what]()
      }
      response.end('done\n')
    } else if (url.pathname.startsWith('/api/')) {
      if (down) return request.socket.destroy()
      await answer(request, response, url)
    } else {
      await file(response, url.pathname)
    }
  } catch (error) {
    const status = error.status ?? 500
    if (status === 500) console.error(error)
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ error: { code: error.code ?? 'internal', message: error.message, reason: error.reason, current: error.current, field: error.field, ...error.more } }))
  }
})
server.listen(Number(process.env.YDT_MOCK_PORT ?? 8470), '127.0.0.1', () => {
  console.log(`mock: http://127.0.0.1:${server.address().port} (operator, operator2, supervisor, responder; password demo)`)
})
