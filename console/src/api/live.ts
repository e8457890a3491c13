// The live stream: server-sent events read over fetch, so that the status of the answer, the moment
// of the break and the cursor are ours to see. Resumes after the last event that was taken in.

export interface Message {
  /** The event's own id: the cursor after it. */
  id: string | null
  event: string
  data: string
}

/** Cuts bytes-as-text into messages, however the network cut them before. */
export class Parser {
  private rest = ''
  private id: string | null = null
  private event = ''
  private data: string[] = []

  /** Takes the next piece of text and gives the messages that it completed. */
  push(text: string): Message[] {
    const messages: Message[] = []
    this.rest += text
    for (;;) {
      const end = /\r\n|\n|\r/.exec(this.rest)
      // A lone CR at the very end may be half of CRLF.
      if (end === null || (end[0] === '\r' && end.index === this.rest.length - 1)) return messages
      const line = this.rest.slice(0, end.index)
      this.rest = this.rest.slice(end.index + end[0].length)
      const message = this.line(line)
      if (message) messages.push(message)
    }
  }

  private line(line: string): Message | null {
    if (line === '') {
      const message = this.data.length > 0 ? { id: this.id, event: this.event || 'message', data: this.data.join('\n') } : null
      this.id = null
      this.event = ''
      this.data = []
      return message
    }
    if (line.startsWith(':')) return null
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'data') this.data.push(value)
    else if (field === 'event') this.event = value
    else if (field === 'id') this.id = value
    return null
  }
}

export type LiveState = { is: 'connecting' } | { is: 'open' } | { is: 'lost'; since: number }

export interface LiveOptions {
  /** The address to resume from; asked anew at each attempt. */
  url(): string
  /** Fetches the state that the stream continues from: at the start, and when the cursor is unknown (410). */
  load?(): Promise<void>
  /** Takes one message in. The cursor counts as taken only when this has returned. */
  take(message: Message): void
  /** Nobody is logged in (401) or this page is none of ours (403). It is over, or goes on when a promise has come true. */
  denied(): unknown
  /** Told at each change. */
  became(state: LiveState): void
  now?(): number
  fetch?: typeof fetch
}

const BACKOFF_MS = [500, 1_000, 2_000, 4_000, 5_000]
/** The server says something each 10 s: silence for longer is a dead connection. */
const SILENCE_MS = 25_000

/** How long to wait before attempt `failures + 1`. */
export function backoff(failures: number): number {
  return BACKOFF_MS[Math.min(Math.max(failures, 1), BACKOFF_MS.length) - 1] ?? 5_000
}

/** One stream that stays alive until it is stopped. */
export class Live {
  private stopped = false
  private abort: AbortController | null = null
  private wake: (() => void) | null = null
  private lost_since: number | null = null

  constructor(private readonly options: LiveOptions) {}

  /** Runs until [`stop`] or until it is denied for good. */
  async run(): Promise<void> {
    let failures = 0
    let has_state = this.options.load === undefined
    this.options.became({ is: 'connecting' })
    while (!this.stopped) {
      try {
        if (!has_state) {
          await this.options.load?.()
          has_state = true
        }
        if (this.stopped) return
        const end = await this.attempt(() => {
          failures = 0
        })
        if (end === 'denied') {
          if (!(await this.letInAgain())) return
          failures = 0
          continue
        }
        if (end === 'unknown_cursor') has_state = false
      } catch (error) {
        if (isDenied(error)) {
          if (!(await this.letInAgain())) return
          failures = 0
          continue
        }
        // Whatever it was, the answer is the same: say so, wait, try again.
      }
      if (this.stopped) return
      failures += 1
      this.lost_since ??= (this.options.now ?? Date.now)()
      this.options.became({ is: 'lost', since: this.lost_since })
      await this.pause(backoff(failures))
    }
  }

  /** Whether the stream goes on after nobody was logged in. */
  private async letInAgain(): Promise<boolean> {
    this.lost_since ??= (this.options.now ?? Date.now)()
    const promised = this.options.denied()
    if (!(promised instanceof Promise)) return false
    this.options.became({ is: 'lost', since: this.lost_since })
    await promised
    return !this.stopped
  }

  stop(): void {
    this.stopped = true
    this.abort?.abort()
    this.wake?.()
  }

  /** Tries at once: the machine says that its network is back. */
  hurry(): void {
    this.wake?.()
  }

  private async attempt(opened: () => void): Promise<'ended' | 'unknown_cursor' | 'denied'> {
    const abort = new AbortController()
    this.abort = abort
    let watchdog = setTimeout(() => abort.abort(), SILENCE_MS)
    try {
      const response = await (this.options.fetch ?? fetch)(this.options.url(), {
        headers: { accept: 'text/event-stream' },
        credentials: 'same-origin',
        cache: 'no-store',
        signal: abort.signal,
      })
      if (response.status === 410) return 'unknown_cursor'
      if (response.status === 401 || response.status === 403) return 'denied'
      if (!response.ok || response.body === null) return 'ended'
      opened()
      this.lost_since = null
      this.options.became({ is: 'open' })
      const reader = response.body.getReader()
      const decoder = new TextDecoder()
      const parser = new Parser()
      for (;;) {
        const { done, value } = await reader.read()
        if (done || this.stopped) return 'ended'
        clearTimeout(watchdog)
        watchdog = setTimeout(() => abort.abort(), SILENCE_MS)
        for (const message of parser.push(decoder.decode(value, { stream: true }))) {
          try {
            this.options.take(message)
          } catch (error) {
            // An event that this page cannot read would come again for ever: start from the list instead.
            console.error('live event not understood', message.event, error)
            return 'unknown_cursor'
          }
        }
      }
    } finally {
      clearTimeout(watchdog)
      abort.abort()
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms)
      const wake = () => done()
      this.wake = wake
      function done() {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function isDenied(error: unknown): boolean {
  return typeof error === 'object' && error !== null && (error as { status?: unknown }).status === 401
}
