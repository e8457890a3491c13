import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import * as client from '../src/api/client'
import { again, ended, logIn, logOut, user } from '../src/session'

/** A server whose sessions can end. */
const server = { session: null as string | null, logins: 0, late: [] as (() => void)[] }
const LI = { id: 'u1', login: 'li', name: '李静', role: 'operator', grants: [] }

function answer(status: number, body: unknown): Response {
  return new Response(status === 204 ? null : JSON.stringify(body), { status })
}
async function fetched(path: string, asked: RequestInit): Promise<Response> {
  const told = server.session
  if (path.endsWith('/residents/late')) await new Promise<void>((go) => server.late.push(go))
  if (path === '/api/v1/session' && asked.method === 'POST') {
    server.session = `s${(server.logins += 1)}`
    return answer(200, { user: LI, csrf: server.session })
  }
  if (path === '/api/v1/session') return answer(204, null)
  return told === null ? answer(401, { error: { code: 'not_logged_in', message: 'nobody is logged in' } }) : answer(200, {})
}

describe('a session that ends by itself', () => {
  beforeEach(async () => {
    vi.stubGlobal('fetch', fetched)
    await logIn('li', 'x')
  })
  afterEach(async () => {
    await logOut()
    vi.unstubAllGlobals()
  })

  it('keeps whose page it is, until they have logged in again', async () => {
    server.session = null
    let is_back = false
    await expect(client.note('i1', '已联系女儿', 'k')).rejects.toMatchObject({ code: 'not_logged_in' })
    void again().then(() => (is_back = true))
    expect([user.value?.id, ended.value, is_back]).toEqual(['u1', true, false])
    await logIn('li', 'x')
    await Promise.resolve()
    expect([user.value?.id, ended.value, is_back]).toEqual(['u1', false, true])
    await expect(client.candidates('i1')).resolves.toEqual({})
  })

  it('is not ended a second time by an answer that comes late', async () => {
    server.session = null
    const late = client.resident('late').catch((error: unknown) => error)
    const slow = client.incident('x').catch((error: unknown) => error)
    await slow
    expect(ended.value).toBe(true)
    await logIn('li', 'x')
    for (const go of server.late) go()
    await late
    expect(ended.value).toBe(false)
  })

  it('is over when somebody logs out', async () => {
    await logOut()
    expect([user.value, ended.value]).toEqual([null, false])
  })
})
