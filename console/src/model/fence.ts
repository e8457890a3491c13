// A fence while it is being drawn. Whether it can be is the server's to say; only what cannot even be
// asked is found here.

import type { Fence, FenceDraft, Shape } from '../api/types'
import { wayOf } from './case'
import type { LonLat } from './datum'
import { closed, middle, moved, opened } from './geometry'

export interface Drawing extends FenceDraft {
  /** Null: not saved yet. */
  id: string | null
  version: number
}

/** Round a home, as large as a quarter of an hour's walk there and back. */
const FIRST_RADIUS_M = 500

export function newCircle(around: LonLat): Drawing {
  const center: [number, number] = [...around]
  return { id: null, version: 0, name: '', active: true, shape: { type: 'circle', center, radius_m: FIRST_RADIUS_M } }
}

export function newPolygon(): Drawing {
  return { id: null, version: 0, name: '', active: true, shape: { type: 'polygon', coordinates: [[]] } }
}

export function drawingOf({ id, version, name, active, shape }: Fence): Drawing {
  return { id, version, name, active, shape }
}

export function draftOf({ name, active, shape }: Drawing): FenceDraft {
  const whole: Shape = shape.type === 'circle' ? shape : outlined(shape, closed(corners(shape)))
  return { name: name.trim(), active, shape: whole }
}

/** What can be taken hold of: the corners, or the centre. */
export function corners(shape: Shape): LonLat[] {
  const way = wayOf(shape)
  if (way !== null) return way.coordinates
  return shape.type === 'circle' ? [shape.center] : opened(shape.coordinates[0] ?? [])
}

type Polygon = Extract<Shape, { type: 'polygon' }>

/** The polygon with another outline; holes that somebody cut elsewhere stay. */
function outlined(shape: Polygon, outline: readonly LonLat[]): Shape {
  return { type: 'polygon', coordinates: [outline.map(([lon, lat]): [number, number] => [lon, lat]), ...shape.coordinates.slice(1)] }
}

/** The shape with one of its corners elsewhere. */
export function withCorner(shape: Shape, index: number, at: LonLat): Shape {
  if (shape.type === 'circle') return { ...shape, center: [...at] }
  return outlined(shape, corners(shape).map((corner, i) => (i === index ? at : corner)))
}

/** The same, moved by so many metres. */
export function nudged(shape: Shape, index: number, east_m: number, north_m: number): Shape {
  const corner = corners(shape)[index]
  return corner === undefined ? shape : withCorner(shape, index, moved(corner, east_m, north_m))
}

/** A click on the map: the next corner, or where the circle goes. */
export function clicked(shape: Shape, at: LonLat): Shape {
  return shape.type === 'circle' ? { ...shape, center: [...at] } : outlined(shape, [...corners(shape), at])
}

/** A corner more, half way to the next. */
export function split(shape: Shape, index: number): Shape {
  const all = corners(shape)
  const [here, next] = [all[index], all[(index + 1) % all.length]]
  if (shape.type === 'circle' || here === undefined || next === undefined) return shape
  return outlined(shape, [...all.slice(0, index + 1), middle(here, next), ...all.slice(index + 1)])
}

export function without(shape: Shape, index: number): Shape {
  return shape.type === 'circle' ? shape : outlined(shape, corners(shape).filter((_, i) => i !== index))
}

/** What is missing before it can be saved: a message below `fence`. */
export function missing({ name, shape }: Drawing): 'needs_name' | 'needs_radius' | 'needs_corners' | null {
  if (name.trim() === '') return 'needs_name'
  if (shape.type === 'circle') return shape.radius_m > 0 ? null : 'needs_radius'
  return corners(shape).length < 3 ? 'needs_corners' : null
}
