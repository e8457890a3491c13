// Shows a responder what is asked of them while the page is closed, and opens it. Keeps nothing, fetches nothing.

self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

self.addEventListener('push', (event) => {
  // The browser demands that something is shown, whatever came.
  let told = { purpose: 'ask', offer: '', text: '' }
  try {
    told = { ...told, ...event.data.json() }
  } catch {}
  const isAsked = told.purpose === 'ask'
  event.waitUntil(
    self.registration.showNotification('一点通', {
      body: told.text || '有新派单，请打开一点通。',
      icon: '/icon.svg',
      // What became of an offer takes the place of its question.
      tag: told.offer || undefined,
      renotify: isAsked && Boolean(told.offer),
      requireInteraction: isAsked,
      vibrate: isAsked ? [400, 200, 400, 200, 400] : undefined,
    }),
  )
})

self.addEventListener('notificationclick', (event) => {
  event.notification.close()
  const show = async () => {
    const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true })
    return pages.length > 0 ? pages[0].focus() : self.clients.openWindow('/')
  }
  event.waitUntil(show())
})
