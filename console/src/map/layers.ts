// What is drawn on a map, in which order and how: data for MapLibre, nothing else. Calm ground, and colour
// only for what moves. Names are drawn with the machine's own fonts; there is no server for glyphs.

import type { ExpressionSpecification, FilterSpecification, LayerSpecification } from 'maplibre-gl'

/** A layer over one of our own sources. */
export type Layer = Exclude<LayerSpecification, { type: 'background' }> & { source: string }

export const FONT = ['Noto Sans SC', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', 'sans-serif']

/** The colours of the page, in the same roles. */
const INK = '#14202b'
const INK_2 = '#3f4f5d'
const INK_3 = '#586776'
const BRAND = '#0f4c81'
const GOOD = '#12633a'
const WARN = '#a86a0a'
const PAPER = '#ffffff'

/** Neighbours differ, none shouts. */
export const TINTS = ['#f3f1e8', '#eaf1ea', '#eef0f6', '#f4eeee', '#e9f1f3', '#f1eff5', '#f0f3e6']
export const GROUND = '#dfe6ea'

const level = (...levels: string[]): ExpressionSpecification => ['in', ['get', 'level'], ['literal', levels]]
const what = (...whats: string[]): ExpressionSpecification => ['in', ['get', 'what'], ['literal', whats]]

const NAME_PAINT = { 'text-color': INK_3, 'text-halo-color': 'rgba(255,255,255,0.92)', 'text-halo-width': 1.6 } as const

/** Districts to courtyards: tinted communities, and finer lines the nearer one looks. */
export const NODE_LAYERS: Layer[] = [
  {
    id: 'node-ground',
    type: 'fill',
    source: 'nodes',
    filter: level('city', 'district', 'street'),
    paint: { 'fill-color': '#f2f4f3', 'fill-opacity': 0.9 },
  },
  {
    id: 'node-community',
    type: 'fill',
    source: 'nodes',
    filter: level('community'),
    paint: {
      'fill-color': ['match', ['get', 'tint'], 0, TINTS[0]!, 1, TINTS[1]!, 2, TINTS[2]!, 3, TINTS[3]!, 4, TINTS[4]!, 5, TINTS[5]!, TINTS[6]!],
      'fill-antialias': false,
    },
  },
  {
    id: 'node-courtyard-line',
    type: 'line',
    source: 'nodes',
    filter: level('courtyard'),
    minzoom: 15,
    paint: { 'line-color': '#c3ced6', 'line-width': 1, 'line-dasharray': [2, 2] },
  },
  {
    id: 'node-grid-line',
    type: 'line',
    source: 'nodes',
    filter: level('grid'),
    minzoom: 13,
    paint: { 'line-color': '#b9c6cf', 'line-width': 1, 'line-dasharray': [4, 3] },
  },
  {
    id: 'node-community-line',
    type: 'line',
    source: 'nodes',
    filter: level('community'),
    paint: { 'line-color': '#a9b8c3', 'line-width': ['interpolate', ['linear'], ['zoom'], 11, 0.6, 15, 1.6] },
  },
  {
    id: 'node-street-line',
    type: 'line',
    source: 'nodes',
    filter: level('street'),
    layout: { 'line-join': 'round' },
    paint: { 'line-color': '#8597a5', 'line-width': ['interpolate', ['linear'], ['zoom'], 10, 1, 15, 2.6] },
  },
  {
    id: 'node-district-line',
    type: 'line',
    source: 'nodes',
    filter: level('district', 'city'),
    layout: { 'line-join': 'round' },
    paint: { 'line-color': '#6d8192', 'line-width': ['interpolate', ['linear'], ['zoom'], 9, 1.6, 15, 3.4] },
  },
]

const name = (id: string, of: string, zooms: [number, number], size: number, spacing: number, color: string): Layer => ({
  id,
  type: 'symbol',
  source: 'names',
  filter: level(of),
  minzoom: zooms[0],
  maxzoom: zooms[1],
  layout: {
    'text-field': ['get', 'name'],
    'text-font': FONT,
    'text-size': size,
    'text-letter-spacing': spacing,
    'text-max-width': 9,
    'text-padding': 6,
  },
  paint: { ...NAME_PAINT, 'text-color': color },
})

/** Names lie over everything that is flat and under everything that moves. */
export const NAME_LAYERS: Layer[] = [
  name('name-courtyard', 'courtyard', [16, 24], 12, 0, '#74838f'),
  name('name-grid', 'grid', [14.3, 24], 12, 0.02, '#6a7985'),
  name('name-community', 'community', [11.6, 24], 13.5, 0.06, INK_2),
  name('name-street', 'street', [9.5, 12.6], 15, 0.2, INK),
  name('name-district', 'district', [6, 10], 17, 0.3, INK),
]

/** The district as it is now. */
export const DISTRICT_LAYERS: Layer[] = [
  ...NODE_LAYERS,
  ...NAME_LAYERS,
  {
    id: 'people',
    type: 'circle',
    source: 'people',
    minzoom: 12.2,
    paint: {
      'circle-radius': ['interpolate', ['linear'], ['zoom'], 12.2, 1.6, 14, 3.4, 17, 6],
      'circle-color': '#7d93a6',
      'circle-stroke-color': PAPER,
      'circle-stroke-width': ['interpolate', ['linear'], ['zoom'], 12.2, 0.4, 15, 1.4],
      'circle-opacity': ['interpolate', ['linear'], ['zoom'], 12.2, 0.55, 14.5, 1],
    },
  },
  {
    id: 'person-name',
    type: 'symbol',
    source: 'people',
    minzoom: 16,
    layout: { 'text-field': ['get', 'name'], 'text-font': FONT, 'text-size': 12, 'text-offset': [0, 0.8], 'text-anchor': 'top' },
    paint: NAME_PAINT,
  },
  {
    id: 'stations',
    type: 'symbol',
    source: 'stations',
    layout: {
      'icon-image': 'station',
      'icon-allow-overlap': true,
      'icon-ignore-placement': true,
      'icon-size': ['interpolate', ['linear'], ['zoom'], 10, 0.6, 14, 1],
      'text-field': ['step', ['zoom'], '', 13, ['get', 'name']],
      'text-font': FONT,
      'text-size': 12,
      'text-offset': [0, 1.1],
      'text-anchor': 'top',
      'text-optional': true,
    },
    paint: { ...NAME_PAINT, 'text-color': BRAND },
  },
  {
    id: 'responders',
    type: 'symbol',
    source: 'responders',
    layout: {
      'icon-image': ['case', ['==', ['get', 'engaged'], true], 'responder-engaged', 'responder-free'],
      'icon-allow-overlap': true,
      'icon-ignore-placement': true,
      'symbol-sort-key': ['case', ['==', ['get', 'engaged'], true], 1, 0],
      'icon-size': ['interpolate', ['linear'], ['zoom'], 10, 0.4, 12, 0.55, 15, 0.95],
      'text-field': ['step', ['zoom'], '', 15, ['get', 'name']],
      'text-font': FONT,
      'text-size': 12,
      'text-offset': [0, 1.1],
      'text-anchor': 'top',
      'text-optional': true,
    },
    paint: { ...NAME_PAINT, 'text-color': GOOD, 'icon-opacity': ['case', ['>', ['get', 'age_s'], 600], 0.45, 1] },
  },
  // Those beyond what can be buttons on the page.
  {
    id: 'incidents',
    type: 'circle',
    source: 'incidents',
    paint: { 'circle-radius': 5, 'circle-color': '#c1121f', 'circle-stroke-color': PAPER, 'circle-stroke-width': 1.5 },
  },
]

/** Told apart also by who sees no colours: forbidden is hatched in a thick unbroken line, a way is dotted in a dotted one. */
const FENCE_INK = {
  safe: '#5a2ea6',
  forbidden: '#a32a00',
  corridor: '#00624a',
  off: '#6b7a86',
}
const fenceInk: ExpressionSpecification = [
  'case',
  ['!=', ['get', 'active'], true], FENCE_INK.off,
  ['match', ['get', 'kind'], 'forbidden', FENCE_INK.forbidden, 'corridor', FENCE_INK.corridor, FENCE_INK.safe],
]
const ofKind = (kind: string): FilterSpecification => ['all', ['==', ['geometry-type'], 'Polygon'], ['==', ['get', 'kind'], kind]]
const fenceLine = (kind: string, width: number, dashes?: number[]): Layer => ({
  id: kind === 'safe' ? 'fence-line' : `fence-line-${kind}`,
  type: 'line',
  source: 'fences',
  filter: ofKind(kind),
  layout: { 'line-join': 'round', 'line-cap': kind === 'corridor' ? 'round' : 'butt' },
  paint: {
    'line-color': fenceInk,
    'line-width': ['case', ['==', ['get', 'edited'], true], width + 1, width],
    ...(dashes ? { 'line-dasharray': dashes } : {}),
  },
})
const fencePattern = (kind: 'forbidden' | 'corridor'): Layer => ({
  id: `fence-${kind}`,
  type: 'fill',
  source: 'fences',
  filter: ['all', ofKind(kind), ['==', ['get', 'active'], true]] as FilterSpecification,
  paint: { 'fill-pattern': `fence-${kind}`, 'fill-opacity': 0.85 },
})

export const FENCE_LAYERS: Layer[] = [
  {
    id: 'fence-area',
    type: 'fill',
    source: 'fences',
    filter: ['==', ['geometry-type'], 'Polygon'],
    paint: { 'fill-color': fenceInk, 'fill-opacity': ['case', ['==', ['get', 'edited'], true], 0.16, 0.08] },
  },
  fencePattern('forbidden'),
  fencePattern('corridor'),
  fenceLine('safe', 1.6, [3, 2]),
  fenceLine('forbidden', 3),
  fenceLine('corridor', 2.4, [0.1, 2]),
  {
    id: 'fence-name',
    type: 'symbol',
    source: 'fences',
    filter: ['==', ['geometry-type'], 'Point'],
    layout: { 'text-field': ['get', 'name'], 'text-font': FONT, 'text-size': 12.5, 'text-anchor': 'bottom', 'text-offset': [0, -0.3] },
    paint: { ...NAME_PAINT, 'text-color': ['match', ['get', 'kind'], 'forbidden', FENCE_INK.forbidden, 'corridor', FENCE_INK.corridor, FENCE_INK.safe] },
  },
]

export const HOME_LAYERS: Layer[] = [
  {
    id: 'home',
    type: 'symbol',
    source: 'things',
    filter: what('home'),
    layout: { 'icon-image': 'home', 'icon-allow-overlap': true },
  },
]

/** One case: where the person is and was, who goes there and how they came so far. */
export const CASE_LAYERS: Layer[] = [
  ...NODE_LAYERS,
  ...FENCE_LAYERS,
  {
    id: 'accuracy',
    type: 'fill',
    source: 'place',
    filter: what('accuracy'),
    paint: { 'fill-color': '#c1121f', 'fill-opacity': 0.1 },
  },
  {
    id: 'accuracy-line',
    type: 'line',
    source: 'place',
    filter: what('accuracy'),
    paint: { 'line-color': '#c1121f', 'line-width': 1.2, 'line-opacity': 0.55 },
  },
  ...NAME_LAYERS,
  {
    id: 'track',
    type: 'line',
    source: 'things',
    filter: what('track'),
    layout: { 'line-join': 'round', 'line-cap': 'round' },
    paint: { 'line-color': WARN, 'line-width': 2.4, 'line-opacity': 0.75 },
  },
  {
    id: 'track-fix',
    type: 'circle',
    source: 'things',
    filter: what('fix'),
    minzoom: 14,
    paint: { 'circle-radius': 3, 'circle-color': PAPER, 'circle-stroke-color': WARN, 'circle-stroke-width': 1.6 },
  },
  {
    id: 'ahead',
    type: 'line',
    source: 'things',
    filter: what('ahead'),
    paint: { 'line-color': ['match', ['get', 'of'], 'vehicle', BRAND, GOOD], 'line-width': 1.6, 'line-opacity': 0.6, 'line-dasharray': [2, 3] },
  },
  {
    id: 'way',
    type: 'line',
    source: 'things',
    filter: what('way'),
    layout: { 'line-join': 'round', 'line-cap': 'round' },
    paint: { 'line-color': GOOD, 'line-width': 3, 'line-opacity': 0.8 },
  },
  {
    id: 'station',
    type: 'symbol',
    source: 'things',
    filter: what('station'),
    layout: {
      'icon-image': 'station',
      'icon-allow-overlap': true,
      'icon-ignore-placement': true,
      'icon-size': 0.8,
      'text-field': ['step', ['zoom'], '', 13, ['get', 'name']],
      'text-font': FONT,
      'text-size': 12,
      'text-offset': [0, 1],
      'text-anchor': 'top',
      'text-optional': true,
    },
    paint: { ...NAME_PAINT, 'text-color': BRAND },
  },
  ...HOME_LAYERS,
  {
    id: 'mover',
    type: 'symbol',
    source: 'things',
    filter: what('responder', 'vehicle'),
    layout: {
      'icon-image': ['case', ['==', ['get', 'what'], 'vehicle'], 'vehicle', ['==', ['get', 'state'], 'asked'], 'responder-free', 'responder-engaged'],
      'icon-allow-overlap': true,
      'text-field': ['coalesce', ['get', 'plate'], ['get', 'name'], ''],
      'text-font': FONT,
      'text-size': 12.5,
      'text-offset': [0, 1.2],
      'text-anchor': 'top',
      'text-allow-overlap': true,
    },
    paint: { ...NAME_PAINT, 'text-color': ['case', ['==', ['get', 'what'], 'vehicle'], BRAND, GOOD] },
  },
  {
    id: 'person',
    type: 'symbol',
    source: 'place',
    filter: what('person'),
    layout: { 'icon-image': 'person', 'icon-allow-overlap': true },
  },
]

/** A resident's page: the home, the fences, and the place that was asked for. */
export const RESIDENT_LAYERS: Layer[] = [
  ...NODE_LAYERS,
  ...NAME_LAYERS,
  ...FENCE_LAYERS,
  {
    id: 'accuracy',
    type: 'fill',
    source: 'place',
    filter: what('accuracy'),
    paint: { 'fill-color': BRAND, 'fill-opacity': 0.1 },
  },
  ...HOME_LAYERS,
  {
    id: 'person',
    type: 'symbol',
    source: 'place',
    filter: what('person'),
    layout: { 'icon-image': 'person-calm', 'icon-allow-overlap': true },
  },
  // What is wrong with a drawing, or was put right in it.
  {
    id: 'wrong',
    type: 'circle',
    source: 'marks',
    paint: {
      'circle-radius': 16,
      'circle-color': 'rgba(255,255,255,0.35)',
      'circle-stroke-color': ['case', ['==', ['get', 'what'], 'wrong'], '#c1121f', WARN],
      'circle-stroke-width': 3,
    },
  },
]
