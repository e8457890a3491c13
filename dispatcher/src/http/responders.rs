//! Providers' people: what they can do, and when they are to be at work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::{ProviderId, ResponderId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{Asked, At, Told, Words, said, whole};
use super::once::{Creating, IdempotencyKey};
use super::openapi::{Conflict, Unprocessable};
use super::records::Sex;
use crate::access::{Administer, Oversee, Scope};
use crate::store::responders::{self, Abilities, PersonView};
use crate::store::shifts::{self, ShiftView, Wanted};
use crate::store::{contracts, facts};

/// More than there is to be skilled in.
const SKILLS_MAX: usize = 100;
/// More than anybody speaks.
const LANGUAGES_MAX: usize = 20;
/// A shift is no longer than this.
const SHIFT_MAX: SignedDuration = SignedDuration::from_hours(24);
/// And begins no later than in so long.
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(24 * 366);
/// So many weeks at once.
const WEEKS_MAX: i32 = 53;
/// A period that nothing else is said of.
const WEEK: SignedDuration = SignedDuration::from_hours(24 * 7);
/// Nobody asks for one that is further away; the database knows no year 9999 before Christ.
const AWAY_MAX: SignedDuration = SignedDuration::from_hours(24 * 3_653);
/// A period that is asked for is no longer than this.
const PERIOD_MAX: SignedDuration = SignedDuration::from_hours(24 * 62);

#[derive(Serialize, ToSchema)]
pub(super) struct PeopleView {
    /// By name.
    responders: Vec<PersonView>,
}

/// A provider's people and what they can do
#[utoipa::path(
    get, path = "/api/v1/providers/{id}/responders", tag = "providers",
    responses((status = 200, body = PeopleView)),
    security(("session" = ["oversee"])),
)]
pub(super) async fn people(
    State(api): State<Api>,
    who: May<Oversee>,
    At(provider): At<Uuid>,
) -> Result<Json<PeopleView>, ApiError> {
    let provider = ProviderId(provider);
    let mut moment = api.moment().await?;
    if !contracts::sees_provider(&mut moment, provider, &who.scope).await? {
        return Err(ApiError::NotFound("provider"));
    }
    let administers = Scope::of::<Administer>(&who.caller.user.grants);
    let responders = responders::of_provider(&mut moment, provider, administers.as_ref()).await?;
    Ok(Json(PeopleView { responders }))
}

/// What somebody can do, the whole of it; null is nothing.
#[derive(Deserialize, ToSchema)]
#[schema(as = ResponderChange)]
pub(super) struct Change {
    /// The version that the editor saw.
    #[serde(deserialize_with = "whole")]
    version: i32,
    /// Words of their provider's contracts, or `emergency`; null: all of it.
    #[serde(deserialize_with = "said")]
    #[schema(required = true)]
    skills: Option<Vec<Words<100>>>,
    mode: Mode,
    #[serde(deserialize_with = "said")]
    #[schema(required = true)]
    sex: Option<Sex>,
    /// What they speak beside what everybody does.
    languages: Vec<Words<30>>,
}

/// How somebody gets about.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Walk,
    Ebike,
    Car,
}

/// Words, each once.
fn once_each<const MAX: usize>(told: Vec<Words<MAX>>) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in told.into_iter().map(Words::into_inner) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

impl Change {
    fn read(self) -> Result<Abilities, ApiError> {
        let skills = self.skills.map(once_each);
        let bad = |field, why: String| ApiError::BadField { field, why };
        match skills.as_ref().map(Vec::len) {
            Some(0) => {
                return Err(bad("skills", "there are none, so that nobody could be asked; say nothing for all".into()));
            }
            Some(many) if many > SKILLS_MAX => return Err(bad("skills", format!("{many} are too many"))),
            _ => {}
        }
        if self.languages.len() > LANGUAGES_MAX {
            return Err(bad("languages", format!("{} are too many: at most {LANGUAGES_MAX}", self.languages.len())));
        }
        let mode = match self.mode {
            Mode::Walk => "walk",
            Mode::Ebike => "ebike",
            Mode::Car => "car",
        };
        let languages = once_each(self.languages);
        Ok(Abilities { skills, mode, sex: self.sex.map(Sex::word), languages })
    }
}

/// Changes what somebody can do, who still is what their editor saw
#[utoipa::path(
    put, path = "/api/v1/responders/{id}", tag = "providers",
    request_body = Change,
    responses((status = 200, body = PersonView), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn change_abilities(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
    Told(change): Told<Change>,
) -> Result<Json<PersonView>, ApiError> {
    let id = ResponderId(id);
    let mut tx = api.begin().await?;
    responders::hold(&mut tx, id).await?;
    let held = responders::one(&mut tx, id, &who.scope).await?.ok_or(ApiError::NotFound("responder"))?;
    if held.version != change.version {
        return Err(ApiError::EditedMeanwhile(json!(held)));
    }
    let abilities = change.read()?;
    if let Some(skills) = &abilities.skills
        && let Some((skill, provider)) = responders::not_contracted(&mut tx, id, skills).await?
    {
        return Err(ApiError::BadField {
            field: "skills", why: format!("{provider} has no contract for “{skill}”")
        });
    }
    responders::change(&mut tx, id, &abilities, who.id()).await?;
    let changed = responders::one(&mut tx, id, &who.scope).await?.ok_or(ApiError::NotFound("responder"))?;
    tx.commit().await?;
    Ok(Json(changed))
}

// ---- shifts ------------------------------------------------------------------------------------

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PeriodQuery {
    /// From here on; none: now.
    from: Option<Timestamp>,
    /// Up to here, at most 62 days later; none: a week.
    until: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ShiftsView {
    /// As they begin.
    shifts: Vec<ShiftView>,
}

/// When a provider's people are to be at work in a period
#[utoipa::path(
    get, path = "/api/v1/providers/{id}/shifts", tag = "providers",
    params(PeriodQuery),
    responses((status = 200, body = ShiftsView), Unprocessable),
    security(("session" = ["oversee"])),
)]
pub(super) async fn roster(
    State(api): State<Api>,
    who: May<Oversee>,
    At(provider): At<Uuid>,
    Asked(PeriodQuery { from, until }): Asked<PeriodQuery>,
) -> Result<Json<ShiftsView>, ApiError> {
    let provider = ProviderId(provider);
    let mut moment = api.moment().await?;
    let now = facts::now(&mut moment).await?;
    let from = from.unwrap_or(now);
    let until = until.or_else(|| from.checked_add(WEEK).ok());
    let until = until.filter(|until| (SignedDuration::ZERO..=PERIOD_MAX).contains(&until.duration_since(from)));
    let until = until.ok_or_else(|| ApiError::BadField {
        field: "until",
        why: "is to lie after `from`, by 62 days at most".into(),
    })?;
    if from.duration_since(now).abs() > AWAY_MAX {
        return Err(ApiError::BadField { field: "from", why: "is to lie within ten years of now".into() });
    }
    if !contracts::sees_provider(&mut moment, provider, &who.scope).await? {
        return Err(ApiError::NotFound("provider"));
    }
    let shifts = shifts::of_provider(&mut moment, provider, (from, until)).await?;
    Ok(Json(ShiftsView { shifts }))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ShiftDraft)]
pub(super) struct Draft {
    from: Timestamp,
    /// At most 24 hours later.
    until: Timestamp,
    /// In so many weeks, this one included, at the same time of the day.
    #[serde(default = "one", deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 53, default = 1)]
    weeks: i32,
}

const fn one() -> i32 {
    1
}

impl Draft {
    fn read(&self, responder: ResponderId, now: Timestamp) -> Result<Wanted, ApiError> {
        let Self { from, until, weeks } = *self;
        let bad = |field, why: &str| Err(ApiError::BadField { field, why: why.to_owned() });
        let length = until.duration_since(from);
        if length <= SignedDuration::ZERO {
            bad("until", "the shift would end before it begins")
        } else if length > SHIFT_MAX {
            bad("until", "nobody is at work for more than 24 hours at a stretch")
        } else if until <= now {
            bad("until", "the shift lies in the past")
        } else if from.duration_since(now) > AHEAD_MAX {
            bad("from", "that is more than a year ahead")
        } else if !(1..=WEEKS_MAX).contains(&weeks) {
            bad("weeks", "it takes 1 to 53 weeks")
        } else {
            Ok(Wanted { responder, from, until, weeks })
        }
    }
}

/// Plans when somebody is to be at work, once or weekly
///
/// All of it, or nothing when somebody would be at work twice at once.
#[utoipa::path(
    post, path = "/api/v1/responders/{id}/shifts", tag = "providers",
    params(IdempotencyKey),
    request_body = Draft,
    responses((status = 201, body = ShiftsView), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn plan_shifts(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
    Creating { told: draft, once }: Creating<Draft>,
) -> Result<(StatusCode, Json<ShiftsView>), ApiError> {
    let id = ResponderId(id);
    let mut tx = api.begin().await?;
    responders::hold(&mut tx, id).await?;
    if responders::one(&mut tx, id, &who.scope).await?.is_none() {
        return Err(ApiError::NotFound("responder"));
    }
    let is_made = once.made_before(&mut tx, who.id()).await?.is_some();
    let wanted = draft.read(id, facts::now(&mut tx).await?)?;
    if !is_made {
        if let Some(other) = shifts::in_the_way(&mut tx, &wanted).await? {
            return Err(ApiError::ShiftOverlaps(other));
        }
        let first = shifts::plan(&mut tx, &wanted, who.id()).await?;
        once.made(&mut tx, who.id(), first).await?;
    }
    let shifts = shifts::planned(&mut tx, &wanted).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(ShiftsView { shifts })))
}

/// Deletes a shift
#[utoipa::path(
    delete, path = "/api/v1/shifts/{id}", tag = "providers",
    responses((status = 204, description = "Done")),
    security(("session" = ["administer"])),
)]
pub(super) async fn delete_shift(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
) -> Result<StatusCode, ApiError> {
    if shifts::delete(&mut *api.conn().await?, id, &who.scope, who.id()).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::NotFound("shift"))
    }
}
