// How often a model is to be heard: as the server tells it, in seconds, and as people write it, in minutes and hours.

import type { Heartbeat } from '../api/types'

export interface HeartbeatRow {
  /** Empty: all models that have none of their own. */
  model: string
  version: number
  moving_min: number
  still_min: number
  charging_min: number
  late_beats: number
  silent_beats: number
  lost_after_h: number
  alarm: Heartbeat['alarm']
}

export function asTold(told: Heartbeat): HeartbeatRow {
  const { model, version, late_beats, silent_beats, alarm } = told
  return {
    model, version, late_beats, silent_beats, alarm,
    moving_min: told.moving_s / 60, still_min: told.still_s / 60, charging_min: told.charging_s / 60, lost_after_h: told.lost_after_s / 3600,
  }
}

export function asked(row: HeartbeatRow): Heartbeat {
  const { model, version, late_beats, silent_beats, alarm } = row
  return {
    model, version, late_beats, silent_beats, alarm,
    moving_s: Math.round(row.moving_min * 60), still_s: Math.round(row.still_min * 60), charging_s: Math.round(row.charging_min * 60),
    lost_after_s: Math.round(row.lost_after_h * 3600),
  }
}
