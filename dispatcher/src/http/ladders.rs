//! Escalation ladders: administrators see what holds in a node, try a ladder before it is saved, save it, and say which
//! days are off.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::incident::ladder::{Act, BadLadder, Days, RUNGS_MAX, Rung, When, rehearse};
use domain::incident::{Class, Entry, Ladder, OfferState, Policy, Presence, ToldState};
use domain::word::Word;
use jiff::SignedDuration;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{At, Told, Words, whole, word_schema};
use super::openapi::{Conflict, Unprocessable};
use crate::access::Administer;
use crate::store::StoreError;
use crate::store::ladders::{self as store, Holiday, Kept, SaveError};
use crate::store::returned::{self, ReturnedView};

/// A node with more ladders than this has lost its way.
const LADDERS_MAX: i64 = 100;
/// More days than this are no exceptions.
const HOLIDAYS_MAX: usize = 400;

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = LadderRung)]
struct RungView {
    /// Seconds after the case began to ring; of `contacts`, after it was opened.
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 0, maximum = 14_400)]
    after_s: i64,
    #[schema(schema_with = word_schema::<Act>)]
    act: String,
    #[schema(schema_with = word_schema::<When>)]
    when: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Ladder)]
struct LadderView {
    /// None: the standard one, which holds where there is no other.
    id: Option<Uuid>,
    /// The node for which, and below which, it holds.
    node: Option<Uuid>,
    version: Option<i32>,
    #[schema(schema_with = word_schema::<Class>)]
    class: &'static str,
    #[schema(schema_with = word_schema::<Days>)]
    days: &'static str,
    /// The minute of the day from which it holds, and the one until which; a night goes over midnight.
    from_minute: i32,
    until_minute: i32,
    rungs: Vec<RungView>,
    /// The last rung comes again so often.
    every_s: i64,
}

impl LadderView {
    fn of(kept: &Kept) -> Self {
        let draft = &kept.draft;
        Self {
            id: Some(kept.id),
            node: Some(kept.node),
            version: Some(kept.version),
            class: draft.class.as_str(),
            days: draft.days.as_str(),
            from_minute: draft.from_minute,
            until_minute: draft.until_minute,
            rungs: rungs(&draft.ladder),
            every_s: draft.ladder.every().as_secs(),
        }
    }

    fn standard(class: Class) -> Self {
        let ladder = Ladder::standard(class);
        Self {
            id: None,
            node: None,
            version: None,
            class: class.as_str(),
            days: Days::Every.as_str(),
            from_minute: 0,
            until_minute: 1_440,
            rungs: rungs(&ladder),
            every_s: ladder.every().as_secs(),
        }
    }
}

fn rungs(ladder: &Ladder) -> Vec<RungView> {
    let view = |rung: &Rung| RungView {
        after_s: rung.after.as_secs(),
        act: rung.act.as_str().to_owned(),
        when: rung.when.as_str().to_owned(),
    };
    ladder.rungs().iter().map(view).collect()
}

/// A day that is not what its place in the week says.
#[derive(Serialize, ToSchema)]
struct HolidayView {
    /// The node that says so, for itself and all below it.
    node: Uuid,
    #[schema(value_type = String, format = Date)]
    day: Date,
    /// Off; else a Saturday or Sunday that is worked.
    off: bool,
    name: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LaddersView {
    node: Uuid,
    name: String,
    /// By whose days and hours it goes.
    time_zone: String,
    /// Of the node and of those above it; the nearest comes first, and holds.
    ladders: Vec<LadderView>,
    /// What holds where there is no other.
    standard: Vec<LadderView>,
    holidays: Vec<HolidayView>,
    /// Whether a wandering case closes by itself once its wearer is back.
    returned: ReturnedView,
}

pub(super) async fn shown(conn: &mut PgConnection, who: &May<Administer>, id: Uuid) -> Result<LaddersView, ApiError> {
    let node = store::node(conn, id, &who.scope).await?.ok_or(ApiError::NotFound("node"))?;
    let holidays = store::holidays(conn, id).await?;
    Ok(LaddersView {
        node: id,
        name: node.name,
        time_zone: node.time_zone,
        ladders: store::of_node(conn, id).await?.iter().map(LadderView::of).collect(),
        standard: Class::ALL.iter().map(|class| LadderView::standard(*class)).collect(),
        holidays: holidays
            .into_iter()
            .map(|Holiday { node, day, off, name }| HolidayView { node, day, off, name })
            .collect(),
        returned: returned::of_node(conn, id).await?,
    })
}

/// The escalation ladders of a node and of those above it, and the days that are off
#[utoipa::path(
    get, path = "/api/v1/nodes/{id}/ladders", tag = "ladders",
    responses((status = 200, body = LaddersView)),
    security(("session" = ["administer"])),
)]
pub(super) async fn of_node(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
) -> Result<Json<LaddersView>, ApiError> {
    let mut moment = api.moment().await?;
    Ok(Json(shown(&mut moment, &who, id).await?))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = LadderDraft)]
pub(super) struct Draft {
    #[schema(schema_with = word_schema::<Class>)]
    class: String,
    #[schema(schema_with = word_schema::<Days>)]
    days: String,
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 0, maximum = 1_439)]
    from_minute: i32,
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 1_440)]
    until_minute: i32,
    /// From the foot; the last one rings everybody.
    #[schema(max_items = 20)]
    rungs: Vec<RungView>,
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 10, maximum = 600)]
    every_s: i64,
}

fn bad(field: &'static str, why: &dyn ToString) -> ApiError {
    ApiError::BadField { field, why: why.to_string() }
}

impl Draft {
    fn class(&self) -> Result<Class, ApiError> {
        Class::parse(&self.class).map_err(|why| bad("class", &why))
    }

    fn ladder(&self, class: Class) -> Result<Result<Ladder, BadLadder>, ApiError> {
        if self.rungs.len() > 2 * RUNGS_MAX {
            return Err(bad("rungs", &format!("a ladder has at most {RUNGS_MAX} rungs")));
        }
        let seconds = |after_s: i64, field| {
            let is_possible = (0..=86_400).contains(&after_s);
            is_possible.then(|| SignedDuration::from_secs(after_s)).ok_or_else(|| bad(field, &"a number of seconds"))
        };
        let rungs: Vec<Rung> = self
            .rungs
            .iter()
            .map(|rung| {
                Ok(Rung {
                    after: seconds(rung.after_s, "rungs")?,
                    act: Act::parse(&rung.act).map_err(|why| bad("rungs", &why))?,
                    when: When::parse(&rung.when).map_err(|why| bad("rungs", &why))?,
                })
            })
            .collect::<Result<_, ApiError>>()?;
        Ok(Ladder::new(class, &rungs, seconds(self.every_s, "every_s")?))
    }

    fn read(&self) -> Result<store::Draft, ApiError> {
        let class = self.class()?;
        let days = Days::parse(&self.days).map_err(|why| bad("days", &why))?;
        let (from_minute, until_minute) = (self.from_minute, self.until_minute);
        if !(0..=1_439).contains(&from_minute) {
            return Err(bad("from_minute", &"a minute of the day, from 0 to 1439"));
        }
        if !(1..=1_440).contains(&until_minute) || until_minute == from_minute {
            return Err(bad("until_minute", &"a minute of the day, from 1 to 1440, and not the one it begins with"));
        }
        let ladder = self.ladder(class)?.map_err(ApiError::BadLadder)?;
        Ok(store::Draft { class, days, from_minute, until_minute, ladder })
    }
}

/// Why a draft is no ladder.
#[derive(Serialize, ToSchema)]
struct RefusedView {
    /// For programs; stays as it is.
    reason: &'static str,
    /// Which rung is meant, from 1.
    rung: Option<usize>,
    /// For people; a sentence.
    message: String,
}

/// Something that happens.
#[derive(Serialize, ToSchema)]
struct MomentView {
    /// Seconds after the case was opened.
    after_s: i64,
    /// `rung`, `handed_over`, `voice_due`, `asked`, `unanswered`, `nobody_left`, `contacted`, `grid_officer_due`.
    what: &'static str,
    /// The level of a ring, the centre, the place of a contact in their order.
    detail: Option<String>,
}

fn moment(after: SignedDuration, entry: &Entry) -> Option<MomentView> {
    let (what, detail) = match entry {
        Entry::Rung { level } => ("rung", Some(level.as_str().to_owned())),
        Entry::HandedOver { centre, .. } => ("handed_over", Some(centre.as_str().to_owned())),
        Entry::VoiceDue { centre } => ("voice_due", Some(centre.as_str().to_owned())),
        Entry::Asked { .. } => ("asked", None),
        Entry::Answered { state: OfferState::Silent, .. } => ("unanswered", None),
        Entry::NobodyLeft { .. } => ("nobody_left", None),
        Entry::Contacted { rank, state: ToldState::Told } => ("contacted", Some(rank.0.to_string())),
        Entry::GridOfficerDue => ("grid_officer_due", None),
        _ => return None,
    };
    Some(MomentView { after_s: after.as_secs(), what, detail })
}

#[derive(Serialize, ToSchema)]
pub(super) struct PreviewView {
    /// Why it cannot be saved; then there is no time line.
    refused: Option<RefusedView>,
    /// Somebody is at every console, and nobody answers anything.
    unanswered: Vec<MomentView>,
    /// Nobody is logged in.
    nobody_there: Vec<MomentView>,
}

/// What would happen with a ladder in a case that nobody answers, without saving anything
///
/// The decisions themselves are taken beforehand: three contacts, one responder who keeps silent, a 120 that
/// acknowledges nothing. Ends when the last rung has come again.
#[utoipa::path(
    post, path = "/api/v1/nodes/{id}/ladders/preview", tag = "ladders",
    request_body = Draft,
    responses((status = 200, body = PreviewView), Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn preview(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
    Told(draft): Told<Draft>,
) -> Result<Json<PreviewView>, ApiError> {
    let node = store::node(&mut *api.moment().await?, id, &who.scope).await?.ok_or(ApiError::NotFound("node"))?;
    let class = draft.class()?;
    Ok(Json(match draft.ladder(class)? {
        Err(why) => PreviewView {
            refused: Some(RefusedView { reason: why.code(), rung: why.rung(), message: why.to_string() }),
            unanswered: Vec::new(),
            nobody_there: Vec::new(),
        },
        Ok(ladder) => {
            let policy = Policy { handover: node.handover, ladder: Some(ladder), ..Policy::default() };
            let line = |consoles| {
                rehearse(class, policy, consoles).iter().filter_map(|(after, entry)| moment(*after, entry)).collect()
            };
            PreviewView { refused: None, unanswered: line(Presence::Present), nobody_there: line(Presence::Gone) }
        }
    }))
}

/// A save that did not succeed, as callers hear it.
fn not_saved(why: SaveError) -> ApiError {
    match why {
        SaveError::Overlap => bad("from_minute", &why),
        SaveError::EditedMeanwhile => ApiError::EditedMeanwhile(serde_json::Value::Null),
        SaveError::NoLadder => ApiError::NotFound("ladder"),
        SaveError::Store(error) => error.into(),
    }
}

/// Makes a ladder for a node and all below it, from now on
#[utoipa::path(
    post, path = "/api/v1/nodes/{id}/ladders", tag = "ladders",
    request_body = Draft,
    responses((status = 201, body = LaddersView), Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn make(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
    Told(draft): Told<Draft>,
) -> Result<(StatusCode, Json<LaddersView>), ApiError> {
    let draft = draft.read()?;
    let mut tx = api.begin().await?;
    store::node(&mut tx, id, &who.scope).await?.ok_or(ApiError::NotFound("node"))?;
    if store::count(&mut tx, id).await? >= LADDERS_MAX {
        return Err(bad("class", &format!("this node has {LADDERS_MAX} ladders already")));
    }
    store::make(&mut tx, id, &draft, who.id().0).await.map_err(not_saved)?;
    let view = shown(&mut tx, &who, id).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok((StatusCode::CREATED, Json(view)))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = LadderChange)]
pub(super) struct Change {
    /// The version that the caller has seen.
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1)]
    version: i32,
    #[serde(flatten)]
    draft: Draft,
}

/// Writes a ladder anew; what climbs it goes on where it stands
#[utoipa::path(
    put, path = "/api/v1/ladders/{id}", tag = "ladders",
    request_body = Change,
    responses((status = 200, body = LaddersView), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn change(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
    Told(Change { version, draft }): Told<Change>,
) -> Result<Json<LaddersView>, ApiError> {
    let draft = draft.read()?;
    let mut tx = api.begin().await?;
    let saved = store::change(&mut tx, id, version, &draft, &who.scope, who.id().0).await;
    let node = saved.map_err(not_saved)?;
    let view = shown(&mut tx, &who, node).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(view))
}

/// Takes a ladder away: the next one above holds, or the standard one
#[utoipa::path(
    delete, path = "/api/v1/ladders/{id}", tag = "ladders",
    responses((status = 204, description = "It holds no more")),
    security(("session" = ["administer"])),
)]
pub(super) async fn remove(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
) -> Result<StatusCode, ApiError> {
    let mut tx = api.begin().await?;
    store::remove(&mut tx, id, &who.scope, who.id().0).await?.ok_or(ApiError::NotFound("ladder"))?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
struct HolidayDraft {
    #[schema(value_type = String, format = Date)]
    day: String,
    off: bool,
    name: Words<100>,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct HolidaysDraft {
    /// At most 400.
    #[schema(max_items = 400)]
    holidays: Vec<HolidayDraft>,
}

/// Puts days in the place of a node's own: days off, and Saturdays and Sundays that are worked
#[utoipa::path(
    put, path = "/api/v1/nodes/{id}/holidays", tag = "ladders",
    request_body = HolidaysDraft,
    responses((status = 200, body = LaddersView), Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn set_holidays(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
    Told(HolidaysDraft { holidays }): Told<HolidaysDraft>,
) -> Result<Json<LaddersView>, ApiError> {
    if holidays.len() > HOLIDAYS_MAX {
        return Err(bad("holidays", &format!("at most {HOLIDAYS_MAX} days")));
    }
    let mut days: Vec<Holiday> = Vec::new();
    for HolidayDraft { day, off, name } in holidays {
        let day: Date = day.parse().map_err(|_| bad("holidays", &format!("{day:?} is no day: write 2026-10-01")))?;
        if !(2_000..2_200).contains(&day.year()) {
            return Err(bad("holidays", &format!("{day} lies too far away")));
        }
        if days.iter().any(|other| other.day == day) {
            return Err(bad("holidays", &format!("{day} is there twice")));
        }
        days.push(Holiday { node: id, day, off, name: name.into_inner() });
    }
    let mut tx = api.begin().await?;
    store::node(&mut tx, id, &who.scope).await?.ok_or(ApiError::NotFound("node"))?;
    store::set_holidays(&mut tx, id, &days, who.id().0).await?;
    let view = shown(&mut tx, &who, id).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(view))
}
