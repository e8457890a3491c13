// A fence while it is being drawn. Whether it can be is the server's to say; only what cannot even be
// asked is found here.

import type { CommonFence, Fence, FenceDraft, Shape, Way as Corridor } from '../api/types'
import { wayOf } from './case'
import type { LonLat } from './datum'
import { bounds, buffered, closed, feature, line, middle, moved, opened } from './geometry'

export interface Drawing extends FenceDraft {
  /** Null: not saved yet. */
  id: string | null
  version: number
  /** Drawn as a line and how far it reaches to either side; its shape is made of it. */
  way?: Way
}

export interface Way {
  along: LonLat[]
  half_width_m: number
}

/** For so long somebody may be where they should not be before anybody is told, unless the fence says otherwise. */
const GRACE_S = 180

/** Half as wide as a street with its pavements, and what a receiver errs by. */
const FIRST_HALF_WIDTH_M = 40

/** Round a home, as large as a quarter of an hour's walk there and back. */
const FIRST_RADIUS_M = 500

export function newCircle(around: LonLat): Drawing {
  const center: [number, number] = [...around]
  return { id: null, version: 0, name: '', kind: 'safe', grace_s: GRACE_S, active: true, shape: { type: 'circle', center, radius_m: FIRST_RADIUS_M } }
}

export function newPolygon(): Drawing {
  return { id: null, version: 0, name: '', kind: 'safe', grace_s: GRACE_S, active: true, shape: { type: 'polygon', coordinates: [[]] } }
}

export function newWay(): Drawing {
  return { ...newPolygon(), kind: 'corridor', way: { along: [], half_width_m: FIRST_HALF_WIDTH_M } }
}

/** The drawing with another line, or another width, and the shape that follows from it. */
export function alongWay(drawing: Drawing, way: Way): Drawing {
  const outline = buffered(way.along, way.half_width_m).map(([lon, lat]): [number, number] => [lon, lat])
  return { ...drawing, way, shape: { type: 'polygon', coordinates: [outline] } }
}

/** A fence of somebody else's, as the beginning of one of one's own. */
export function copied({ name, kind, grace_s, shape }: Pick<CommonFence, 'name' | 'kind' | 'grace_s' | 'shape'>): Drawing {
  return asWay({ id: null, version: 0, name, kind: drawnAs(kind), grace_s, active: true, shape: structuredClone(shape) })
}

export function drawingOf({ id, version, name, kind, grace_s, active, shape }: Fence): Drawing {
  return asWay({ id, version, name, kind: drawnAs(kind), grace_s: grace_s ?? GRACE_S, active, shape })
}

const drawnAs = (kind: Fence['kind']) => (kind === 'forbidden' ? 'forbidden' : 'safe')

/** What is a corridor is drawn as one. */
function asWay(drawing: Drawing): Drawing {
  const way = wayOf(drawing.shape)
  return way === null ? drawing : alongWay({ ...drawing, kind: 'corridor' }, { along: way.coordinates, half_width_m: way.half_width_m })
}

export function draftOf({ name, kind, grace_s, active, shape, way }: Drawing): FenceDraft {
  if (way) {
    const corridor: Corridor = { type: 'corridor', coordinates: told(way.along), half_width_m: way.half_width_m }
    return { name: name.trim(), kind: 'corridor', grace_s, active, shape: corridor as unknown as Shape }
  }
  const whole: Shape = shape.type === 'circle' ? shape : { ...shape, coordinates: shape.coordinates.map((_, ring) => told(closed(corners(shape, ring)))).filter((ring, n) => n === 0 || ring.length > 3) }
  return { name: name.trim(), kind, grace_s, active, shape: whole }
}

/** What can be taken hold of: the corners of the outline, or of a hole, or the centre. */
export function corners(shape: Shape, ring = 0): LonLat[] {
  const way = wayOf(shape)
  if (way !== null) return way.coordinates
  return shape.type === 'circle' ? [shape.center] : opened(shape.coordinates[ring] ?? [])
}

type Polygon = Extract<Shape, { type: 'polygon' }>

const told = (ring: readonly LonLat[]) => ring.map(([lon, lat]): [number, number] => [lon, lat])

/** The polygon with one of its rings drawn otherwise; the others stay. */
function outlined(shape: Polygon, outline: readonly LonLat[], ring = 0): Shape {
  return { type: 'polygon', coordinates: shape.coordinates.map((kept, n) => (n === ring ? told(outline) : kept)) }
}

/** The shape with one of its corners elsewhere. */
export function withCorner(shape: Shape, index: number, at: LonLat, ring = 0): Shape {
  if (shape.type === 'circle') return { ...shape, center: [...at] }
  return outlined(shape, corners(shape, ring).map((corner, i) => (i === index ? at : corner)), ring)
}

/** The same, moved by so many metres. */
export function nudged(shape: Shape, index: number, east_m: number, north_m: number, ring = 0): Shape {
  const corner = corners(shape, ring)[index]
  return corner === undefined ? shape : withCorner(shape, index, moved(corner, east_m, north_m), ring)
}

/** A click on the map: the next corner, or where the circle goes. */
export function clicked(shape: Shape, at: LonLat, ring = 0): Shape {
  return shape.type === 'circle' ? { ...shape, center: [...at] } : outlined(shape, [...corners(shape, ring), at], ring)
}

/** A corner more, half way to the next. */
export function split(shape: Shape, index: number, ring = 0): Shape {
  const all = corners(shape, ring)
  const [here, next] = [all[index], all[(index + 1) % all.length]]
  if (shape.type === 'circle' || here === undefined || next === undefined) return shape
  return outlined(shape, [...all.slice(0, index + 1), middle(here, next), ...all.slice(index + 1)], ring)
}

export function without(shape: Shape, index: number, ring = 0): Shape {
  return shape.type === 'circle' ? shape : outlined(shape, corners(shape, ring).filter((_, i) => i !== index), ring)
}

/** The polygon with a hole more, not drawn yet. */
export function withHole(shape: Shape): Shape {
  return shape.type === 'circle' ? shape : { ...shape, coordinates: [...shape.coordinates, []] }
}

/** The polygon without one of its holes. */
export function withoutHole(shape: Shape, ring: number): Shape {
  return shape.type === 'circle' || ring === 0 ? shape : { ...shape, coordinates: shape.coordinates.filter((_, n) => n !== ring) }
}

/** By what the whole is taken hold of: the middle of the box around it. */
export function grip(shape: Shape): LonLat | null {
  if (shape.type === 'circle') return shape.center
  const around = bounds(feature(line(corners(shape)), {}))
  return around && middle(around[0], around[1])
}

/** The whole, with its grip elsewhere. */
export function movedTo(shape: Shape, to: LonLat): Shape {
  const from = grip(shape)
  if (shape.type === 'circle' || from === null) return shape.type === 'circle' ? { ...shape, center: [...to] } : shape
  const shift = ([lon, lat]: LonLat): [number, number] => [lon + to[0] - from[0], lat + to[1] - from[1]]
  return { type: 'polygon', coordinates: shape.coordinates.map((ring) => ring.map(shift)) }
}

/** What is missing before it can be saved: a message below `fence`. */
export function missing({ name, shape, way }: Drawing): 'needs_name' | 'needs_radius' | 'needs_corners' | 'needs_way' | null {
  if (name.trim() === '') return 'needs_name'
  if (way && way.along.length < 2) return 'needs_way'
  if (shape.type === 'circle') return shape.radius_m > 0 ? null : 'needs_radius'
  return corners(shape).length < 3 ? 'needs_corners' : null
}

/** Why the server takes a drawing for none: which sentence below `fence.wrong`, and what is put into it. */
export function wrongOf(reason: string | undefined, drawing: { rings: number[]; number: number | null } | undefined) {
  if (!reason?.startsWith('drawing_')) return null
  const [ring, other] = drawing?.rings ?? []
  return { word: reason.slice('drawing_'.length), ring: ring ?? null, other: other ?? null, number: drawing?.number ?? null }
}
