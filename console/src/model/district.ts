// What the map of the district shows, from what the server tells and what the queue already knows.

import type { Feature, FeatureCollection } from 'geojson'
import type { Summary } from '../api/types'
import { collection, feature, point } from './geometry'
import type { LonLat } from './datum'

/** So many incidents are buttons that can be reached by the keyboard; a wave of more is drawn. */
export const MARKS_MAX = 150

/** An open incident that has a place. */
export interface Placed {
  summary: Summary
  at: LonLat
}

/** The incidents of the queue with their places: most urgent first, and those that have none. */
export function placed(order: readonly Summary[], places: FeatureCollection): { placed: Placed[]; nowhere: Summary[] } {
  const where = new Map(places.features.map((one) => [one.properties?.id as string, one.geometry]))
  const found: Placed[] = []
  const nowhere: Summary[] = []
  for (const summary of order) {
    const geometry = where.get(summary.id)
    if (geometry?.type === 'Point') found.push({ summary, at: geometry.coordinates as unknown as LonLat })
    // What the server has not been asked about yet is not said to be nowhere.
    else if (where.has(summary.id)) nowhere.push(summary)
  }
  return { placed: found, nowhere }
}

/** Those beyond the buttons, as dots. */
export function dots(all: readonly Placed[]): FeatureCollection {
  return collection(all.slice(MARKS_MAX).flatMap(({ summary, at }) => feature(point(at), { id: summary.id })))
}

/** How many colours the ground has: `TINTS` in `map/layers`. */
const TINTS = 7

/** The nodes, each with a tint that its neighbours in the list do not have, so that they tell apart. */
export function tinted(nodes: FeatureCollection): FeatureCollection {
  const features = nodes.features.map((one, index) => ({ ...one, properties: { ...one.properties, tint: index % TINTS } }))
  return { ...nodes, features }
}

/** A point for each node's name. */
export function names(nodes: FeatureCollection): FeatureCollection {
  const named = (node: Feature) => {
    const label = node.properties?.label as LonLat | null | undefined
    return label ? feature(point(label), { ...node.properties }) : []
  }
  return collection(nodes.features.flatMap(named))
}
