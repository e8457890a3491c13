//! Offers as responders see them, who could be asked, and what responders say of themselves.

use std::time::Duration;

use domain::id::{IncidentId, OfferId, ResponderId, UserId};
use domain::incident::Class;
use domain::word::Word as _;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoreError;
use super::usual::{self, LikelyPlace};
use super::views::{CategoryName, OfferView, PlaceView, answer_by, minutes_until};

/// How many who could be asked are shown.
const CANDIDATES_MAX: i64 = 50;
/// How fast a responder comes who does not say: between walking (80 m/min) and an electric scooter in a
/// city's side streets (400 m/min), along the line that the crow flies.
const PACE_M_A_MIN: f64 = 250.0;
/// Nobody is out of the door sooner.
const MINUTES_MIN: u16 = 2;
/// For somebody whose way is not known.
const MINUTES_UNKNOWN: u16 = 15;

/// What a responder needs to know of a case.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OwnIncident {
    /// Where, in words.
    pub address: Option<String>,
    /// The home, where the person is elsewhere.
    pub home_address: Option<String>,
    /// Where.
    pub place: Option<PlaceView>,
    /// Who.
    pub person_name: Option<String>,
    /// How to get in; told once the offer is accepted.
    pub door_access: Option<String>,
    /// `emergency`, `service` …
    pub class: String,
    /// What was raised.
    pub kinds: Vec<String>,
    /// What daily help is wanted: the word for it, or what was said instead.
    pub category: Option<String>,
    /// What that is called, once it is known.
    pub category_name: Option<CategoryName>,
    /// What the operator who took the call wrote last.
    pub note: Option<String>,
    /// The person's telephone, else the caller's; told once the offer is accepted.
    pub phone: Option<String>,
    /// An exercise.
    pub drill: bool,
    /// Where to look first for somebody who is missing, the likeliest first; told once the offer is accepted.
    pub likely_places: Vec<LikelyPlace>,
}

/// An offer to the responder who reads it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OwnOffer {
    /// The offer.
    #[serde(flatten)]
    pub offer: OfferView,
    /// The case.
    pub incident: OwnIncident,
}

/// What is asked of a responder at this moment.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OwnOffers {
    /// Oldest first.
    pub offers: Vec<OwnOffer>,
    /// Whether they are on duty.
    pub duty: bool,
}

impl OwnOffers {
    /// The same without what changes by itself as time goes by: two that are equal so tell the same.
    #[must_use]
    pub fn timeless(&self) -> Self {
        let mut timeless = self.clone();
        for own in &mut timeless.offers {
            own.offer.minutes = None;
            own.incident.likely_places.clear();
            if let Some(place) = &mut own.incident.place {
                place.age_s = 0;
            }
        }
        timeless
    }
}

/// Whose token it is.
pub async fn responder_of_token(
    conn: &mut PgConnection,
    token_sha256: &[u8],
) -> Result<Option<ResponderId>, StoreError> {
    let id = sqlx::query_scalar!("select id from responder where token_sha256 = $1", token_sha256)
        .fetch_optional(conn)
        .await?;
    Ok(id.map(ResponderId))
}

/// Who a user is as a responder.
pub async fn responder_of_user(conn: &mut PgConnection, user: UserId) -> Result<Option<ResponderId>, StoreError> {
    let id = sqlx::query_scalar!("select id from responder where user_id = $1", user.0).fetch_optional(conn).await?;
    Ok(id.map(ResponderId))
}

/// Whether there is such a responder.
pub async fn responder_exists(conn: &mut PgConnection, responder: ResponderId) -> Result<bool, StoreError> {
    let is_there =
        sqlx::query_scalar!(r#"select exists (select from responder where id = $1) as "there!""#, responder.0)
            .fetch_one(conn)
            .await?;
    Ok(is_there)
}

/// What is asked of a responder now: offers to answer and cases that they are on.
pub async fn own(conn: &mut PgConnection, responder: ResponderId) -> Result<OwnOffers, StoreError> {
    let duty = sqlx::query_scalar!("select on_duty from responder where id = $1", responder.0)
        .fetch_optional(&mut *conn)
        .await?;
    let rows = sqlx::query!(
        r#"select o.id as "id!", r.name as "responder_name!", pr.name as "provider!", r.phone as "responder_phone!",
            o.state as "state!", o.asked_at as "asked_at!", o.answer_by, o.expected_at, o.distance_m,
            i.class as "class!", coalesce(i.service, i.category) as category, c.zh as "category_zh?", c.en as "category_en?",
            i.kinds as "kinds!", i.drill as "drill!", p.address, p.home_address, i.caller_phone,
            st_y(p.place::geometry) as lat, st_x(p.place::geometry) as lon, p.accuracy_m, p.source, p.at as placed_at,
            i.id as "incident_id!", who.name as "name?", who.door_access as "door_access?", who.phone as "phone?",
            (select e.data ->> 'text' from incident_entry e
             where e.incident_id = i.id and e.what in ('telephoned', 'requested')
             order by e.seq desc limit 1) as note,
            now() as "now!"
         from offer o
         join responder r on r.id = o.responder_id
         join provider pr on pr.id = r.provider_id
         join incident i on i.id = o.incident_id
         join incident_place p on p.incident_id = i.id
         left join service_category c on c.word = i.service
         left join resident who on who.id = i.resident_id
         where o.responder_id = $1 and o.state in ('asked', 'accepted', 'on_the_way', 'on_scene')
         order by o.asked_at, o.id"#,
        responder.0
    )
    .fetch_all(&mut *conn)
    .await?;
    let missing = rows.iter().filter(|row| row.state != "asked" && Class::parse(&row.class) == Ok(Class::Wandering));
    let mut likely = usual::likely(conn, &missing.map(|row| row.incident_id).collect::<Vec<_>>()).await?;
    let offers = rows
        .into_iter()
        .map(|row| {
            let now = row.now.to_jiff();
            let class = Class::parse(&row.class).unwrap_or(Class::Emergency);
            // A door's code goes to one who comes, not to everybody who is asked.
            let is_coming = row.state != "asked";
            let incident = OwnIncident {
                address: row.address,
                home_address: row.home_address,
                class: row.class,
                place: PlaceView::new((row.lat, row.lon), row.accuracy_m, row.source, row.placed_at, now),
                person_name: row.name,
                door_access: row.door_access.filter(|_| is_coming),
                kinds: row.kinds,
                category: row.category,
                category_name: row.category_zh.zip(row.category_en).map(|(zh, en)| CategoryName { zh, en }),
                note: row.note,
                phone: row.phone.or(row.caller_phone).filter(|_| is_coming),
                drill: row.drill,
                likely_places: likely.remove(&IncidentId(row.incident_id)).unwrap_or_default(),
            };
            let offer = OfferView {
                id: row.id,
                responder: responder.0,
                name: row.responder_name,
                provider: row.provider,
                phone: row.responder_phone,
                state: row.state,
                asked_at: row.asked_at.to_jiff(),
                answer_by: answer_by(row.asked_at.to_jiff(), row.answer_by, class),
                minutes: row.expected_at.map(|expected_at| minutes_until(expected_at.to_jiff(), now)),
                reason: None,
                distance_m: row.distance_m,
            };
            OwnOffer { offer, incident }
        })
        .collect();
    Ok(OwnOffers { offers, duty: duty.unwrap_or(false) })
}

/// An offer to `responder`, by what is needed to answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfferToAnswer {
    /// The case.
    pub incident: IncidentId,
    /// How long the way is likely to take, for one who does not say.
    pub likely_minutes: u16,
}

/// Finds an offer of `responder`'s own; `None` also when it is somebody else's.
pub async fn to_answer(
    conn: &mut PgConnection,
    offer: OfferId,
    responder: ResponderId,
) -> Result<Option<OfferToAnswer>, StoreError> {
    let row = sqlx::query!(
        r#"select o.incident_id as "incident_id!", coalesce(st_distance(rp.place, p.place), o.distance_m) as distance_m
         from offer o
         join incident_place p on p.incident_id = o.incident_id
         left join responder_position rp on rp.responder_id = o.responder_id
         where o.id = $1 and o.responder_id = $2"#,
        offer.0,
        responder.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| OfferToAnswer {
        incident: IncidentId(row.incident_id),
        likely_minutes: row.distance_m.map_or(MINUTES_UNKNOWN, likely_minutes),
    }))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to whole numbers that fit")]
fn likely_minutes(distance_m: f64) -> u16 {
    let minutes = (distance_m / PACE_M_A_MIN).ceil().clamp(f64::from(MINUTES_MIN), 24.0 * 60.0);
    minutes as u16
}

/// Goes on or off duty.
pub async fn set_duty(conn: &mut PgConnection, responder: ResponderId, on_duty: bool) -> Result<(), StoreError> {
    sqlx::query!("update responder set on_duty = $2 where id = $1", responder.0, on_duty).execute(conn).await?;
    Ok(())
}

/// Somebody whom an operator could ask.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CandidateView {
    /// Who.
    pub responder: Uuid,
    /// Their name.
    pub name: String,
    /// Their company's name.
    pub provider: String,
    /// Their telephone.
    pub phone: String,
    /// How far away, when both places are known.
    pub distance_m: Option<f64>,
    /// How old their position is.
    pub position_age_s: Option<i64>,
    /// What their company has contracts for where the case is.
    pub skills: Vec<String>,
    /// Asked or going elsewhere, or in this case.
    pub busy: bool,
}

/// Whom an operator could ask.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CandidatesView {
    /// The free ones first, the nearest of them first.
    pub candidates: Vec<CandidateView>,
    /// Why there is nobody, or why nobody knows how far away they are.
    pub shortfall: Option<&'static str>,
}

/// Everybody on duty whose company serves where the case is, and who is within `reach_m` or whose place is
/// not known. More than the policy would ask by itself: an operator may know better.
pub async fn candidates(
    conn: &mut PgConnection,
    incident: IncidentId,
    reach_m: f64,
    fresh_for: Duration,
) -> Result<CandidatesView, StoreError> {
    let rows = sqlx::query!(
        r#"select r.id as "id!", r.name as "name!", pr.name as "provider!", r.phone as "phone!",
            st_distance(p.place, here.place) as distance_m, p.at as "position_at?",
            (select coalesce(array_agg(distinct c.category), '{}') from contract c
             where c.provider_id = r.provider_id and c.since <= current_date
                and (c.until is null or c.until >= current_date)
                and c.node_id = any(n.path)) as "skills!",
            exists (select from offer o where o.responder_id = r.id
                and o.state in ('asked', 'accepted', 'on_the_way', 'on_scene')) as "busy!",
            here.place is not null as "known!",
            now() as "now!"
         from incident i
         join incident_place here on here.incident_id = i.id
         join org_node n on n.id = i.node_id
         cross join responder r
         join provider pr on pr.id = r.provider_id
         left join responder_position p on p.responder_id = r.id and p.at > now() - make_interval(secs => $3)
         where i.id = $1 and r.on_duty
            and (p.place is null or here.place is null or st_dwithin(p.place, here.place, $2))
            and exists (select from contract c
                where c.provider_id = r.provider_id and c.since <= current_date
                    and (c.until is null or c.until >= current_date)
                    and c.node_id = any(n.path))
         order by "busy!", distance_m nulls last, r.name, r.id
         limit $4"#,
        incident.0,
        reach_m,
        fresh_for.as_secs_f64(),
        CANDIDATES_MAX,
    )
    .fetch_all(conn)
    .await?;
    let shortfall = match rows.first() {
        None => Some("none_on_duty"),
        Some(row) if !row.known => Some("place_unknown"),
        Some(_) if rows.iter().all(|row| row.busy) => Some("all_busy"),
        Some(_) => None,
    };
    let age_s = |at: Timestamp, now: Timestamp| now.duration_since(at).as_secs().max(0);
    let candidates = rows
        .into_iter()
        .map(|row| CandidateView {
            responder: row.id,
            name: row.name,
            provider: row.provider,
            phone: row.phone,
            distance_m: row.distance_m,
            position_age_s: row.position_at.map(|at| age_s(at.to_jiff(), row.now.to_jiff())),
            skills: row.skills,
            busy: row.busy,
        })
        .collect();
    Ok(CandidatesView { candidates, shortfall })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_likely_time_has_a_floor_and_an_end() {
        assert_eq!(likely_minutes(0.0), 2);
        assert_eq!(likely_minutes(501.0), 3);
        assert_eq!(likely_minutes(2_500.0), 10);
        assert_eq!(likely_minutes(f64::INFINITY), 1440);
    }
}
