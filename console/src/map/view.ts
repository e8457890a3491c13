// One map on the page: MapLibre with our own layers, without a word to the outside unless the installation
// names a server for tiles. A chunk of its own, loaded when the first map is shown: the page that rings
// must not wait for it.
//
// Everything goes in as WGS-84 and comes out as WGS-84; the datum of the tiles is dealt with here.

import type { FeatureCollection } from 'geojson'
import { type GeoJSONSource, Map, type MapLayerMouseEvent, Marker, setWorkerUrl, type StyleSpecification } from 'maplibre-gl'
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url'
import type { MapSettings } from '../api/types'
import { back, type Datum, type LonLat, onto } from '../model/datum'
import { type Bounds, NOTHING, shifted } from '../model/geometry'
import { addIcons } from './icons'
import { GROUND, type Layer } from './layers'
import './map.css'

setWorkerUrl(workerUrl)

/** China, until something better is known. */
const ANYWHERE: Bounds = [[98, 21], [123, 42]]
const MAX_ZOOM = 19
const EDGE_PX = 48

export interface Found {
  layer: string
  properties: Record<string, unknown>
  at: LonLat
}

export class MapView {
  private readonly map: Map
  private readonly datum: Datum
  private readonly waiting = new globalThis.Map<string, FeatureCollection>()
  private ready = false
  /** Whose the view is: the page keeps what matters in sight until somebody moves the map by hand. */
  private held: 'by_the_page' | 'by_hand' = 'by_the_page'

  /** Throws when this browser cannot draw it. */
  constructor(
    box: HTMLElement,
    private readonly settings: MapSettings,
    private readonly layers: readonly Layer[],
    label: string,
    became: (state: 'ready' | 'missing') => void,
  ) {
    this.datum = settings.tiles?.datum ?? 'wgs84'
    this.map = new Map({
      container: box,
      style: style(settings, layers),
      bounds: this.corners(settings.bounds ?? ANYWHERE),
      fitBoundsOptions: { padding: EDGE_PX },
      ...(settings.bounds || !settings.center ? {} : { bounds: undefined, center: this.shown(settings.center), zoom: 12 }),
      maxZoom: MAX_ZOOM,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      localIdeographFontFamily: 'Noto Sans SC, Noto Sans CJK SC, PingFang SC, Microsoft YaHei, sans-serif',
      locale: { 'Map.Title': label },
    })
    this.map.touchZoomRotate.disableRotation()
    this.map.keyboard.disableRotation()
    this.map.once('load', () => {
      addIcons(this.map)
      this.ready = true
      for (const [source, data] of this.waiting) this.put(source, data)
      this.waiting.clear()
      became('ready')
    })
    this.map.on('movestart', (event) => {
      if ('originalEvent' in event && event.originalEvent) this.held = 'by_hand'
    })
    // A tile that does not come leaves a hole in the ground; everything of ours is still there.
    this.map.on('error', ({ error }) => console.warn('map', error.message))
    this.map.on('webglcontextlost', () => became('missing'))
    this.map.on('webglcontextrestored', () => became('ready'))
  }

  /** Shows these features in a source, in place of those before. */
  put(source: string, data: FeatureCollection): void {
    if (!this.ready) {
      this.waiting.set(source, data)
      return
    }
    const seen = this.datum === 'wgs84' ? data : shifted(data, (at) => onto(this.datum, at))
    void (this.map.getSource(source) as GeoJSONSource | undefined)?.setData(seen)
  }

  /** Moves so that all of it is seen, no nearer than makes sense. */
  frame(around: Bounds | null, how: 'at_once' | 'gently' = 'at_once', nearest = 16.5): void {
    if (around === null) return
    this.held = 'by_the_page'
    const duration = how === 'at_once' ? 0 : 600
    this.map.fitBounds(this.corners(around), { padding: EDGE_PX, maxZoom: nearest, duration })
  }

  /** Frames it again when some of it has gone out of sight, unless somebody has moved the map by hand. */
  keep(around: Bounds | null): void {
    if (around === null || this.held === 'by_hand') return
    const { clientWidth: width, clientHeight: height } = this.map.getContainer()
    const inSight = (corner: [number, number]) => {
      const { x, y } = this.map.project(corner)
      return x > EDGE_PX / 2 && x < width - EDGE_PX / 2 && y > EDGE_PX / 2 && y < height - EDGE_PX / 2
    }
    if (!this.corners(around).every(inSight)) this.frame(around, 'gently')
  }

  /** Moves there when it is out of sight. */
  reveal(at: LonLat): void {
    const shown = this.shown(at)
    if (!this.map.getBounds().contains(shown)) this.map.easeTo({ center: shown, duration: 600 })
  }

  zoom(by: 1 | -1): void {
    this.held = 'by_hand'
    this.map.zoomTo(this.map.getZoom() + by, { duration: 200 })
  }

  /** Puts an element of the page on a place; the answer moves it or takes it away. */
  mark(element: HTMLElement, at: LonLat, dragged?: (to: LonLat, end: 'yes' | 'no') => void): Mark {
    const marker = new Marker({ element, draggable: dragged !== undefined, anchor: 'center' })
    marker.setLngLat(this.shown(at)).addTo(this.map)
    const tell = (end: 'yes' | 'no') => () => {
      const { lng, lat } = marker.getLngLat()
      dragged?.(back(this.datum, [lng, lat]), end)
    }
    marker.on('drag', tell('no'))
    marker.on('dragend', tell('yes'))
    return {
      move: (to) => void marker.setLngLat(this.shown(to)),
      drop: () => void marker.remove(),
    }
  }

  /** Hears clicks on what one of these layers draws; the pointer says that it can be clicked. */
  onPick(layers: string[], picked: (found: Found) => void): void {
    const canvas = this.map.getCanvas()
    this.map.on('click', layers, (event: MapLayerMouseEvent) => {
      const hit = event.features?.[0]
      if (hit) picked({ layer: hit.layer.id, properties: hit.properties, at: this.meant(event) })
    })
    this.map.on('mouseenter', layers, () => canvas.classList.add('pickable'))
    this.map.on('mouseleave', layers, () => canvas.classList.remove('pickable'))
  }

  onClick(clicked: (at: LonLat) => void): void {
    this.map.on('click', (event) => clicked(this.meant(event)))
  }

  /** Told each time when everything that was put has been drawn: how many features are seen, by layer. */
  onDrawn(drawn: (seen: Record<string, number>) => void): void {
    this.map.on('idle', () => {
      if (!this.ready) return
      const seen: Record<string, Set<unknown>> = {}
      // A feature that lies in several tiles is found several times.
      for (const { layer, id, properties } of this.map.queryRenderedFeatures()) {
        ;(seen[layer.id] ??= new Set()).add(properties.id ?? id ?? JSON.stringify(properties))
      }
      drawn(Object.fromEntries(this.layers.map(({ id }) => [id, seen[id]?.size ?? 0])))
    })
  }

  /** The attribution that the owner of the tiles asks for. */
  get attribution(): string {
    return this.settings.tiles?.attribution ?? ''
  }

  drop(): void {
    this.map.remove()
  }

  private shown(at: LonLat): [number, number] {
    return [...onto(this.datum, at)]
  }

  private corners([southWest, northEast]: Bounds): [[number, number], [number, number]] {
    return [this.shown(southWest), this.shown(northEast)]
  }

  private meant(event: { lngLat: { lng: number; lat: number } }): LonLat {
    return back(this.datum, [event.lngLat.lng, event.lngLat.lat])
  }
}

export interface Mark {
  move(to: LonLat): void
  drop(): void
}

function style({ tiles }: MapSettings, layers: readonly Layer[]): StyleSpecification {
  const sources: StyleSpecification['sources'] = {}
  for (const { source } of layers) sources[source] = { type: 'geojson', data: NOTHING }
  const ground: StyleSpecification['layers'] = [{ id: 'ground', type: 'background', paint: { 'background-color': GROUND } }]
  if (!tiles) return { version: 8, sources, layers: [...ground, ...layers] }
  sources.tiles = { type: 'raster', tiles: [tiles.url], tileSize: 256, maxzoom: tiles.max_zoom }
  // Over somebody else's ground our own areas are lines only.
  const lines = layers.filter(({ id }) => id !== 'node-ground' && id !== 'node-community')
  return { version: 8, sources, layers: [...ground, { id: 'tiles', type: 'raster', source: 'tiles' }, ...lines] }
}
