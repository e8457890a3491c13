// A telephone that is told what is asked, though the page is closed: the browser's push service (public/push-worker.js
// shows it). Only a browser that has one, and a server that pushes, are offered it.

import * as client from './api/client'

/** `none`: it cannot be had here. */
export type State = 'none' | 'off' | 'on' | 'denied'

const WORKER = '/push-worker.js'

function registered(): Promise<ServiceWorkerRegistration> {
  return navigator.serviceWorker.register(WORKER)
}

async function serverKey(): Promise<Uint8Array<ArrayBuffer> | null> {
  if (!('serviceWorker' in navigator) || !('PushManager' in window)) return null
  const { key } = await client.pushKey()
  return key === null ? null : bytes(key)
}

/** Goes on as it was when the page was left; what the server has forgotten meanwhile it is told again. */
export async function resume(): Promise<State> {
  const key = await serverKey()
  if (key === null) return 'none'
  const worker = await registered()
  const subscription = await worker.pushManager.getSubscription()
  if (subscription === null) return 'off'
  return subscribe(worker, key, subscription)
}

/** Asks the person, subscribes, and tells the server. */
export async function start(): Promise<State> {
  const key = await serverKey()
  if (key === null) return 'none'
  if ((await Notification.requestPermission()) !== 'granted') return 'denied'
  const worker = await registered()
  return subscribe(worker, key, await worker.pushManager.getSubscription())
}

export async function stop(): Promise<State> {
  const worker = 'serviceWorker' in navigator ? await navigator.serviceWorker.getRegistration(WORKER) : undefined
  const subscription = await worker?.pushManager?.getSubscription()
  if (!subscription) return 'off'
  await subscription.unsubscribe()
  await client.unsubscribePush(subscription.endpoint)
  return 'off'
}

async function subscribe(
  worker: ServiceWorkerRegistration,
  key: Uint8Array<ArrayBuffer>,
  before: PushSubscription | null,
): Promise<State> {
  // A subscription for another key is worth nothing: the server has been set up anew.
  const isSame = before !== null && same(before.options.applicationServerKey, key)
  if (before !== null && !isSame) await before.unsubscribe()
  const subscription = isSame
    ? before
    : await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key })
  await client.subscribePush(subscription.toJSON())
  return 'on'
}

function same(one: ArrayBuffer | null, other: Uint8Array): boolean {
  if (one === null || one.byteLength !== other.length) return false
  const bytes = new Uint8Array(one)
  return other.every((byte, index) => byte === bytes[index])
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replace(/-/g, '+').replace(/_/g, '/'))
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}
