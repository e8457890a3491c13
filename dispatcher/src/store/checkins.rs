//! Check-in plans, the due time that each waits for, and what became of those before.

use domain::checkin::{Plan, Quiet, Signs, Verdict, Way};
use domain::hours::TimeOfDay;
use domain::id::{IncidentId, ResidentId, TerminalId, UserId};
use domain::word::Word;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use crate::clock;

/// A plan as it lies in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What is planned.
    pub plan: Plan,
    /// By whose clocks; a name such as `Asia/Shanghai`.
    pub time_zone: String,
    /// Whether anybody waits.
    pub is_active: bool,
    /// How often it was saved.
    pub version: i32,
    /// The due time that is waited for.
    pub due_at: Option<Timestamp>,
    /// Until then.
    pub deadline: Option<Timestamp>,
}

/// A due time to be looked at, held until the transaction ends.
#[derive(Debug, Clone)]
pub struct Due {
    /// Whose.
    pub resident: ResidentId,
    /// Where they are served.
    pub node: Uuid,
    /// The terminal that they were given last.
    pub terminal: Option<TerminalId>,
    /// When they were given it.
    pub since: Option<Timestamp>,
    /// The plan.
    pub plan: Plan,
    /// When.
    pub due_at: Timestamp,
    /// The same, by the clock where they live.
    pub due_there: DateTime,
    /// What that clock shows now.
    pub now_there: DateTime,
    /// Until when they are waited for.
    pub deadline: Timestamp,
    /// The due time before.
    pub previous_at: Option<Timestamp>,
    /// When they were last known to be fine.
    pub signs: Signs,
    /// When any of their terminals was heard last.
    pub heard_at: Option<Timestamp>,
    /// Nobody expects them.
    pub is_paused: bool,
    /// All of their terminals are out of reach together with many others.
    pub in_outage: bool,
}

fn plan(
    resident: Uuid,
    times: &[i32],
    days: &[i16],
    grace_min: i32,
    quiet: (Option<i32>, Option<i32>),
    ways: &[String],
) -> Result<Plan, StoreError> {
    let bad = |column| StoreError::Impossible { table: "check_in_plan", id: resident.to_string(), column };
    let times = times.iter().map(|minutes| TimeOfDay::of_minutes(*minutes).ok_or_else(|| bad("times_min")));
    let time = |minutes: Option<i32>| minutes.and_then(TimeOfDay::of_minutes);
    let quiet = time(quiet.0).zip(time(quiet.1)).map(|(from, until)| Quiet { from, until });
    let ways = ways.iter().map(|way| Way::parse(way).map_err(|_| bad("ways")));
    Plan::new(times.collect::<Result<_, _>>()?, days, grace_min, quiet, ways.collect::<Result<_, _>>()?)
        .map_err(|_| bad("times_min"))
}

/// Due times that are to be looked at, those first that have waited longest; another dispatcher takes others.
pub async fn due(conn: &mut PgConnection, count_max: i64) -> Result<Vec<Due>, StoreError> {
    let rows = sqlx::query!(
        r#"select p.resident_id, r.serving_node, p.times_min, p.days, p.grace_min, p.quiet_from, p.quiet_until, p.ways,
            p.due_at as "due_at!", p.due_at at time zone p.time_zone as "due_there!: jiff_sqlx::DateTime", p.deadline as "deadline!",
            clock_timestamp() at time zone p.time_zone as "now_there!: jiff_sqlx::DateTime", p.previous_at, p.told_at,
            told.terminal_id as "terminal_id?", told.since as "since?", told.key_at as "key_at?", told.moved_at as "moved_at?",
            told.heard_at as "heard_at?", coalesce(told.in_outage, false) as "in_outage!",
            exists (select from check_in_pause e
                where e.resident_id = p.resident_id and e.since <= p.due_at and e.until > p.due_at) as "is_paused!"
         from check_in_plan p
         join resident r on r.id = p.resident_id
         left join lateral (
            select (array_agg(a.terminal_id order by a.since desc, a.terminal_id))[1] as terminal_id, max(a.since) as since,
                max(s.checked_in_at) filter (where s.checked_in_at >= a.since) as key_at,
                max(s.moved_at) filter (where s.moved_at >= a.since) as moved_at,
                max(s.heard_at) as heard_at, bool_and(w.outage_id is not null) as in_outage
            from terminal_assignment a
            join terminal_state s on s.terminal_id = a.terminal_id
            left join presence w on w.terminal_id = a.terminal_id
            where a.resident_id = p.resident_id and a.until is null) told on true
         where p.wake_at <= now()
         order by p.wake_at limit $1 for update of p skip locked"#,
        count_max,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let quiet = (row.quiet_from, row.quiet_until);
            Ok(Due {
                plan: plan(row.resident_id, &row.times_min, &row.days, row.grace_min, quiet, &row.ways)?,
                resident: ResidentId(row.resident_id),
                node: row.serving_node,
                terminal: row.terminal_id.map(TerminalId),
                since: row.since.map(jiff_sqlx::Timestamp::to_jiff),
                due_at: row.due_at.to_jiff(),
                due_there: row.due_there.to_jiff(),
                now_there: row.now_there.to_jiff(),
                deadline: row.deadline.to_jiff(),
                previous_at: row.previous_at.map(jiff_sqlx::Timestamp::to_jiff),
                signs: Signs {
                    key: row.key_at.map(jiff_sqlx::Timestamp::to_jiff),
                    voice: row.told_at.map(jiff_sqlx::Timestamp::to_jiff),
                    movement: row.moved_at.map(jiff_sqlx::Timestamp::to_jiff),
                },
                heard_at: row.heard_at.map(jiff_sqlx::Timestamp::to_jiff),
                is_paused: row.is_paused,
                in_outage: row.in_outage,
            })
        })
        .collect()
}

/// Looks at these again then.
pub async fn wait(conn: &mut PgConnection, waiting: &[(ResidentId, Timestamp)]) -> Result<(), StoreError> {
    if waiting.is_empty() {
        return Ok(());
    }
    let residents: Vec<Uuid> = waiting.iter().map(|(resident, _)| resident.0).collect();
    let until: Vec<jiff_sqlx::Timestamp> = waiting.iter().map(|(_, until)| until.to_sqlx()).collect();
    sqlx::query!(
        "update check_in_plan p set wake_at = n.until
         from unnest($1::uuid[], $2::timestamptz[]) as n (resident_id, until) where p.resident_id = n.resident_id",
        &residents,
        until,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What became of a due time, and which comes next, by the clock where they live.
#[derive(Debug, Clone, Copy)]
pub struct Settled {
    /// Whose.
    pub resident: ResidentId,
    /// When it was.
    pub due_at: Timestamp,
    /// Until when they were waited for.
    pub deadline: Timestamp,
    /// What became of it.
    pub verdict: Verdict,
    /// The case that was opened for it.
    pub incident: Option<IncidentId>,
    /// The next: when, and until when they are waited for.
    pub next: Option<(DateTime, DateTime)>,
}

/// Writes down what became of due times that [`due`] holds, each once, and waits for the next ones.
pub async fn settle(conn: &mut PgConnection, settled: &[Settled], now: Timestamp) -> Result<(), StoreError> {
    if settled.is_empty() {
        return Ok(());
    }
    let residents: Vec<Uuid> = settled.iter().map(|one| one.resident.0).collect();
    let due: Vec<jiff_sqlx::Timestamp> = settled.iter().map(|one| one.due_at.to_sqlx()).collect();
    let deadlines: Vec<jiff_sqlx::Timestamp> = settled.iter().map(|one| one.deadline.to_sqlx()).collect();
    let states: Vec<String> = settled.iter().map(|one| word(one.verdict).to_owned()).collect();
    let kept = settled.iter().map(|one| match one.verdict {
        Verdict::Kept { way, at } => (Some(way.as_str().to_owned()), Some(at.to_sqlx())),
        Verdict::Wait(_) | Verdict::Paused | Verdict::Missed => (None, None),
    });
    let (ways, known): (Vec<Option<String>>, Vec<Option<jiff_sqlx::Timestamp>>) = kept.unzip();
    let incidents: Vec<Option<Uuid>> = settled.iter().map(|one| one.incident.map(|incident| incident.0)).collect();
    let next: Vec<Option<jiff_sqlx::DateTime>> =
        settled.iter().map(|one| one.next.map(|(at, _)| at.to_sqlx())).collect();
    let until: Vec<Option<jiff_sqlx::DateTime>> =
        settled.iter().map(|one| one.next.map(|(_, deadline)| deadline.to_sqlx())).collect();
    sqlx::query!(
        "insert into check_in (resident_id, due_at, deadline, state, way, known_at, judged_at, incident_id)
         select resident_id, due_at, deadline, state, way, known_at, $8, incident_id
         from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::text[], $6::timestamptz[], $7::uuid[])
            as n (resident_id, due_at, deadline, state, way, known_at, incident_id)",
        &residents,
        &due as &[jiff_sqlx::Timestamp],
        &deadlines as &[jiff_sqlx::Timestamp],
        &states,
        &ways as &[Option<String>],
        &known as &[Option<jiff_sqlx::Timestamp>],
        &incidents as &[Option<Uuid>],
        now.to_sqlx(),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update check_in_plan p set previous_at = p.due_at, due_at = n.due_at at time zone p.time_zone,
            deadline = n.deadline at time zone p.time_zone, wake_at = n.due_at at time zone p.time_zone,
            active = n.due_at is not null
         from unnest($1::uuid[], $2::timestamp[], $3::timestamp[]) as n (resident_id, due_at, deadline)
         where p.resident_id = n.resident_id",
        &residents,
        &next as &[Option<jiff_sqlx::DateTime>],
        &until as &[Option<jiff_sqlx::DateTime>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Kept { .. } => "kept",
        Verdict::Paused => "paused",
        Verdict::Wait(_) | Verdict::Missed => "missed",
    }
}

/// Puts off the one that has waited longest, which could not be looked at, so that it holds up no other.
pub async fn put_off(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!(
        "update check_in_plan set wake_at = clock_timestamp() + interval '1 minute' where resident_id = (
            select resident_id from check_in_plan where wake_at <= now()
            order by wake_at limit 1 for update skip locked)"
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A resident's plan.
pub async fn of_resident(conn: &mut PgConnection, resident: Uuid) -> Result<Option<Kept>, StoreError> {
    let row = sqlx::query!(
        "select times_min, days, grace_min, quiet_from, quiet_until, ways, time_zone, active, version, due_at, deadline
         from check_in_plan where resident_id = $1",
        resident,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let quiet = (row.quiet_from, row.quiet_until);
        Ok(Kept {
            plan: plan(resident, &row.times_min, &row.days, row.grace_min, quiet, &row.ways)?,
            time_zone: row.time_zone,
            is_active: row.active,
            version: row.version,
            due_at: row.due_at.map(jiff_sqlx::Timestamp::to_jiff),
            deadline: row.deadline.map(jiff_sqlx::Timestamp::to_jiff),
        })
    })
    .transpose()
}

/// What somebody's clock shows now: in the zone of that name, else in that of where they are served. `None`: there is no
/// such zone.
pub async fn clock_there(
    conn: &mut PgConnection,
    resident: Uuid,
    time_zone: Option<&str>,
) -> Result<Option<(String, DateTime)>, StoreError> {
    let row = sqlx::query!(
        r#"select z.name as "name!", clock_timestamp() at time zone z.name as "there!: jiff_sqlx::DateTime"
         from pg_timezone_names z
         where z.name = coalesce($2, (select zone_of(serving_node) from resident where id = $1))"#,
        resident,
        time_zone,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.name, row.there.to_jiff())))
}

/// Saves a plan over the version that was seen, 0 when there was none, and waits for the first due time after now.
/// Whether it was that version.
pub async fn save(
    conn: &mut PgConnection,
    resident: Uuid,
    version: i32,
    plan: &Plan,
    (time_zone, now_there): (&str, DateTime),
    is_active: bool,
    by: UserId,
) -> Result<bool, StoreError> {
    let minutes: Vec<i32> = plan.times().iter().map(|time| time.minutes()).collect();
    let next = plan.next(now_there).filter(|_| is_active);
    let quiet = plan.quiet();
    let ways: Vec<String> = plan.ways().iter().map(|way| way.as_str().to_owned()).collect();
    let saved = sqlx::query_scalar!(
        "insert into check_in_plan as p (resident_id, times_min, days, time_zone, grace_min, quiet_from, quiet_until, ways,
            active, due_at, deadline, wake_at)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9::timestamp is not null, $9::timestamp at time zone $4,
            $10::timestamp at time zone $4, $9::timestamp at time zone $4
         where $11 = 0 or exists (select from check_in_plan known where known.resident_id = $1)
         on conflict (resident_id) do update set
            times_min = excluded.times_min, days = excluded.days, time_zone = excluded.time_zone,
            grace_min = excluded.grace_min, quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until,
            ways = excluded.ways, active = excluded.active, due_at = excluded.due_at, deadline = excluded.deadline,
            wake_at = excluded.wake_at, version = p.version + 1
         where p.version = $11
         returning version",
        resident,
        &minutes,
        &plan.days(),
        time_zone,
        plan.grace_min(),
        quiet.map(|quiet| quiet.from.minutes() % 1440),
        quiet.map(|quiet| quiet.until.minutes() % 1440),
        &ways,
        next.map(|due| due.at.to_sqlx()) as Option<jiff_sqlx::DateTime>,
        next.map(|due| due.deadline.to_sqlx()) as Option<jiff_sqlx::DateTime>,
        version,
    )
    .fetch_optional(&mut *conn)
    .await?;
    if saved.is_some() {
        write_down(conn, resident, "saved_check_in_plan", by).await?;
    }
    Ok(saved.is_some())
}

/// Deletes a plan. Whether there was one.
pub async fn delete(conn: &mut PgConnection, resident: Uuid, by: UserId) -> Result<bool, StoreError> {
    let deleted =
        sqlx::query!("delete from check_in_plan where resident_id = $1", resident).execute(&mut *conn).await?;
    if deleted.rows_affected() > 0 {
        write_down(conn, resident, "deleted_check_in_plan", by).await?;
    }
    Ok(deleted.rows_affected() > 0)
}

/// Somebody said for a resident that they are fine. Whether anybody waits to hear it.
pub async fn told(conn: &mut PgConnection, resident: Uuid, by: UserId) -> Result<bool, StoreError> {
    let told = sqlx::query!(
        "update check_in_plan set told_at = clock_timestamp() where resident_id = $1 and 'voice' = any(ways)",
        resident
    )
    .execute(&mut *conn)
    .await?;
    if told.rows_affected() > 0 {
        write_down(conn, resident, "checked_in", by).await?;
    }
    Ok(told.rows_affected() > 0)
}

async fn write_down(conn: &mut PgConnection, resident: Uuid, what: &str, by: UserId) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id) values ($1, $2, $3::uuid::text, $3)",
        by.0,
        what,
        resident,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A due time that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// When it was.
    pub due_at: Timestamp,
    /// `kept`, `paused`, `missed`.
    pub state: String,
    /// By what it was known that they were fine.
    pub way: Option<String>,
    /// When that was known.
    pub known_at: Option<Timestamp>,
    /// The case that was opened for it.
    pub incident: Option<Uuid>,
}

/// A resident's latest due times, the last first.
pub async fn past(conn: &mut PgConnection, resident: Uuid, count_max: i64) -> Result<Vec<Past>, StoreError> {
    let rows = sqlx::query!(
        "select due_at, state, way, known_at, incident_id from check_in where resident_id = $1
         order by due_at desc limit $2",
        resident,
        count_max,
    )
    .fetch_all(conn)
    .await?;
    let past = rows.into_iter().map(|row| Past {
        due_at: row.due_at.to_jiff(),
        state: row.state,
        way: row.way,
        known_at: row.known_at.map(jiff_sqlx::Timestamp::to_jiff),
        incident: row.incident_id,
    });
    Ok(past.collect())
}

/// A time for which nobody expects a resident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Its identity.
    pub id: Uuid,
    /// From.
    pub since: Timestamp,
    /// Until.
    pub until: Timestamp,
    /// Why.
    pub why: String,
}

/// A resident's pauses that are not over.
pub async fn pauses(conn: &mut PgConnection, resident: Uuid) -> Result<Vec<Pause>, StoreError> {
    let rows = sqlx::query!(
        "select id, since, until, why from check_in_pause where resident_id = $1 and until > now()
         order by since, id",
        resident
    )
    .fetch_all(conn)
    .await?;
    let pause = rows.into_iter().map(|row| Pause {
        id: row.id,
        since: row.since.to_jiff(),
        until: row.until.to_jiff(),
        why: row.why,
    });
    Ok(pause.collect())
}

/// Expects nobody from `since` until `until`.
pub async fn pause(
    conn: &mut PgConnection,
    resident: Uuid,
    (since, until): (Timestamp, Timestamp),
    why: &str,
    by: UserId,
) -> Result<Uuid, StoreError> {
    let id = clock::fresh_id();
    sqlx::query!(
        "insert into check_in_pause (id, resident_id, since, until, why, made_by) values ($1, $2, $3, $4, $5, $6)",
        id,
        resident,
        since.to_sqlx(),
        until.to_sqlx(),
        why,
        by.0,
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, resident, "paused_check_ins", by).await?;
    Ok(id)
}

/// Ends a pause now; one that has not begun, never was. Whether there was one.
pub async fn end_pause(
    conn: &mut PgConnection,
    (resident, pause): (Uuid, Uuid),
    by: UserId,
) -> Result<bool, StoreError> {
    let deleted = sqlx::query!(
        "delete from check_in_pause where id = $1 and resident_id = $2 and since >= clock_timestamp()",
        pause,
        resident
    )
    .execute(&mut *conn)
    .await?;
    let ended = sqlx::query!(
        "update check_in_pause set until = clock_timestamp()
         where id = $1 and resident_id = $2 and since < clock_timestamp() and until > clock_timestamp()",
        pause,
        resident
    )
    .execute(&mut *conn)
    .await?;
    let is_ended = deleted.rows_affected() + ended.rows_affected() > 0;
    if is_ended {
        write_down(conn, resident, "ended_check_in_pause", by).await?;
    }
    Ok(is_ended)
}
