//! The board that a plan looks at: every case that somebody is to go to and everybody who can be sent, at one moment,
//! and what is likely to be wanted next. What follows from it is [`domain::dispatch`]'s.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use domain::dispatch::{Board, Case, Kind, Outlook, Person, Standing, Urgency, put_back, reliability, way};
use domain::id::{IncidentId, ResponderId};
use domain::incident::Class;
use domain::place::Position;
use domain::word::Word as _;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{StoreError, choice};
use crate::config::Config;

/// What is farther away than so many times the reach shares nobody with a case.
const AROUND: f64 = 2.0;
/// A decision looks at so many cases around its own: the most urgent and nearest. More would cost it time…
const CASES_AROUND: i64 = 12;
/// …and a survey at so many of the whole district.
const CASES_MAX: i64 = 60;
/// For so long it is not asked anew who may be sent to the other cases.
const RECENT: Duration = Duration::from_secs(2);
/// How long whoever goes to an emergency is usually there.
const EMERGENCY_LASTS: SignedDuration = SignedDuration::from_mins(20);
/// How many places stand for where calls come from.
const PLACES_MAX: i64 = 60;

/// What was called for in the last four weeks: what is likely to be called for next.
#[derive(Debug, Clone, Default)]
pub struct Past {
    calls_an_hour: f64,
    places: Vec<Position>,
    /// Each category with its share of all calls.
    kinds: Vec<(String, f64)>,
}

/// Reads what was called for. A search through four weeks: for once in a while.
pub async fn past(conn: &mut PgConnection) -> Result<Past, StoreError> {
    let kinds = sqlx::query!(
        r#"select coalesce(service, 'emergency') as "category!", count(*) as "calls!",
            extract(epoch from now() - min(opened_at))::double precision / 3600 as "hours!"
         from incident
         where opened_at > now() - interval '28 days' and not drill and not canary
            and (class = 'emergency' or service is not null)
         group by 1 order by 1"#
    )
    .fetch_all(&mut *conn)
    .await?;
    let places = sqlx::query!(
        r#"select st_y(p.place::geometry) as "lat!", st_x(p.place::geometry) as "lon!"
         from (select id from incident
            where opened_at > now() - interval '28 days' and not drill and not canary
            order by random() limit $1) sample
         join incident_place p on p.incident_id = sample.id
         where p.place is not null"#,
        PLACES_MAX
    )
    .fetch_all(conn)
    .await?;
    #[expect(clippy::cast_precision_loss, reason = "far fewer calls than that")]
    let calls = kinds.iter().map(|kind| kind.calls).sum::<i64>() as f64;
    // A district that began this morning is not judged by its first hour.
    let hours = kinds.iter().map(|kind| kind.hours).fold(24.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "far fewer calls than that")]
    let shares = kinds.into_iter().map(|kind| (kind.category, kind.calls as f64 / calls.max(1.0))).collect();
    Ok(Past {
        calls_an_hour: calls / hours,
        places: places.into_iter().filter_map(|row| Position::new(row.lat, row.lon).ok()).collect(),
        kinds: shares,
    })
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    incident: Uuid,
    responder: Uuid,
    put_back: SignedDuration,
    until: Option<Timestamp>,
}

/// Who may be sent to which case, as it was read a moment ago: a plan around one case need not ask anew about all the
/// others. What is decided of a case is decided by what was read for it.
#[derive(Debug, Default)]
pub struct Recent(HashMap<Uuid, Noted>);

/// What is known of one case since then; `None`: that it has changed.
#[derive(Debug)]
struct Noted {
    at: Instant,
    pairs: Option<Vec<Pair>>,
}

impl Recent {
    /// A case has changed: what was read of it before is of no use.
    pub fn forget(&mut self, incident: IncidentId) {
        self.put(incident.0, Noted { at: Instant::now(), pairs: None });
    }

    /// Keeps no more than what was noted a moment ago, also while nobody plans.
    fn put(&mut self, incident: Uuid, noted: Noted) {
        self.0.retain(|_, noted| noted.at.elapsed() < RECENT);
        self.0.insert(incident, noted);
    }

    fn of(&self, incident: Uuid) -> Option<&[Pair]> {
        let noted = self.0.get(&incident).filter(|noted| noted.at.elapsed() < RECENT)?;
        noted.pairs.as_deref()
    }

    /// Notes what was read of a case from `at` on.
    fn note(&mut self, incidents: &[(Uuid, String)], read: &[Pair], at: Instant) {
        for (incident, _) in incidents {
            if self.0.get(incident).is_none_or(|noted| noted.at < at) {
                let pairs = read.iter().filter(|pair| pair.incident == *incident).copied().collect();
                self.put(*incident, Noted { at, pairs: Some(pairs) });
            }
        }
    }
}

/// The board around one incident, or of everything that is open.
pub async fn read(
    conn: &mut PgConnection,
    around: Option<IncidentId>,
    past: &Past,
    config: &Config,
    recent: &Mutex<Recent>,
) -> Result<Board, StoreError> {
    // Before the first statement: that is the moment that all of them see.
    let at = Instant::now();
    let (mut cases, wanted, now) = cases(conn, around, config).await?;
    if cases.is_empty() {
        return Ok(Board { now, cases: Vec::new(), people: Vec::new(), outlook: Outlook::default() });
    }
    let (mut pairs, unknown) = recently(&wanted, around, &recent.lock());
    if !unknown.is_empty() {
        let read = pairs_of(conn, &unknown, config).await?;
        recent.lock().note(&unknown, &read, at);
        pairs.extend(read);
    }
    let mut people = people(conn, &wanted, &pairs).await?;
    let seats: HashMap<Uuid, usize> =
        people.iter().enumerate().map(|(seat, (person, _))| (person.responder.0, seat)).collect();
    for Pair { incident, responder, put_back, until } in &pairs {
        let (Some(case), Some(seat)) = (cases.get_mut(incident), seats.get(responder)) else { continue };
        case.able.push(*seat);
        people[*seat].0.handicap = *put_back;
        people[*seat].0.until = *until;
    }
    let cases = engage(conn, cases, &people, now).await?;
    let outlook = Outlook {
        calls_an_hour: past.calls_an_hour,
        places: past.places.clone(),
        kinds: past
            .kinds
            .iter()
            .map(|(category, share)| Kind {
                urgency: if category == "emergency" { Urgency::Urgent } else { Urgency::Routine },
                share: *share,
                able: (0..people.len()).filter(|seat| people[*seat].1.contains(category)).collect(),
            })
            .collect(),
    };
    Ok(Board { now, cases, people: people.into_iter().map(|(person, _)| person).collect(), outlook })
}

/// The cases that somebody is to go to, by identity, and the category that each is for.
async fn cases(
    conn: &mut PgConnection,
    around: Option<IncidentId>,
    config: &Config,
) -> Result<(BTreeMap<Uuid, Case>, Vec<(Uuid, String)>, Timestamp), StoreError> {
    let now = super::facts::now(conn).await?;
    let rows = sqlx::query!(
        r#"select i.id as "id!", i.class as "class!", coalesce(i.service, 'emergency') as "wanted!",
            st_y(p.place::geometry) as "lat!", st_x(p.place::geometry) as "lon!", c.usual_min as "usual_min?"
         from cases_around($1, $3) around (id)
         join incident i on i.id = around.id
         join incident_place p on p.incident_id = i.id
         left join service_category c on c.word = i.service
         left join incident_place here on here.incident_id = $1
         -- On the sphere: right to half a percent.
         cross join lateral (select st_distance(p.place, here.place, false) as m) far
         where p.place is not null and ($1::uuid is null or far.m <= $2)
         order by i.id is distinct from $1, i.class = 'service', far.m, i.opened_at
         limit $3"#,
        around.map(|incident| incident.0),
        config.reach_m * AROUND,
        if around.is_some() { CASES_AROUND } else { CASES_MAX },
    )
    .fetch_all(conn)
    .await?;
    let mut wanted = Vec::new();
    let mut cases = BTreeMap::new();
    for row in rows {
        let impossible = |column| StoreError::Impossible { table: "incident", id: row.id.to_string(), column };
        let class = Class::parse(&row.class).map_err(|_| impossible("class"))?;
        let at = Position::new(row.lat, row.lon).map_err(|_| impossible("place"))?;
        let case = Case {
            incident: IncidentId(row.id),
            urgency: Urgency::of(class),
            at,
            lasts: row.usual_min.map_or(EMERGENCY_LASTS, |minutes| SignedDuration::from_mins(minutes.into())),
            going: None,
            asked: Vec::new(),
            able: Vec::new(),
            upgrades: 0,
            ways: HashMap::new(),
        };
        wanted.push((row.id, row.wanted));
        cases.insert(row.id, case);
    }
    // Asked about one that wants nobody: what the others do is not its business.
    if around.is_some_and(|incident| !cases.contains_key(&incident.0)) {
        return Ok((BTreeMap::new(), Vec::new(), now));
    }
    Ok((cases, wanted, now))
}

/// What was read a moment ago of other cases than the one in the middle, and the cases that are to be read.
fn recently(
    wanted: &[(Uuid, String)],
    around: Option<IncidentId>,
    recent: &Recent,
) -> (Vec<Pair>, Vec<(Uuid, String)>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for case in wanted {
        match recent.of(case.0).filter(|_| around.is_none_or(|middle| middle.0 != case.0)) {
            Some(pairs) => known.extend_from_slice(pairs),
            None => unknown.push(case.clone()),
        }
    }
    (known, unknown)
}

/// Who may be sent to which case and has not been asked in vain, be they free or engaged.
async fn pairs_of(
    conn: &mut PgConnection,
    wanted: &[(Uuid, String)],
    config: &Config,
) -> Result<Vec<Pair>, StoreError> {
    let (incidents, categories): (Vec<Uuid>, Vec<String>) = wanted.iter().cloned().unzip();
    let rows = sqlx::query!(
        r#"select t.incident as "incident!", w.responder_id as "responder!", w.grade, w.until,
            coalesce(s.handicap_s, 0) as "handicap_s!",
            (select count(*) from offer o where o.responder_id = w.responder_id
                and o.asked_at > clock_timestamp() - interval '12 hours' and o.accepted_at is not null) as "jobs!"
         from unnest($1::uuid[], $2::text[]) t (incident, category)
         join incident i on i.id = t.incident
         cross join lateral contracted(t.incident, t.category, $3, make_interval(secs => $4)) w
         left join provider_standing s on s.provider_id = w.provider_id
         -- Nothing stands in their way, or only that they are engaged.
         where w.stage >= 10
            and not exists (select from offer o where o.incident_id = t.incident and o.responder_id = w.responder_id
                and (o.state = 'declined' or o.round = i.round))"#,
        &incidents,
        &categories,
        config.reach_m,
        config.position_fresh_for.as_secs_f64(),
    )
    .fetch_all(conn)
    .await?;
    let pair = rows.into_iter().map(|row| Pair {
        incident: row.incident,
        responder: row.responder,
        put_back: put_back(&choice::quality(row.grade, row.handicap_s, row.jobs)),
        until: row.until.map(jiff_sqlx::Timestamp::to_jiff),
    });
    Ok(pair.collect())
}

/// Everybody of the pairs and everybody engaged in a case, each with the categories that they may be sent for.
async fn people(
    conn: &mut PgConnection,
    wanted: &[(Uuid, String)],
    pairs: &[Pair],
) -> Result<Vec<(Person, Vec<String>)>, StoreError> {
    let incidents: Vec<Uuid> = wanted.iter().map(|(incident, _)| *incident).collect();
    let mut able: Vec<Uuid> = pairs.iter().map(|pair| pair.responder).collect();
    able.sort_unstable();
    able.dedup();
    let rows = sqlx::query!(
        r#"select r.id as "id!", r.mode as "mode!", st_y(p.place::geometry) as "lat!", st_x(p.place::geometry) as "lon!",
            o.state as "state?", o.incident_id as "incident?",
            o.arrived_at + coalesce(c.usual_min, $3) * interval '1 minute' as free_at,
            said.yes as "yes!", said.no as "no!",
            (select coalesce(array_agg(distinct k.category), '{}') from contract k
             where k.provider_id = r.provider_id and is_in_force(k, (now() at time zone top.time_zone)::date)
                and (r.skills is null or k.category = any(r.skills))) as "does!"
         from responder r
         join org_node top on top.parent_id is null
         join responder_position p on p.responder_id = r.id
         left join offer o on o.responder_id = r.id and o.state in ('asked', 'accepted', 'on_the_way', 'on_scene')
         left join incident i on i.id = o.incident_id
         left join service_category c on c.word = i.service
         cross join lateral (
            select count(*) filter (where past.accepted_at is not null and past.state <> 'lost') as yes,
                count(*) filter (where past.state in ('declined', 'silent', 'lost')) as no
            from offer past
            where past.responder_id = r.id and past.asked_at > now() - interval '90 days'
         ) said
         where r.id = any($1) or o.incident_id = any($2)
         order by r.id"#,
        &able,
        &incidents,
        i32::try_from(EMERGENCY_LASTS.as_mins()).unwrap_or(i32::MAX),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let impossible = |column| StoreError::Impossible { table: "responder", id: row.id.to_string(), column };
            let incident = row.incident.map(IncidentId);
            let standing = match (row.state.as_deref(), incident) {
                (None, _) | (_, None) => Standing::Free,
                (Some("asked"), Some(incident)) => Standing::Asked(incident),
                (Some("on_scene"), Some(_)) => {
                    Standing::Busy { free_at: row.free_at.ok_or_else(|| impossible("arrived_at"))?.to_jiff() }
                }
                (Some(_), Some(incident)) => Standing::Going(incident),
            };
            let number = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
            let person = Person {
                responder: ResponderId(row.id),
                at: Position::new(row.lat, row.lon).map_err(|_| impossible("place"))?,
                mode: choice::mode(row.id, &row.mode)?,
                standing,
                until: None,
                yes: reliability(number(row.yes), number(row.no)),
                handicap: SignedDuration::ZERO,
                is_first_aider: row.does.iter().any(|category| category == "emergency"),
            };
            Ok((person, row.does))
        })
        .collect()
}

/// Who has been asked by each case, and who goes to it.
async fn engage(
    conn: &mut PgConnection,
    mut cases: BTreeMap<Uuid, Case>,
    people: &[(Person, Vec<String>)],
    now: Timestamp,
) -> Result<Vec<Case>, StoreError> {
    let incidents: Vec<Uuid> = cases.keys().copied().collect();
    let rows = sqlx::query!(
        r#"select o.incident_id as "incident!", o.responder_id as "responder!", o.state as "state!",
            o.asked_at as "asked_at!", o.expected_at,
            (select count(*) from offer later where later.incident_id = o.incident_id
                and later.asked_at > o.accepted_at) as "upgrades!"
         from offer o
         where o.incident_id = any($1) and o.state in ('asked', 'accepted', 'on_the_way')
         order by o.asked_at, o.id"#,
        &incidents
    )
    .fetch_all(conn)
    .await?;
    for row in rows {
        let Some(case) = cases.get_mut(&row.incident) else { continue };
        let responder = ResponderId(row.responder);
        if row.state == "asked" {
            case.asked.push((responder, row.asked_at.to_jiff()));
            continue;
        }
        // By where they are rather than by what they said, where that is known.
        let seen = people.iter().find(|(person, _)| person.responder == responder);
        let there_at = seen.map(|(person, _)| now + way(person.at.distance(case.at), person.mode));
        let expected_at = there_at.or(row.expected_at.map(jiff_sqlx::Timestamp::to_jiff)).unwrap_or(now);
        // Of several who go the first one there counts.
        if case.going.is_none_or(|(_, sooner)| expected_at < sooner) {
            case.going = Some((responder, expected_at));
        }
        case.upgrades = case.upgrades.max(usize::try_from(row.upgrades).unwrap_or_default());
    }
    Ok(cases.into_values().collect())
}
