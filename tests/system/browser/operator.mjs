// An operator at a browser, told what to do line by line in JSON; answers each line with one.
//
//   {"do":"log_in","url","login","password"}     {"do":"see","testid","attributes":{},"within_ms"}
//   {"do":"gone","testid","within_ms"}           {"do":"click","testid"}
//   {"do":"fill","testid","text"}                {"do":"read","testid"}
//   {"do":"key","key"}                           {"do":"shot","path"}
//   {"do":"look","url","words","within_ms"}      {"do":"complaints"}
//   {"do":"go","path"}
//
// Where a page is not ours, and has no testid, there is {"selector"} instead.
//
// Answers {"done":true,...} or {"done":false,"why"}. Ends with its input.

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const require = createRequire(new URL('../../../console/package.json', import.meta.url))
const { chromium } = require('playwright-core')

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  // A machine without a graphics card draws the maps in software, which newer browsers want to be told.
  args: [
    '--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
  ],
})
const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'zh-CN', timezoneId: 'Asia/Shanghai' })
const page = await context.newPage()
const complaints = []
page.on('pageerror', (error) => complaints.push(error.message))
page.on('console', (message) => {
  // The browser itself reports every refused call and every cut stream.
  if (message.type() === 'error' && !/Failed to load resource|ERR_/.test(message.text())) complaints.push(message.text())
})

function locate({ testid, selector, attributes = {} }) {
  if (selector) return page.locator(selector).first()
  const conditions = Object.entries({ 'data-testid': testid, ...attributes })
  return page.locator(conditions.map(([name, value]) => `[${name}=${JSON.stringify(value)}]`).join('')).first()
}

const within = (order) => ({ timeout: order.within_ms ?? 20_000 })

const skills = {
  async log_in({ url, login, password }) {
    await page.goto(url)
    await page.getByTestId('login').fill(login)
    await page.getByTestId('password').fill(password)
    await page.getByTestId('submit').click()
    // An empty queue has no height.
    await page.getByTestId('queue').waitFor({ state: 'attached' })
    await page.locator('[data-testid="live"][data-state="open"]').waitFor()
  },
  async go({ path }) {
    await page.goto(new URL(path, page.url()).href)
  },
  async see(order) {
    await locate(order).waitFor({ state: 'visible', ...within(order) })
  },
  async gone(order) {
    await locate(order).waitFor({ state: 'detached', ...within(order) })
  },
  async click(order) {
    await locate(order).click(within(order))
  },
  async fill(order) {
    await locate(order).fill(order.text, within(order))
  },
  async key({ key }) {
    await page.keyboard.press(key)
  },
  async read(order) {
    return { text: await locate(order).innerText(within(order)) }
  },
  async shot({ path }) {
    await page.screenshot({ path, animations: 'allow' })
  },
  async look({ url, words, ...order }) {
    const other = await context.newPage()
    try {
      await other.goto(url)
      await other.getByText(words).first().waitFor({ state: 'visible', ...within(order) })
      return { text: await other.locator('body').innerText() }
    } finally {
      await other.close()
    }
  },
  async complaints() {
    return { complaints }
  },
}

console.log(JSON.stringify({ ready: true }))
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line)
  try {
    const facts = await skills[order.do](order)
    console.log(JSON.stringify({ number: order.number, done: true, ...facts }))
  } catch (error) {
    console.log(JSON.stringify({ number: order.number, done: false, why: error.message }))
  }
}
await browser.close()
