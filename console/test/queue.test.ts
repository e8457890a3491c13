import { describe, expect, it } from 'vitest'
import type { Summary, Unstored } from '../src/api/types'
import { EMPTY, inOrder, lastRise, neighbour, ringing, standing, step, type Input, type Queue } from '../src/model/queue'

const AT = '2026-05-01T08:00:00Z'

function summary(id: string, over: Partial<Summary> = {}): Summary {
  return {
    id,
    class: 'emergency',
    kinds: ['sos'],
    headline: 'ringing',
    urgency: 1200,
    ring: 'operators',
    subject: { kind: 'resident', name: id },
    opened_at: AT,
    last_press_at: AT,
    presses: 1,
    handovers: [],
    doubts: [],
    drill: false,
    tasks: [],
    cursor: `${id}-0`,
    ...over,
  }
}

const loaded = (...incidents: Summary[]): Queue => step(EMPTY, { is: 'loaded', incidents, cursor: 'c0' }).queue
const streamed = (id: string, cursor: string, over: Partial<Summary> = {}): Input => ({
  is: 'streamed',
  summary: summary(id, { cursor, ...over }),
  cursor,
})
const run = (queue: Queue, ...inputs: Input[]) => inputs.reduce((at, input) => step(at, input).queue, queue)
const shown = (queue: Queue, id: string) => queue.incidents.get(id)

const OPERATOR = { id: 'me', grants: [{ role: 'operator' }] }
const SUPERVISOR = { id: 'boss', grants: [{ role: 'supervisor' }] }
const GRID_OFFICER = { id: 'grid', grants: [{ role: 'grid_officer' }] }

describe('the order', () => {
  it('puts the most urgent first, and among equals whoever has waited longest', () => {
    const order = inOrder([
      summary('late', { opened_at: '2026-05-01T08:00:09Z' }),
      summary('calm', { urgency: 200 }),
      summary('early', { opened_at: '2026-05-01T08:00:01Z' }),
      summary('worst', { urgency: 1250 }),
    ])
    expect(order.map((each) => each.id)).toEqual(['worst', 'early', 'late', 'calm'])
  })

  it('changes by itself when somebody has been silent for long enough, and says why', () => {
    const next = { at: '2026-05-01T08:02:00Z', urgency: 1230, reasons: ['silent', 'pressed_again'] }
    const silent = summary('silent', { urgency: 1205, priority: { reasons: ['pressed_again'], next } })
    const all = [silent, summary('ill', { urgency: 1220, priority: { reasons: ['medical_risk'] } })]
    const before = Date.parse(next.at) - 1
    const ids = (now: number) => inOrder(all, lastRise(all, now)).map((each) => each.id)
    expect([ids(before), ids(before + 1)]).toEqual([['ill', 'silent'], ['silent', 'ill']])
    expect([standing(silent, before).reasons, standing(silent, before + 1).reasons]).toEqual([['pressed_again'], next.reasons])
    // Between two such moments nothing has to be sorted anew.
    expect([lastRise(all, before), lastRise(all, before + 1), lastRise(all, before + 60_000)]).toEqual([0, before + 1, before + 1])
    expect(standing(summary('plain'), before)).toEqual({ urgency: 1200, reasons: [] })
  })

  it('is the same whatever came in first', () => {
    const all = ['b', 'a', 'c'].map((id) => summary(id))
    expect(inOrder(all).map((each) => each.id)).toEqual(['a', 'b', 'c'])
    expect(inOrder(all.reverse()).map((each) => each.id)).toEqual(['a', 'b', 'c'])
  })

  it('moves to a neighbour and stops at both ends', () => {
    const order = ['a', 'b', 'c']
    expect(neighbour(order, 'a', 1)).toBe('b')
    expect(neighbour(order, 'c', 1)).toBe('c')
    expect(neighbour(order, 'a', -1)).toBe('a')
    expect(neighbour(order, null, 1)).toBe('a')
    expect(neighbour(order, 'gone', -1)).toBe('a')
    expect(neighbour([], 'a', 1)).toBeNull()
  })
})

describe('the stream', () => {
  it('advances the cursor with every event taken in', () => {
    const queue = run(loaded(summary('a')), streamed('a', 'c1'), streamed('b', 'c2'))
    expect(queue.cursor).toBe('c2')
    expect([...queue.incidents.keys()]).toEqual(['a', 'b'])
  })

  it('gives the same queue when its tail is delivered twice', () => {
    const tail = [
      streamed('a', 'c1', { presses: 2 }),
      streamed('b', 'c2'),
      streamed('a', 'c3', { ring: 'none', headline: 'claimed' }),
      streamed('b', 'c4', { headline: 'closed', ring: 'none' }),
    ]
    const once = run(loaded(summary('a')), ...tail)
    for (let from = 0; from < tail.length; from += 1) {
      expect(run(once, ...tail.slice(from))).toEqual(once)
    }
  })

  it('does not announce a repeated event', () => {
    const first = step(loaded(), streamed('a', 'c1'))
    expect(first.rang.map((each) => each.id)).toEqual(['a'])
    expect(step(first.queue, streamed('a', 'c1')).rang).toEqual([])
  })

  it('announces a new press on a ringing incident, a louder ring, and nothing else', () => {
    const queue = loaded(summary('a'))
    expect(step(queue, streamed('a', 'c1', { presses: 2 })).rang).toHaveLength(1)
    expect(step(queue, streamed('a', 'c1', { ring: 'supervisors' })).rang).toHaveLength(1)
    expect(step(queue, streamed('a', 'c1', { ring: 'none', presses: 2 })).rang).toEqual([])
    expect(step(queue, streamed('a', 'c1', { doubts: [{ doubt: 'no_fix' }] })).rang).toEqual([])
  })

  it('takes a closed incident out of the queue', () => {
    expect(run(loaded(summary('a')), streamed('a', 'c1', { headline: 'closed' })).incidents.size).toBe(0)
  })

  it('announces at a new start only what rings anew', () => {
    const queue = loaded(summary('a'), summary('b', { ring: 'none' }))
    const again = step(queue, { is: 'loaded', incidents: [summary('a'), summary('c')], cursor: 'c9' })
    expect(again.rang.map((each) => each.id)).toEqual(['c'])
    expect(again.queue.cursor).toBe('c9')
    expect([...again.queue.incidents.keys()]).toEqual(['a', 'c'])
  })
})

describe('answers to our own calls beside the stream', () => {
  const claimed = { headline: 'claimed', ring: 'none' } as const
  const answer = (cursor: string, over: Partial<Summary> = {}): Input => ({
    is: 'answered',
    summary: summary('a', { cursor, ...over }),
  })

  it('show at once, before the stream has them', () => {
    expect(shown(run(loaded(summary('a')), answer('c5', claimed)), 'a')?.headline).toBe('claimed')
  })

  it('are not undone by an older event that comes later', () => {
    const behind = step(run(loaded(summary('a')), answer('c5', claimed)), streamed('a', 'c4', { presses: 2 }))
    expect(shown(behind.queue, 'a')?.headline).toBe('claimed')
    expect(behind.queue.cursor).toBe('c4')
    expect(behind.refetch).toEqual(['a'])
    expect(behind.rang).toEqual([])
  })

  it('give way once the stream has reached them', () => {
    const queue = run(
      loaded(summary('a')),
      answer('c5', claimed),
      streamed('a', 'c4', { presses: 2 }),
      streamed('a', 'c5', claimed),
      streamed('a', 'c6', { presses: 3 }),
    )
    expect(shown(queue, 'a')?.presses).toBe(3)
    expect(queue.awaited.size).toBe(0)
  })

  it('settle when the stream jumped over them and the server was asked again', () => {
    const jumped = step(run(loaded(summary('a')), answer('c5', claimed)), streamed('a', 'c7', { presses: 2 }))
    expect(jumped.refetch).toEqual(['a'])
    const settled = run(jumped.queue, answer('c7', { presses: 2 }))
    expect(shown(settled, 'a')?.presses).toBe(2)
    expect(settled.awaited.size).toBe(0)
  })

  it('are dropped when the stream has overtaken them', () => {
    const queue = run(loaded(summary('a')), streamed('a', 'c1'), streamed('a', 'c2', claimed), answer('c1'))
    expect(shown(queue, 'a')?.headline).toBe('claimed')
  })

  it('never bring a closed incident back', () => {
    const queue = run(
      loaded(summary('a')),
      streamed('a', 'c1'),
      streamed('a', 'c2', { headline: 'closed', ring: 'none' }),
      answer('c1'),
    )
    expect(queue.incidents.size).toBe(0)
  })

  it('about an incident that did not change since the list are taken as they are', () => {
    const queue = run(loaded(summary('a', { cursor: 'old' })), answer('old'), streamed('a', 'c1', claimed))
    expect(shown(queue, 'a')?.headline).toBe('claimed')
  })

  it('about an archived incident leave the queue alone', () => {
    const queue = loaded(summary('b'))
    expect(step(queue, answer('c1', { headline: 'closed' })).queue).toBe(queue)
  })
})

describe('what rings', () => {
  const alert: Unstored = { id: 'u', serial: 'P1', received_at: AT, what: 'sos', stored: false }

  it('is for operators first, for supervisors when nobody answered', () => {
    const first = loaded(summary('a'))
    expect(ringing(first, OPERATOR)).toEqual({ ring: 'operators', count: 1 })
    expect(ringing(first, SUPERVISOR)).toEqual({ ring: 'none', count: 0 })
    const louder = run(first, streamed('b', 'c1', { ring: 'supervisors' }))
    expect(ringing(louder, OPERATOR)).toEqual({ ring: 'supervisors', count: 2 })
    expect(ringing(louder, SUPERVISOR)).toEqual({ ring: 'supervisors', count: 1 })
    // Many terminals that fell silent call a supervisor, calmly.
    expect(ringing(first, SUPERVISOR, 1)).toEqual({ ring: 'operators', count: 1 })
    expect(ringing(louder, SUPERVISOR, 1)).toEqual({ ring: 'supervisors', count: 2 })
    expect(ringing(louder, GRID_OFFICER), 'who may not answer is not rung').toEqual({ ring: 'none', count: 0 })
  })

  it('a claimed incident pressed again rings at its owner alone', () => {
    const again = (owner: string) => loaded(summary('a', { claimed_by: { id: owner, name: owner } }))
    expect(ringing(again('me'), OPERATOR).count).toBe(1)
    expect(ringing(again('other'), OPERATOR).count).toBe(0)
    expect(ringing(again('boss'), SUPERVISOR).count).toBe(1)
  })

  it('an alert that is not stored rings everywhere until it is', () => {
    const rings = step(loaded(), { is: 'unstored', alert })
    expect(rings.rangUnstored).toEqual([alert])
    expect(ringing(rings.queue, SUPERVISOR)).toEqual({ ring: 'supervisors', count: 1 })
    expect(step(rings.queue, { is: 'unstored', alert }).rangUnstored).toEqual([])
    const stored = run(rings.queue, { is: 'unstored', alert: { ...alert, stored: true } })
    expect(ringing(stored, OPERATOR).count).toBe(0)
  })

  it('an alert that is not stored outlives a new start', () => {
    const queue = run(loaded(), { is: 'unstored', alert }, { is: 'loaded', incidents: [], cursor: 'c9' })
    expect(queue.unstored.size).toBe(1)
  })

  it('is told anew with each stream, so that what was stored meanwhile falls silent', () => {
    const queue = run(loaded(), { is: 'unstored', alert }, { is: 'greeted' })
    expect(queue.unstored.size).toBe(0)
  })
})
