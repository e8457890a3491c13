// An invented district for the mock's map: streets, communities and grids that tile a square north of the
// river, people at home, responders who walk. The same each time.

let seed = 277
const random = () => {
  seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
  return seed / 2 ** 31
}

const WEST = 112.9
const SOUTH = 28.2
const STEP_LON = 0.0175
const STEP_LAT = 0.0145
const COLUMNS = 5
const ROWS = 4
const COMMUNITIES = [
  '桐梓坡社区', '望月湖社区', '银盆岭社区', '咸嘉湖社区', '望岳社区', '西湖社区', '麓山社区', '橘洲社区', '岳龙社区', '达美社区',
  '黄鹤社区', '航宇社区', '云栖社区', '枫林社区', '学堂坡社区', '荣龙社区', '白鸽咀社区', '湘仪社区', '英才园社区', '石佳冲社区',
]
const SURNAMES = [...'张李王刘陈杨黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程']
const GIVEN = ['秀英', '桂兰', '玉梅', '淑珍', '国栋', '德明', '建国', '志强', '玉兰', '凤英', '长生', '福生', '春香', '秋菊', '金莲', '光明']
const CATEGORIES = ['lives_alone', 'elderly', 'disabled', 'child', 'empty_nest', 'dementia']

// Corners that neighbours share, pushed about a little.
const corners = Array.from({ length: COLUMNS * 2 + 1 }, (_, x) =>
  Array.from({ length: ROWS * 2 + 1 }, (_, y) => [
    WEST + (x / 2) * STEP_LON + (random() - 0.5) * 0.0045,
    SOUTH + (y / 2) * STEP_LAT + (random() - 0.5) * 0.0036,
  ]),
)
const ring = (x0, y0, x1, y1) => {
  const along = []
  for (let x = x0; x < x1; x += 1) along.push(corners[x][y0])
  for (let y = y0; y < y1; y += 1) along.push(corners[x1][y])
  for (let x = x1; x > x0; x -= 1) along.push(corners[x][y1])
  for (let y = y1; y > y0; y -= 1) along.push(corners[x0][y])
  return [...along, along[0]]
}
const middle = (points) => [0, 1].map((axis) => points.slice(1).reduce((sum, at) => sum + at[axis], 0) / (points.length - 1))
const node = (id, level, name, parent, points) => ({
  type: 'Feature',
  geometry: { type: 'MultiPolygon', coordinates: [[points]] },
  properties: { id, level, name, parent, label: middle(points) },
})

export const nodes = [node('d', 'district', '岳麓区', null, ring(0, 0, COLUMNS * 2, ROWS * 2))]
const STREETS = [['s1', '望城坡街道', 0, 4], ['s2', '观沙岭街道', 4, 10]]
for (const [id, name, from, to] of STREETS) nodes.push(node(id, 'street', name, 'd', ring(from, 0, to, ROWS * 2)))
for (let y = 0; y < ROWS; y += 1) {
  for (let x = 0; x < COLUMNS; x += 1) {
    const id = `c${x}${y}`
    nodes.push(node(id, 'community', COMMUNITIES[y * COLUMNS + x], x < 2 ? 's1' : 's2', ring(x * 2, y * 2, x * 2 + 2, y * 2 + 2)))
    for (let part = 0; part < 4; part += 1) {
      const [gx, gy] = [x * 2 + (part % 2), y * 2 + Math.floor(part / 2)]
      nodes.push(node(`g${x}${y}${part}`, 'grid', `第${'一二三四'[part]}网格`, id, ring(gx, gy, gx + 1, gy + 1)))
    }
  }
}

const anywhere = () => [WEST + (0.03 + random() * 0.94) * COLUMNS * STEP_LON, SOUTH + (0.03 + random() * 0.94) * ROWS * STEP_LAT]
const somebody = () => SURNAMES[Math.floor(random() * SURNAMES.length)] + GIVEN[Math.floor(random() * GIVEN.length)]
const point = (at, properties) => ({ type: 'Feature', geometry: { type: 'Point', coordinates: at }, properties })

export const people = Array.from({ length: 277 }, (_, n) => {
  const at = anywhere()
  const x = Math.min(COLUMNS - 1, Math.max(0, Math.floor((at[0] - WEST) / STEP_LON)))
  const y = Math.min(ROWS - 1, Math.max(0, Math.floor((at[1] - SOUTH) / STEP_LAT)))
  return point(at, { id: `h${n}`, name: somebody(), category: CATEGORIES[Math.floor(random() * CATEGORIES.length)], community: COMMUNITIES[y * COLUMNS + x], incident: null })
})
export const stations = Array.from({ length: 6 }, (_, n) => point([WEST + (0.12 + 0.3 * (n % 3)) * COLUMNS * STEP_LON, SOUTH + (0.2 + 0.55 * Math.floor(n / 3)) * ROWS * STEP_LAT], { id: `a${n}`, name: `急救 ${n + 1} 站` }))
const PROVIDERS = ['银铃居家服务', '安心物业', '湘江社区网格', '康乐家政']
const walkers = Array.from({ length: 120 }, (_, n) => ({ id: `w${n}`, name: somebody(), provider: PROVIDERS[n % 4], at: anywhere(), way: random() * 6.28, engaged: n % 13 === 0 }))

/** Where they are now: each call moves them a little. */
export function responders() {
  return walkers.map((walker) => {
    walker.way += (random() - 0.5) * 0.8
    walker.at = [walker.at[0] + Math.cos(walker.way) * 0.000_06, walker.at[1] + Math.sin(walker.way) * 0.000_05]
    const { id, name, provider, engaged } = walker
    return point(walker.at, { id, name, provider, engaged, on_duty: true, age_s: Math.floor(random() * 40) })
  })
}

const inside = ([lon, lat], points) => {
  let is = false
  for (let i = 1; i < points.length; i += 1) {
    const [[x1, y1], [x2, y2]] = [points[i - 1], points[i]]
    if (y1 > lat !== y2 > lat && lon < x1 + ((lat - y1) / (y2 - y1)) * (x2 - x1)) is = !is
  }
  return is
}
/** The nodes around a place, from the root down. */
export const around = (at) => nodes.filter((one) => inside(at, one.geometry.coordinates[0][0]))
