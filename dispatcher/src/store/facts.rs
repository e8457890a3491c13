//! What is true at the moment of a decision.

use std::collections::HashMap;

use domain::dispatch::way;
use domain::id::ResponderId;
use domain::incident::{
    Category, Class, Contact, Facts, Following, HandoverPolicy, Incident, Looked, Policy, Presence, Rank, Reach,
    Whereabouts,
};
use domain::place::Metres;
use domain::word::Word;
use jiff::{SignedDuration, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{StoreError, choice, ladders, users};
use crate::access::{self, Deed as _, Role};
use crate::clock;
use crate::config::Config;
use crate::planner::Advised;

/// Whose console rings first.
const OPERATORS: &[Role] = &[Role::Operator];
/// Whose console rings when operators do not claim.
const SUPERVISORS: &[Role] = access::TakeOver::ROLES;

/// The database's clock.
pub async fn now(conn: &mut PgConnection) -> Result<Timestamp, StoreError> {
    let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(conn).await?;
    Ok(now.to_jiff())
}

/// An incident that is to be decided; the caller has locked its row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'c> {
    /// It.
    pub(crate) incident: &'c Incident,
    /// Its category, or what it would be.
    pub(crate) category: Option<&'c Category>,
    /// What the plan says of it.
    pub(crate) advised: &'c Advised,
}

impl Case<'_> {
    /// The category that a contract must be for. Daily help of which nobody knows what is wanted has none.
    pub(super) fn wanted(&self) -> Option<&str> {
        match self.incident.class {
            Class::Service => self.category.map(|category| category.0.as_str()),
            Class::Emergency | Class::Wandering | Class::Welfare => Some("emergency"),
        }
    }
}

/// Gathers what decisions about incidents need, in the order of the incidents; but not who might be asked, which few of
/// them need ([`choice::candidates`]).
pub(crate) async fn gather(
    conn: &mut PgConnection,
    cases: &[Case<'_>],
    config: &Config,
) -> Result<Vec<Facts>, StoreError> {
    let (gone_after, idle_after) = (config.gone_after, config.idle_after);
    let presence = |is_there| if is_there { Presence::Present } else { Presence::Gone };
    let ids: Vec<Uuid> = cases.iter().map(|case| case.incident.id.0).collect();
    let owners: Vec<Uuid> = cases.iter().filter_map(|case| Some(case.incident.owner()?.0)).collect();
    let owners = users::present(conn, &owners, gone_after, idle_after).await?;
    // Who watches a quiet night touches no key: an open console is enough to hear it ring.
    let hears_for = users::SESSION_LASTS;
    let at_consoles = users::anybody_present(conn, &ids, [OPERATORS, SUPERVISORS], gone_after, hears_for).await?;
    let mut policies = policies(conn, &ids).await?;
    let mut contacts = contacts(conn, &ids, config).await?;
    let mut whereabouts = whereabouts(conn, cases).await?;
    // Read last, after every lock has been waited for.
    let now = now(conn).await?;
    let gathered = cases.iter().map(|Case { incident, advised, .. }| {
        let id = incident.id.0;
        let policy = policies.remove(&id).unwrap_or_default();
        let following = if config.follow_emergencies { policy.following } else { Following::Nobody };
        let [operators, supervisors] = at_consoles.get(&id).copied().unwrap_or_default().map(presence);
        Facts {
            now,
            policy: Policy { following, ..policy },
            owner: presence(incident.owner().is_some_and(|owner| owners.contains(&owner.0))),
            operators,
            supervisors,
            candidates: Looked::NotYet,
            advice: advised.advice,
            whereabouts: whereabouts.remove(&id).unwrap_or_default(),
            contacts: contacts.remove(&id).unwrap_or_default(),
            fresh: std::array::from_fn(|_| clock::fresh_id()),
        }
    });
    Ok(gathered.collect())
}

/// The rules that hold for these incidents: the resident's own, else those of the nearest node that
/// has any; and the ladder that held when they began to ring.
pub async fn policies(conn: &mut PgConnection, incidents: &[Uuid]) -> Result<HashMap<Uuid, Policy>, StoreError> {
    let rows = sqlx::query!(
        r#"select i.id as "id!", coalesce(
            r.handover_policy,
            (select above.handover_policy from org_node above
             where above.id = any(n.path) and above.handover_policy is not null
             order by cardinality(above.path) desc limit 1),
            'at_once') as "handover!", i.class,
            close_returned_after(i.node_id) as close_returned_s,
            l.acts as "acts?", l.afters_s as "afters_s?", l.whens as "whens?", l.every_s as "every_s?"
         from incident i
         left join resident r on r.id = i.resident_id
         join org_node n on n.id = i.node_id
         left join ladder l on l.id = ladder_of(i.node_id, i.class, coalesce(i.ring_since, clock_timestamp()))
         where i.id = any($1)"#,
        incidents
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let handover = HandoverPolicy::parse(&row.handover).map_err(|_| StoreError::Impossible {
                table: "resident",
                id: row.id.to_string(),
                column: "handover_policy",
            })?;
            let columns = row.acts.zip(row.afters_s).zip(row.whens).zip(row.every_s);
            let ladder = columns.and_then(|(((acts, afters_s), whens), every_s)| {
                let class = Class::parse(&row.class).ok()?;
                ladders::Columns { acts, afters_s, whens, every_s }.ladder(class)
            });
            let close_returned_after = row.close_returned_s.map(|after_s| SignedDuration::from_secs(after_s.into()));
            Ok((row.id, Policy { handover, ladder, close_returned_after, ..Policy::default() }))
        })
        .collect()
}

/// Of each incident, who is to be told of its class, and whether there is a way to them.
async fn contacts(
    conn: &mut PgConnection,
    incidents: &[Uuid],
    config: &Config,
) -> Result<HashMap<Uuid, Vec<Contact>>, StoreError> {
    let rows = sqlx::query!(
        r#"select i.id, c.rank,
            (c.email is not null and $2) or c.webhook_url is not null or ($3 and sms_number(c.phone) is not null)
                as "is_addressed!"
         from incident i join contact c on c.resident_id = i.resident_id
         where i.id = any($1) and i.class = any(c.told_of)
         order by c.rank"#,
        incidents,
        config.mail.is_some(),
        config.sms.is_some(),
    )
    .fetch_all(conn)
    .await?;
    let reach = |is_addressed| if is_addressed { Reach::Addressed } else { Reach::Unaddressed };
    let mut contacts: HashMap<Uuid, Vec<Contact>> = HashMap::new();
    for row in rows {
        contacts.entry(row.id).or_default().push(Contact { rank: Rank(row.rank), reach: reach(row.is_addressed) });
    }
    Ok(contacts)
}

/// Of each incident, where those are who were asked or go, as far as that is known.
async fn whereabouts(
    conn: &mut PgConnection,
    cases: &[Case<'_>],
) -> Result<HashMap<Uuid, Vec<Whereabouts>>, StoreError> {
    let mut known: HashMap<Uuid, Vec<Whereabouts>> = HashMap::new();
    let are_live = |case: &&Case<'_>| case.incident.offers.iter().any(|offer| offer.state.is_live());
    let incidents: Vec<Uuid> = cases.iter().filter(are_live).map(|case| case.incident.id.0).collect();
    if incidents.is_empty() {
        return Ok(known);
    }
    let rows = sqlx::query!(
        r#"select o.incident_id, p.responder_id, r.mode, st_distance(p.place, here.place) as "distance_m!",
            extract(epoch from clock_timestamp() - p.at)::double precision as "age_s!"
         from offer o
         join incident_place here on here.incident_id = o.incident_id
         join responder r on r.id = o.responder_id
         join responder_position p on p.responder_id = o.responder_id
         where o.incident_id = any($1) and o.state in ('asked', 'accepted', 'on_the_way', 'on_scene')
            and here.place is not null"#,
        &incidents
    )
    .fetch_all(conn)
    .await?;
    for row in rows {
        let distance = Metres(row.distance_m);
        let age = SignedDuration::try_from_secs_f64(row.age_s.max(0.0)).unwrap_or(SignedDuration::MAX);
        let way = way(distance, choice::mode(row.responder_id, &row.mode)?);
        let responder = ResponderId(row.responder_id);
        known.entry(row.incident_id).or_default().push(Whereabouts { responder, distance, way, age });
    }
    Ok(known)
}
