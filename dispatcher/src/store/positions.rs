//! What terminals hear around them, until a place has been reckoned from it: what is to be looked up, the local table of
//! cells, and the access points of homes.

use domain::id::{IncidentId, ResidentId, TerminalId, UserId};
use domain::place::{Metres, Position, Source, reach};
use domain::word::Word as _;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;
use wire::report::{AccessPoint, Cell, Surroundings};

use super::timeline::{self, Line};
use super::{StoreError, outbox};
use crate::config::Config;
use crate::lines::clean;

/// How long a look-up may take before another dispatcher tries it.
const LEASE: SignedDuration = SignedDuration::from_secs(10);
/// An access point that was heard at home so often is one of the home's.
const LEARNT_AFTER: i32 = 3;
/// Whoever hears one of the home's access points is so far from where the home is at most.
const AT_HOME_WITHIN: Metres = Metres(50.0);
/// The table's cells reach this far at least: it tells where masts were heard, not where they stand.
const CELL_AT_LEAST_M: f64 = 200.0;
/// Two places that are no further apart are one.
const SAME_PLACE_M: f64 = 1.0;

/// A place that was reckoned from what a terminal hears.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resolved {
    /// Where.
    pub position: Position,
    /// How sure.
    pub accuracy: Metres,
    /// From what.
    pub source: Source,
    /// By whom: `home`, `cells`, `provider`.
    pub by: &'static str,
}

/// What a terminal hears, as the database keeps it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    cells: Vec<Cell>,
    access_points: Vec<KeptPoint>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptPoint {
    mac: String,
    rssi_dbm: Option<i16>,
    ssid: Option<String>,
}

/// As the database keeps it; `None` when there is nothing.
pub fn kept(heard: &Surroundings) -> Option<Value> {
    if heard.is_empty() {
        return None;
    }
    let point = |point: &AccessPoint| KeptPoint {
        mac: mac_text(point.mac),
        rssi_dbm: point.rssi_dbm,
        ssid: point.ssid.clone(),
    };
    let kept = Kept { cells: heard.cells.clone(), access_points: heard.access_points.iter().map(point).collect() };
    serde_json::to_value(kept).ok().map(clean)
}

fn read(kept: Value) -> Surroundings {
    let Kept { cells, access_points } = serde_json::from_value(kept).unwrap_or_default();
    let point =
        |point: KeptPoint| Some(AccessPoint { mac: mac(&point.mac)?, rssi_dbm: point.rssi_dbm, ssid: point.ssid });
    Surroundings { cells, access_points: access_points.into_iter().filter_map(point).collect() }
}

/// The address of an access point, as the database writes it.
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// An address as people write it: with colons, dashes or nothing between its digits.
pub fn mac(text: &str) -> Option<[u8; 6]> {
    let digits: String = text.chars().filter(|letter| !matches!(letter, ':' | '-' | '.' | ' ')).collect();
    let mut mac = [0; 6];
    hex::decode_to_slice(digits, &mut mac).ok()?;
    Some(mac)
}

/// Something to be looked up.
#[derive(Debug, Clone)]
pub struct Unresolved {
    /// The terminal.
    pub terminal: TerminalId,
    /// Who wears it.
    pub resident: Option<ResidentId>,
    /// The case that it was told in.
    pub incident: Option<IncidentId>,
    /// What it hears.
    pub heard: Surroundings,
    /// When that was.
    pub at: Timestamp,
    /// How often it was looked up before.
    pub tries: i32,
}

/// Remembers what is to be looked up: the latest of each terminal. What was told in a case stays that case's.
pub async fn wonder(conn: &mut PgConnection, wondered: &[Unresolved]) -> Result<(), StoreError> {
    if wondered.is_empty() {
        return Ok(());
    }
    let terminals: Vec<i64> = wondered.iter().map(|one| one.terminal.0).collect();
    let residents: Vec<Option<Uuid>> = wondered.iter().map(|one| one.resident.map(|resident| resident.0)).collect();
    let incidents: Vec<Option<Uuid>> = wondered.iter().map(|one| one.incident.map(|incident| incident.0)).collect();
    let heard: Vec<Value> = wondered.iter().map(|one| kept(&one.heard).unwrap_or_else(|| json!({}))).collect();
    let at: Vec<jiff_sqlx::Timestamp> = wondered.iter().map(|one| one.at.to_sqlx()).collect();
    sqlx::query!(
        "insert into unresolved as u (terminal_id, resident_id, incident_id, surroundings, heard_at, next_try_at)
         select distinct on (terminal_id) terminal_id, resident_id, incident_id, surroundings, heard_at, clock_timestamp()
         from unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::jsonb[], $5::timestamptz[])
            as n (terminal_id, resident_id, incident_id, surroundings, heard_at)
         order by terminal_id, incident_id is null, heard_at desc
         on conflict (terminal_id) do update set
            resident_id = excluded.resident_id, incident_id = coalesce(excluded.incident_id, u.incident_id),
            surroundings = excluded.surroundings, heard_at = excluded.heard_at, tries = 0,
            next_try_at = excluded.next_try_at",
        &terminals,
        &residents as &[Option<Uuid>],
        &incidents as &[Option<Uuid>],
        &heard,
        at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes what is due, what belongs to a case first.
pub async fn lease(conn: &mut PgConnection, count_max: i64) -> Result<Vec<Unresolved>, StoreError> {
    let rows = sqlx::query!(
        "with due as (
            select terminal_id from unresolved where next_try_at <= statement_timestamp()
            order by incident_id is null, next_try_at limit $1 for update skip locked)
         update unresolved u set tries = tries + 1, next_try_at = clock_timestamp() + make_interval(secs => $2)
         from due where u.terminal_id = due.terminal_id
         returning u.terminal_id, u.resident_id, u.incident_id, u.surroundings, u.heard_at, u.tries",
        count_max,
        LEASE.as_secs_f64(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Unresolved {
            terminal: TerminalId(row.terminal_id),
            resident: row.resident_id.map(ResidentId),
            incident: row.incident_id.map(IncidentId),
            heard: read(row.surroundings),
            at: row.heard_at.to_jiff(),
            tries: row.tries - 1,
        })
        .collect())
}

/// It is looked up, as far as it can be; or again after a while.
pub async fn settle(
    conn: &mut PgConnection,
    one: &Unresolved,
    again: Option<SignedDuration>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "with looked_up as (
            delete from unresolved where terminal_id = $1 and heard_at = $2 and $3::float8 is null)
         update unresolved set next_try_at = clock_timestamp() + make_interval(secs => $3)
         where terminal_id = $1 and heard_at = $2 and $3 is not null",
        one.terminal.0,
        one.at.to_sqlx(),
        again.map(|again| again.as_secs_f64()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps a place that was reckoned, if it says more than what is known; the case that it belongs to hears of it, and is
/// decided again, and so do the centres that were called. Whether it does.
pub async fn keep(
    conn: &mut PgConnection,
    one: &Unresolved,
    resolved: &Resolved,
    config: &Config,
) -> Result<bool, StoreError> {
    let known = sqlx::query!(
        r#"select place_received_at as at, place_accuracy_m,
            st_distance(place, st_setsrid(st_makepoint($2, $3), 4326)::geography) as "moved_m!"
         from terminal_state where terminal_id = $1 and place is not null for update"#,
        one.terminal.0,
        resolved.position.lon_deg(),
        resolved.position.lat_deg(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    // The same place come again is fresher, and tells nobody who is on the way anything.
    let is_new = known.as_ref().is_none_or(|known| {
        let is_closer = known.place_accuracy_m.is_none_or(|accuracy| resolved.accuracy.0 < accuracy);
        known.moved_m > SAME_PLACE_M || is_closer
    });
    let is_better = known.is_none_or(|known| {
        let Some(age) = known.at.map(|at| one.at.duration_since(at.to_jiff())) else { return true };
        // What came after it is where they have been since.
        age >= SignedDuration::ZERO
            && reach(known.place_accuracy_m.map(Metres), age) > reach(Some(resolved.accuracy), SignedDuration::ZERO)
    });
    if !is_better {
        return Ok(false);
    }
    sqlx::query!(
        "update terminal_state set place = st_setsrid(st_makepoint($2, $3), 4326)::geography, place_accuracy_m = $4,
            place_source = $5, place_received_at = $6, place_device_at = null
         where terminal_id = $1",
        one.terminal.0,
        resolved.position.lon_deg(),
        resolved.position.lat_deg(),
        resolved.accuracy.0,
        resolved.source.as_str(),
        one.at.to_sqlx(),
    )
    .execute(&mut *conn)
    .await?;
    let Some(incident) = one.incident else { return Ok(true) };
    let now = sqlx::query_scalar!(
        r#"update incident set wake_at = clock_timestamp() where id = $1 and closed_at is null
         returning clock_timestamp() as "now!""#,
        incident.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(now) = now {
        let data = json!({
            "source": resolved.source.as_str(),
            "by": resolved.by,
            "accuracy_m": resolved.accuracy.0,
            "heard_at": one.at,
            "place": { "lat": resolved.position.lat_deg(), "lon": resolved.position.lon_deg() },
        });
        let now = now.to_jiff();
        timeline::append(conn, incident, now, &[Line { what: "place_resolved", who: None, data }]).await?;
        if is_new {
            outbox::update_centres(conn, incident, config, now).await?;
        }
    }
    Ok(true)
}

/// The home of whoever hears one of its access points.
pub async fn at_home(
    conn: &mut PgConnection,
    resident: ResidentId,
    heard: &[AccessPoint],
) -> Result<Option<Resolved>, StoreError> {
    let macs: Vec<String> = heard.iter().map(|point| mac_text(point.mac)).collect();
    let home = sqlx::query!(
        r#"select st_y(r.home::geometry) as "lat!", st_x(r.home::geometry) as "lon!"
         from resident r
         where r.id = $1 and r.home is not null and exists (select from home_access_point h
            where h.resident_id = r.id and h.mac = any($2) and (h.entered_by is not null or h.sightings >= $3))"#,
        resident.0,
        &macs,
        LEARNT_AFTER,
    )
    .fetch_optional(conn)
    .await?;
    let position = home.and_then(|home| Position::new(home.lat, home.lon).ok());
    let found = |position| Resolved { position, accuracy: AT_HOME_WITHIN, source: Source::Wifi, by: "home" };
    Ok(position.map(found))
}

/// The place of the first of these cells that the table knows: the one that serves the terminal, if it does.
pub async fn tower(conn: &mut PgConnection, heard: &[Cell]) -> Result<Option<Resolved>, StoreError> {
    let countries: Vec<i32> = heard.iter().map(|cell| i32::from(cell.mcc)).collect();
    let networks: Vec<i32> = heard.iter().map(|cell| i32::from(cell.mnc)).collect();
    let lacs: Vec<i64> = heard.iter().map(|cell| i64::from(cell.lac)).collect();
    // Identities of cells have 36 bits at most.
    let cids: Vec<i64> = heard.iter().map(|cell| i64::try_from(cell.cid).unwrap_or(-1)).collect();
    let tower = sqlx::query!(
        "select t.lat, t.lon, t.range_m
         from unnest($1::integer[], $2::integer[], $3::bigint[], $4::bigint[])
            with ordinality as h (mcc, mnc, lac, cid, nth)
         join cell_tower t on (t.mcc, t.mnc, t.lac, t.cid) = (h.mcc, h.mnc, h.lac, h.cid)
         order by h.nth limit 1",
        &countries,
        &networks,
        &lacs,
        &cids,
    )
    .fetch_optional(conn)
    .await?;
    Ok(tower.and_then(|tower| {
        let position = Position::new(tower.lat, tower.lon).ok()?;
        let accuracy = Metres(tower.range_m.max(CELL_AT_LEAST_M));
        Some(Resolved { position, accuracy, source: Source::Cell, by: "cells" })
    }))
}

/// Learns the access points of homes: what terminals hear while satellites say that their wearers are there counts, once
/// an hour; what was learnt and is heard far away is carried about, and is forgotten.
pub async fn learn(conn: &mut PgConnection) -> Result<u64, StoreError> {
    let learnt = sqlx::query!(
        "with heard as (
            select distinct on (w.resident_id, point ->> 'mac') w.resident_id, point ->> 'mac' as mac,
                st_distance(s.place, r.home) as away_m
            from terminal_state s
            join wearer w on w.terminal_id = s.terminal_id
            join resident r on r.id = w.resident_id and r.home is not null
            cross join lateral jsonb_array_elements(s.surroundings -> 'access_points') point
            where s.surrounded_at > clock_timestamp() - interval '1 hour' and s.place_received_at = s.surrounded_at
                and s.place_source = 'gnss' and s.place_accuracy_m <= 50
                and coalesce((point ->> 'rssi_dbm')::integer, -60) >= -80
            order by w.resident_id, point ->> 'mac', st_distance(s.place, r.home) desc
        ), forgotten as (
            delete from home_access_point h using heard n
            where h.resident_id = n.resident_id and h.mac = n.mac and n.away_m > 300 and h.entered_by is null)
         insert into home_access_point as h (resident_id, mac, sightings, seen_at)
         select resident_id, mac, 1, clock_timestamp() from heard where away_m <= 60
         on conflict (resident_id, mac) do update set sightings = h.sightings + 1, seen_at = excluded.seen_at
         where h.seen_at < excluded.seen_at - interval '50 minutes'",
    )
    .execute(conn)
    .await?;
    Ok(learnt.rows_affected())
}

/// An access point of a home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HomePoint {
    /// Its address.
    pub mac: String,
    /// Somebody wrote it down; otherwise it was learnt.
    pub entered: bool,
    /// Whoever hears it is taken to be at home.
    pub counts: bool,
    /// When it was written down, or heard there last.
    pub seen_at: Timestamp,
}

/// The access points of a resident's home.
pub async fn home_points(conn: &mut PgConnection, resident: Uuid) -> Result<Vec<HomePoint>, StoreError> {
    let rows = sqlx::query!(
        "select mac, entered_by, sightings, seen_at from home_access_point where resident_id = $1
         order by entered_by is null, mac",
        resident
    )
    .fetch_all(conn)
    .await?;
    let point = |row: (String, Option<Uuid>, i32, jiff_sqlx::Timestamp)| HomePoint {
        mac: row.0,
        entered: row.1.is_some(),
        counts: row.1.is_some() || row.2 >= LEARNT_AFTER,
        seen_at: row.3.to_jiff(),
    };
    Ok(rows.into_iter().map(|row| point((row.mac, row.entered_by, row.sightings, row.seen_at))).collect())
}

/// Says which access points a resident's home has: these, and none besides, whatever was learnt.
pub async fn enter_home_points(
    conn: &mut PgConnection,
    resident: Uuid,
    macs: &[[u8; 6]],
    by: UserId,
) -> Result<(), StoreError> {
    let macs: Vec<String> = macs.iter().map(|mac| mac_text(*mac)).collect();
    sqlx::query!(
        "with gone as (delete from home_access_point where resident_id = $1 and mac <> all($2)),
         entered as (
            insert into home_access_point (resident_id, mac, entered_by, seen_at)
            select distinct $1::uuid, mac, $3::uuid, clock_timestamp() from unnest($2::text[]) mac
            on conflict (resident_id, mac) do update set entered_by = excluded.entered_by)
         insert into audit (user_id, what, about, resident_id) values ($3, 'home_access_points_entered', $1::uuid::text, $1)",
        resident,
        &macs,
        by.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A line of a table of cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tower {
    /// Which cell.
    pub cell: Cell,
    /// Where it is heard.
    pub position: Position,
    /// Within so far.
    pub range: Metres,
}

/// Puts cells into the table; one that is there already gets its new place.
pub async fn put_towers(conn: &mut PgConnection, towers: &[Tower]) -> Result<u64, StoreError> {
    let column = |of: fn(&Tower) -> i64| towers.iter().map(of).collect::<Vec<i64>>();
    let number = |of: fn(&Tower) -> f64| towers.iter().map(of).collect::<Vec<f64>>();
    let put = sqlx::query!(
        "insert into cell_tower (mcc, mnc, lac, cid, lat, lon, range_m)
         select distinct on (mcc, mnc, lac, cid) mcc, mnc, lac, cid, lat, lon, range_m
         from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::float8[], $6::float8[], $7::float8[])
            as t (mcc, mnc, lac, cid, lat, lon, range_m)
         on conflict (mcc, mnc, lac, cid) do update set
            lat = excluded.lat, lon = excluded.lon, range_m = excluded.range_m",
        &column(|tower| i64::from(tower.cell.mcc)),
        &column(|tower| i64::from(tower.cell.mnc)),
        &column(|tower| i64::from(tower.cell.lac)),
        &column(|tower| i64::try_from(tower.cell.cid).unwrap_or(i64::MAX)),
        &number(|tower| tower.position.lat_deg()),
        &number(|tower| tower.position.lon_deg()),
        &number(|tower| tower.range.0),
    )
    .execute(conn)
    .await?;
    Ok(put.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them_and_written_one_way() {
        let address = [0xa4, 0x2b, 0, 1, 0xfe, 9];
        for text in ["a4:2b:00:01:fe:09", "A4-2B-00-01-FE-09", "a42b.0001.fe09", "A42B0001FE09"] {
            assert_eq!(mac(text), Some(address), "{text}");
        }
        assert_eq!(mac_text(address), "a4:2b:00:01:fe:09");
        for text in ["", "a4:2b:00:01:fe", "a4:2b:00:01:fe:09:00", "xx:2b:00:01:fe:09"] {
            assert_eq!(mac(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_kept_is_what_was_heard() {
        assert_eq!(kept(&Surroundings::default()), None);
        let heard = Surroundings {
            cells: vec![Cell { mcc: 460, mnc: 0, lac: 9720, cid: 28_373_001, signal: Some(-71) }],
            access_points: vec![AccessPoint { mac: [1, 2, 3, 4, 5, 6], rssi_dbm: Some(-60), ssid: Some("家".into()) }],
        };
        let kept = kept(&heard).unwrap();
        assert_eq!(kept["access_points"][0]["mac"], "01:02:03:04:05:06");
        assert_eq!(read(kept), heard);
        assert_eq!(read(json!({ "cells": "nonsense" })), Surroundings::default());
    }
}
