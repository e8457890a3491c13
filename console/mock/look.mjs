// Walks through the pages in the system's Chromium against the mock, takes pictures, and fails when
// the page complains: an error in the browser's console, or a breach of the policy. For the eyes of
// whoever works on the pages; the product's own story is told by tests/system.
//
//   npm run build && npm run look -- <folder for pictures>

import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const folder = process.argv[2] ?? '/tmp/yidiantong-console'
await mkdir(folder, { recursive: true })
const mock = spawn(process.execPath, [new URL('./server.mjs', import.meta.url).pathname], {
  env: { ...process.env, YDT_MOCK_PORT: '0' },
  stdio: ['ignore', 'pipe', 'inherit'],
})
const base = await new Promise((resolve) => mock.stdout.on('data', (text) => resolve(/http:\S+/.exec(String(text))[0])))
const happen = (what) => fetch(`${base}/mock/${what}`, { method: 'POST' })
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  // A machine without a graphics card draws the maps in software, which newer browsers want to be told.
  args: [
    '--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
  ],
})
const complaints = []

async function logIn(login, viewport, language = 'zh') {
  const context = await browser.newContext({ viewport, locale: 'zh-CN' })
  const page = await context.newPage()
  page.on('pageerror', (error) => complaints.push(`${login}: ${error.message}`))
  page.on('console', (message) => {
    const text = message.text()
    // The browser itself reports every refused call and every cut stream.
    if (message.type() === 'error' && !/Failed to load resource|ERR_|Content-Length/.test(text)) complaints.push(`${login}: ${text}`)
  })
  await page.goto(base)
  if (language === 'en') await page.getByTestId('language').click()
  await page.getByTestId('login').fill(login)
  await page.getByTestId('password').fill('demo')
  return page
}
const shot = (page, name) => page.screenshot({ path: join(folder, `${name}.png`), animations: 'allow' })
async function leave(page) {
  await page.keyboard.press('Escape')
  await page.getByTestId('dialog').waitFor({ state: 'detached' })
}
const DESK = { width: 1440, height: 900 }
const PHONE = { width: 390, height: 844 }

try {
  const desk = await logIn('operator', DESK)
  await shot(desk, '01-login')
  await desk.getByTestId('password').fill('wrong')
  await desk.getByTestId('submit').click()
  await desk.getByTestId('login-error').waitFor()
  await shot(desk, '02-login-wrong')
  await desk.getByTestId('password').fill('demo')
  await desk.getByTestId('submit').click()
  await desk.getByTestId('queue').waitFor()
  await shot(desk, '03-quiet')

  await happen('press')
  const row = desk.locator('[data-testid^="incident-"][data-headline="ringing"][data-class="emergency"]').first()
  await row.waitFor()
  await desk.locator('[data-testid="ringing"][data-heard="operators"]').waitFor()
  await shot(desk, '04-ringing')
  await desk.keyboard.press('j')
  await desk.keyboard.press('Enter')
  await desk.getByTestId('card').waitFor()
  await happen('press')
  await desk.getByTestId('presses').waitFor()
  await shot(desk, '05-card-ringing')
  await desk.keyboard.press('c')
  await desk.locator('[data-testid="headline"]:not([data-headline="ringing"])').waitFor()
  await desk.locator('[data-testid="ringing"][data-heard="none"]').waitFor()
  await desk.keyboard.press('a')
  await desk.getByTestId('ask-r1').waitFor()
  await shot(desk, '06-ask')
  await desk.getByTestId('ask-r4').click()
  await desk.getByTestId('dialog').waitFor({ state: 'detached' })
  await desk.keyboard.press('n')
  await desk.keyboard.type('本人接听：胸闷，能说话，门未反锁。')
  await desk.keyboard.press('Enter')
  await desk.locator('[data-what="noted"]').waitFor()
  await desk.locator('[data-testid="offer-r4"][data-state="accepted"]').waitFor()
  await desk.locator('[data-testid="handover-120"]:is([data-state="dispatched"], [data-state="arrived"])').waitFor()
  await desk.keyboard.press('Escape')
  await shot(desk, '07-card-claimed')
  await desk.getByTestId('timeline').evaluate((list) => list.scrollIntoView({ block: 'end' }))
  await shot(desk, '07b-card-timeline')
  await happen('refuse-120')
  await desk.getByTestId('task-call_by_voice-120').waitFor()
  await shot(desk, '08-voice-task')
  await desk.getByTestId('voice-done-120').click()
  await desk.getByTestId('voice-reference').waitFor()
  await shot(desk, '09-voice')
  await desk.getByTestId('confirm').click()
  await desk.getByTestId('dialog').waitFor({ state: 'detached' })
  await desk.keyboard.press('x')
  await desk.getByTestId('outcome-no_injury').click()
  await shot(desk, '10-close')
  await leave(desk)
  await desk.keyboard.press('t')
  await desk.getByTestId('resident-search').fill('张')
  await desk.getByTestId('resident-p1').waitFor()
  await shot(desk, '11-telephone')
  await leave(desk)
  await desk.keyboard.press('?')
  await desk.getByTestId('dialog').waitFor()
  await shot(desk, '12-keys')
  await leave(desk)

  await desk.locator('[data-testid="map"][data-state="ready"]').waitFor()
  await desk.getByTestId('card-leave').click()
  await desk.locator('[data-testid="map"]:not([data-seen-node-community="0"])').waitFor()
  await shot(desk, '12b-map')
  await desk.keyboard.press('m')
  await desk.getByTestId('map').waitFor({ state: 'detached' })
  await desk.keyboard.press('m')
  await desk.getByTestId('queue').getByText('何淑珍').first().click()
  await desk.locator('[data-testid="case-map"][data-seen-person="1"][data-seen-track="1"]').waitFor()
  await shot(desk, '12c-wandering')
  await desk.getByTestId('open-resident').click()
  await desk.getByTestId('fence-f2').waitFor()
  await desk.getByTestId('locate').click()
  await desk.getByTestId('locate-reason').fill('女儿来电：两小时联系不上')
  await desk.getByTestId('locate-submit').click()
  await desk.getByTestId('located').waitFor()
  await shot(desk, '12d-resident')
  await desk.getByTestId('resident-leave').click()

  await happen('doubtful')
  await desk.getByTestId('queue').getByText('G616-88213').first().click()
  await desk.getByTestId('doubts').waitFor()
  await shot(desk, '13-doubtful')
  await happen('drill')
  await desk.getByTestId('queue').getByText('演练用户').first().click()
  await desk.getByTestId('drill').waitFor()
  await shot(desk, '14-drill')
  await happen('louder')
  await happen('unstored')
  await desk.getByTestId('unstored-YD-100871').waitFor()
  await desk.locator('[data-testid="ringing"][data-heard="supervisors"]').waitFor()
  await shot(desk, '15-unstored')
  await happen('down')
  await desk.getByTestId('connection-lost').waitFor()
  await shot(desk, '16-lost')
  await happen('up')
  await desk.locator('[data-testid="live"][data-state="open"]').waitFor()
  await happen('stored')
  await desk.getByTestId('unstored-YD-100871').waitFor({ state: 'detached' })
  await happen('cut')
  await happen('press')
  await happen('forget')
  await desk.locator('[data-testid="live"][data-state="lost"]').waitFor()
  await desk.locator('[data-testid="live"][data-state="open"]').waitFor()
  await desk.reload()
  await desk.getByTestId('queue').waitFor()
  await shot(desk, '17-reloaded')
  await desk.getByTestId('tab-closed').click()
  await desk.locator('.row.closed').first().click()
  await desk.getByTestId('card').waitFor()
  await shot(desk, '18-closed')

  const admin = await logIn('admin', DESK)
  await admin.getByTestId('submit').click()
  await admin.getByTestId('queue').waitFor()
  await admin.keyboard.press('/')
  await admin.getByTestId('resident-search').fill('何')
  await admin.getByTestId('resident-p3').click()
  await admin.getByTestId('fence-edit-f2').click()
  const editing = (corners) => admin.locator(`[data-testid="resident-map"][data-corners="${corners}"]`).waitFor()
  await editing(4)
  await admin.getByTestId('corner-3').focus()
  await admin.keyboard.press('ArrowUp')
  await admin.keyboard.press('Enter')
  await editing(5)
  await admin.locator('[data-testid="resident-map"][data-seen-fence-name="2"]').waitFor()
  await shot(admin, '18b-fence-polygon')
  await happen('refence')
  await admin.getByTestId('fence-save').click()
  await admin.getByTestId('fence-theirs').click()
  await editing(4)
  await admin.getByTestId('fence-name').fill('银盆岭公园')
  await admin.getByTestId('fence-save').click()
  await admin.getByTestId('fence-circle').click()
  await admin.getByTestId('fence-name').fill('晨练')
  await admin.getByTestId('fence-radius').fill('800')
  await admin.getByTestId('resident-map').click({ position: { x: 150, y: 200 } })
  await shot(admin, '18c-fence-circle')
  await admin.getByTestId('fence-save').click()
  await admin.locator('[data-testid="fence-editor"][data-fences="3"]').waitFor()

  const english = await logIn('supervisor', DESK, 'en')
  await english.getByTestId('submit').click()
  await english.locator('[data-testid^="incident-"]').first().click()
  await english.getByTestId('card').waitFor()
  await shot(english, '19-english')

  const phone = await logIn('responder', PHONE)
  await phone.getByTestId('submit').click()
  await phone.getByTestId('offers-empty').waitFor()
  await shot(phone, '20-responder-empty')
  await happen('ask-me')
  await phone.getByTestId('accept').waitFor()
  await shot(phone, '21-responder-asked')
  await phone.getByTestId('accept').click()
  await shot(phone, '22-responder-accept')
  await phone.getByTestId('minutes-5').click()
  await phone.getByTestId('on-the-way').waitFor()
  await shot(phone, '23-responder-accepted')
  await phone.getByTestId('on-the-way').click()
  await phone.getByTestId('arrived').click()
  await phone.getByTestId('done').click()
  await phone.getByTestId('offers-empty').waitFor()

  const small = await logIn('operator2', PHONE)
  await small.getByTestId('submit').click()
  await small.getByTestId('queue').waitFor()
  await shot(small, '24-operator-phone')
  await small.locator('[data-testid^="incident-"] .row-open').first().click()
  await small.getByTestId('card').waitFor()
  await shot(small, '25-operator-phone-card')
} finally {
  await browser.close()
  mock.kill()
}
if (complaints.length > 0) {
  console.error(complaints.join('\n'))
  process.exitCode = 1
} else {
  console.log(`looked: pictures in ${folder}`)
}
