import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Live, Parser, backoff, type LiveState, type Message } from '../src/api/live'
import type { Summary } from '../src/api/types'
import { EMPTY, step, type Queue } from '../src/model/queue'

describe('the parser', () => {
  const text =
    ': keep-alive\n\nid: 7\nevent: incident\ndata: {"a":\ndata: 1}\n\nevent: hello\r\ndata:{}\r\n\r\nretry: 5\n\ndata: x\rdata: y\r\r\n'
  const want: Message[] = [
    { id: '7', event: 'incident', data: '{"a":\n1}' },
    { id: null, event: 'hello', data: '{}' },
    { id: null, event: 'message', data: 'x\ny' },
  ]

  it('reads messages however the network cut them', () => {
    for (let size = 1; size <= text.length; size += 1) {
      const parser = new Parser()
      const got: Message[] = []
      for (let at = 0; at < text.length; at += size) got.push(...parser.push(text.slice(at, at + size)))
      expect(got).toEqual(want)
    }
  })

  it('keeps an unfinished message to itself', () => {
    expect(new Parser().push('id: 1\ndata: {"half')).toEqual([])
  })
})

/** A server with a numbered log that can break its streams at will. */
class Server {
  readonly log: { cursor: number; id: string; presses: number }[] = []
  readonly asked: string[] = []
  loads = 0
  refuse: number | 'network' | null = null
  forgets_before = 0
  private readonly streams = new Set<ReadableStreamDefaultController<Uint8Array>>()
  private presses = 0

  press(id: string): void {
    this.presses += 1
    const entry = { cursor: this.log.length + 1, id, presses: this.presses }
    this.log.push(entry)
    for (const stream of this.streams) stream.enqueue(encode(entry))
  }

  cut(): void {
    for (const stream of this.streams) stream.error(new Error('cut'))
    this.streams.clear()
  }

  list(): { incidents: Summary[]; cursor: string } {
    this.loads += 1
    const last = new Map(this.log.map((entry) => [entry.id, asSummary(entry)]))
    return { incidents: [...last.values()], cursor: String(this.log.length) }
  }

  readonly fetch = async (url: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    this.asked.push(String(url))
    if (this.refuse === 'network') throw new TypeError('no network')
    if (this.refuse !== null) return new Response(null, { status: this.refuse })
    const after = Number(new URL(String(url), 'http://x').searchParams.get('after'))
    if (after < this.forgets_before) return new Response(null, { status: 410 })
    let mine: ReadableStreamDefaultController<Uint8Array>
    const body = new ReadableStream<Uint8Array>({
      start: (stream) => {
        mine = stream
        for (const entry of this.log.slice(after)) stream.enqueue(encode(entry))
        this.streams.add(stream)
      },
    })
    init?.signal?.addEventListener('abort', () => {
      if (this.streams.delete(mine)) mine.error(new Error('aborted'))
    })
    return new Response(body, { status: 200 })
  }
}

const asSummary = (entry: { cursor: number; id: string; presses: number }): Summary => ({
  id: entry.id,
  class: 'emergency',
  kinds: ['sos'],
  headline: 'ringing',
  urgency: 1,
  ring: 'operators',
  subject: { kind: 'resident' },
  opened_at: '2026-05-01T08:00:00Z',
  last_press_at: '2026-05-01T08:00:00Z',
  presses: entry.presses,
  handovers: [],
  doubts: [],
  drill: false,
  tasks: [],
  cursor: String(entry.cursor),
})
const encode = (entry: { cursor: number; id: string; presses: number }) =>
  new TextEncoder().encode(`id: ${entry.cursor}\nevent: incident\ndata: ${JSON.stringify(asSummary(entry))}\n\n`)

function follow(server: Server) {
  let queue: Queue = EMPTY
  const states: LiveState[] = []
  const taken: string[] = []
  let denials = 0
  const live = new Live({
    url: () => `/live?after=${queue.cursor}`,
    load: async () => {
      if (server.refuse !== null) throw new Error('down')
      queue = step(queue, { is: 'loaded', ...server.list() }).queue
    },
    take: (message) => {
      taken.push(message.id ?? '')
      const summary = JSON.parse(message.data) as Summary
      queue = step(queue, { is: 'streamed', summary, cursor: message.id ?? '' }).queue
    },
    denied: () => (denials += 1),
    became: (state) => states.push(state),
    now: () => Date.now(),
    fetch: server.fetch,
  })
  const over = live.run()
  return { live, over, states, taken, queue: () => queue, denials: () => denials }
}

describe('the live stream', () => {
  beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }))
  afterEach(() => void vi.useRealTimers())
  const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms)

  it('resumes after a break with nothing missed and nothing doubled', async () => {
    const server = new Server()
    server.press('a')
    const page = follow(server)
    await settle()
    server.press('b')
    await settle()
    server.cut()
    server.press('c')
    server.press('a')
    await settle(500)
    server.press('d')
    await settle()
    expect(page.taken).toEqual(['2', '3', '4', '5'])
    expect(server.loads).toBe(1)
    expect(server.asked).toEqual(['/live?after=1', '/live?after=2'])
    expect([...page.queue().incidents.values()].map((each) => [each.id, each.presses])).toEqual([
      ['a', 4],
      ['b', 2],
      ['c', 3],
      ['d', 5],
    ])
    page.live.stop()
    await settle()
    await page.over
  })

  it('resumes after breaks at any moment, many times', async () => {
    const server = new Server()
    const page = follow(server)
    await settle()
    for (let round = 0; round < 60; round += 1) {
      server.press(`i${round % 7}`)
      if (round % 3 === 0) server.cut()
      if (round % 2 === 0) await settle(round % 5 === 0 ? 600 : 0)
    }
    await settle(10_000)
    expect(page.taken).toEqual(server.log.map((entry) => String(entry.cursor)))
    page.live.stop()
  })

  it('waits half a second, then longer, never more than five', async () => {
    expect([1, 2, 3, 4, 5, 99].map(backoff)).toEqual([500, 1_000, 2_000, 4_000, 5_000, 5_000])
    const server = new Server()
    const page = follow(server)
    await settle()
    server.refuse = 'network'
    server.cut()
    await settle(30_000)
    const tries = server.asked.length
    expect(tries).toBeGreaterThanOrEqual(7)
    expect(tries).toBeLessThanOrEqual(10)
    page.live.stop()
  })

  it('tells since when it is lost, until it is back', async () => {
    const server = new Server()
    const page = follow(server)
    await settle()
    server.refuse = 503
    server.cut()
    await settle(4_000)
    const lost = page.states.filter((state) => state.is === 'lost')
    expect(new Set(lost.map((state) => (state.is === 'lost' ? state.since : 0)))).toEqual(new Set([1_000_000]))
    server.refuse = null
    page.live.hurry()
    await settle()
    expect(page.states.at(-1)).toEqual({ is: 'open' })
    page.live.stop()
  })

  it('starts from the list again when the server no longer knows the cursor', async () => {
    const server = new Server()
    server.press('a')
    const page = follow(server)
    await settle()
    server.cut()
    server.press('b')
    server.forgets_before = 2
    await settle(2_000)
    expect(server.loads).toBe(2)
    expect([...page.queue().incidents.keys()]).toEqual(['a', 'b'])
    expect(page.states.at(-1)).toEqual({ is: 'open' })
    page.live.stop()
  })

  it('takes a silent connection for a dead one', async () => {
    const server = new Server()
    const page = follow(server)
    await settle(20_000)
    server.press('a')
    await settle(20_000)
    expect(server.asked.length).toBe(1)
    await settle(6_000)
    expect(server.asked.length).toBe(2)
    page.live.stop()
  })

  it('starts from the list again after an event that it cannot read', async () => {
    const complaint = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    let loads = 0
    let streams = 0
    const live = new Live({
      url: () => '/live',
      load: async () => void (loads += 1),
      take: () => {
        throw new SyntaxError('not JSON')
      },
      denied: () => undefined,
      became: () => undefined,
      fetch: async () => {
        streams += 1
        return new Response(streams === 1 ? 'data: {\n\n' : null, { status: streams === 1 ? 200 : 503 })
      },
    })
    const over = live.run()
    await settle(500)
    expect(loads).toBe(2)
    expect(complaint).toHaveBeenCalledOnce()
    live.stop()
    await over
    complaint.mockRestore()
  })

  it('stops when nobody is logged in', async () => {
    const server = new Server()
    server.refuse = null
    const page = follow(server)
    await settle()
    server.refuse = 401
    server.cut()
    await settle(1_000)
    await page.over
    expect(page.denials()).toBe(1)
  })
  it('goes on where it was when somebody has logged in again', async () => {
    const server = new Server()
    server.press('a')
    let logIn = () => {}
    const taken: string[] = []
    const states: LiveState[] = []
    const live = new Live({
      url: () => `/live?after=${taken.length + 1}`,
      take: (message) => void taken.push(message.id ?? ''),
      denied: () => new Promise<void>((resolve) => (logIn = resolve)),
      became: (state) => states.push(state),
      fetch: server.fetch,
    })
    const over = live.run()
    await settle()
    server.refuse = 401
    server.cut()
    await settle(60_000)
    const tries = server.asked.length
    expect(states.at(-1)).toMatchObject({ is: 'lost' })
    server.press('b')
    server.refuse = null
    logIn()
    await settle()
    expect(server.asked.length).toBe(tries + 1)
    expect(states.at(-1)).toEqual({ is: 'open' })
    expect(taken).toEqual(['2'])
    live.stop()
    await over
  })
})
