/** The API's description, to be read and tried with the session that this browser has. */

import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js'
import 'swagger-ui-dist/swagger-ui.css'

import './api-page.css'

const READING = ['GET', 'HEAD']

/** The token that proves that a page of ours made the call; none when nobody is logged in. */
async function csrf(): Promise<string | undefined> {
  const answer = await fetch('/api/v1/session', { credentials: 'same-origin', cache: 'no-store' })
  return answer.ok ? ((await answer.json()) as { csrf: string }).csrf : undefined
}

SwaggerUI({
  url: '/api/v1/openapi.json',
  dom_id: '#api',
  deepLinking: true,
  displayRequestDuration: true,
  // What the calls are about; all of them at once are too many to be drawn, and to be read.
  docExpansion: 'none',
  validatorUrl: null,
  requestInterceptor: async (request) => {
    if (READING.includes((request.method ?? 'GET').toUpperCase())) return request
    const token = await csrf()
    if (token) request.headers['X-CSRF-Token'] = token
    return request
  },
})
