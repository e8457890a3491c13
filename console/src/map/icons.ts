// The map's small pictures, drawn once from the page's own signs: round for who moves, square for what stays.

import type { Map } from 'maplibre-gl'
import { SHAPES, type Sign } from '../parts/signs'

interface Icon {
  sign: Sign
  form: 'round' | 'square'
  ground: string
  ink: string
  edge: string
}

const ICONS: Record<string, Icon> = {
  'responder-free': { sign: 'walk', form: 'round', ground: '#ffffff', ink: '#12633a', edge: '#12633a' },
  'responder-engaged': { sign: 'walk', form: 'round', ground: '#12633a', ink: '#ffffff', edge: '#ffffff' },
  vehicle: { sign: 'van', form: 'round', ground: '#0f4c81', ink: '#ffffff', edge: '#ffffff' },
  station: { sign: 'cross_medical', form: 'square', ground: '#ffffff', ink: '#0f4c81', edge: '#0f4c81' },
  home: { sign: 'home', form: 'square', ground: '#ffffff', ink: '#14202b', edge: '#14202b' },
  person: { sign: 'person', form: 'round', ground: '#c1121f', ink: '#ffffff', edge: '#ffffff' },
  'person-calm': { sign: 'person', form: 'round', ground: '#0f4c81', ink: '#ffffff', edge: '#ffffff' },
}

/** Pixels of the screen for one of the page. */
const SCALE = 2
const SIZE = 28 * SCALE

function draw({ sign, form, ground, ink, edge }: Icon): ImageData {
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = SIZE
  const pen = canvas.getContext('2d', { willReadFrequently: true })
  if (pen === null) return new ImageData(SIZE, SIZE)
  pen.scale(SCALE, SCALE)
  pen.shadowColor = 'rgba(12, 34, 54, 0.35)'
  pen.shadowBlur = 2 * SCALE
  pen.fillStyle = ground
  pen.beginPath()
  if (form === 'round') pen.arc(14, 14, 11.5, 0, 2 * Math.PI)
  else pen.roundRect(3.5, 3.5, 21, 21, 5)
  pen.fill()
  pen.shadowColor = 'transparent'
  pen.lineWidth = 1.8
  pen.strokeStyle = edge
  pen.stroke()
  pen.translate(6.2, 6.2)
  pen.scale(0.65, 0.65)
  pen.lineWidth = 2.4
  pen.lineCap = pen.lineJoin = 'round'
  pen.strokeStyle = ink
  pen.stroke(new Path2D(SHAPES[sign]))
  return pen.getImageData(0, 0, SIZE, SIZE)
}

/** Patterns by which kinds of fences are told apart without their colours: stripes that say keep out, dots of a way. */
const TILE = 12 * SCALE
function pattern(paint: (pen: CanvasRenderingContext2D) => void): ImageData {
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = TILE
  const pen = canvas.getContext('2d', { willReadFrequently: true })
  if (pen === null) return new ImageData(TILE, TILE)
  paint(pen)
  return pen.getImageData(0, 0, TILE, TILE)
}
function stripes(pen: CanvasRenderingContext2D): void {
  pen.strokeStyle = 'rgba(163, 42, 0, 0.55)'
  pen.lineWidth = 1.6 * SCALE
  for (const shift of [-TILE, 0, TILE]) {
    pen.beginPath()
    pen.moveTo(shift - 2, TILE + 2)
    pen.lineTo(shift + TILE + 2, -2)
    pen.stroke()
  }
}
function dots(pen: CanvasRenderingContext2D): void {
  pen.fillStyle = 'rgba(0, 98, 74, 0.5)'
  for (const [x, y] of [[0.25, 0.25], [0.75, 0.75]] as const) {
    pen.beginPath()
    pen.arc(x * TILE, y * TILE, 1.5 * SCALE, 0, 2 * Math.PI)
    pen.fill()
  }
}

export function addIcons(map: Map): void {
  map.addImage('fence-forbidden', pattern(stripes), { pixelRatio: SCALE })
  map.addImage('fence-corridor', pattern(dots), { pixelRatio: SCALE })
  for (const [name, icon] of Object.entries(ICONS)) map.addImage(name, draw(icon), { pixelRatio: SCALE })
}
