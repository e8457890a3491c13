//! The operators' calls: lists and cards, and everything that is done to an incident.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::{IncidentId, OfferId, ResponderId, UserId};
use domain::incident::{Authority, Centre, Input, Outcome};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::{ApiError, Problem};
use super::input::{Asked, At, Limit, Told, Words, maybe_id_schema, maybe_words, maybe_words_schema, word_schema};
use super::once::{Creating, IdempotencyKey, Once};
use super::openapi::{Conflict, Unprocessable};
use super::script::{Script, scripts};
use crate::access::{Answer, Scope, See, TakeOver};
use crate::store::choice::{self, ChoiceView};
use crate::store::live::Cursor;
use crate::store::offers::{self, CandidatesView};
use crate::store::page::Page;
use crate::store::telephone::{self, About, Call};
use crate::store::views::{self, Detail, EntryView, Summary};
use crate::store::{live, residents, users};

type Note = Words<4_000>;
type Reason = Words<500>;

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ListState {
    #[default]
    Open,
    Closed,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    #[serde(default)]
    #[param(inline)]
    state: ListState,
    /// Of closed ones: `next` of the page before.
    after: Option<Uuid>,
    /// Of closed ones.
    #[serde(default)]
    #[param(inline)]
    limit: Limit<100, 500>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ListView {
    incidents: Vec<Summary>,
    /// `after` of the next page; none when this is the last.
    next: Option<Uuid>,
    /// Where `GET /live` goes on from here.
    #[schema(value_type = String)]
    cursor: Cursor,
}

/// Incidents: the open ones, most urgent first, or the closed ones, newest first
///
/// Open ones come all at once: nobody is to be overlooked on a second page.
#[utoipa::path(
    get, path = "/api/v1/incidents", tag = "incidents",
    params(ListQuery),
    responses((status = 200, body = ListView), (status = 404, body = Problem, description = "No such `after`")),
    security(("session" = ["see"])),
)]
pub(super) async fn list(
    State(api): State<Api>,
    who: May<See>,
    Asked(ListQuery { state, after, limit }): Asked<ListQuery>,
) -> Result<Json<ListView>, ApiError> {
    let mut moment = api.moment().await?;
    // Before the list and in the same moment: what the list does not show yet comes after the cursor.
    let cursor = live::head(&mut moment).await?;
    let (incidents, next) = match state {
        ListState::Open => (views::open(&mut moment, &who.scope).await?, None),
        ListState::Closed => {
            let page = Page { after, limit: limit.get() };
            let closed = views::closed(&mut moment, &who.scope, page).await?.ok_or(ApiError::NotFound("incident"))?;
            (closed.things, closed.next)
        }
    };
    Ok(Json(ListView { incidents, next, cursor }))
}

/// A card, with what to read out on the telephone.
#[derive(Serialize, ToSchema)]
pub(super) struct DetailView {
    #[serde(flatten)]
    detail: Detail,
    /// The first of `scripts`.
    script: Script,
    /// For each centre that has to be telephoned now; else what 120 would be told.
    scripts: Vec<Script>,
}

pub(super) type Card = Result<Json<DetailView>, ApiError>;

pub(super) async fn show(api: &Api, scope: &Scope, id: IncidentId) -> Card {
    let mut moment = api.moment().await?;
    let detail = views::detail(&mut moment, id, scope).await?.ok_or(ApiError::NotFound("incident"))?;
    let scripts = scripts(&detail, &api.config().call_back_phone);
    let script = scripts.first().cloned().unwrap_or_default();
    Ok(Json(DetailView { detail, script, scripts }))
}

/// What lies outside the caller's scope does not exist for them.
pub(super) async fn require_in_scope(api: &Api, scope: &Scope, id: IncidentId) -> Result<(), ApiError> {
    let found = views::in_scope(&mut *api.conn().await?, &[id.0], scope).await?;
    if found.contains(&id.0) { Ok(()) } else { Err(ApiError::NotFound("incident")) }
}

pub(super) async fn apply(api: &Api, scope: &Scope, id: Uuid, input: Input) -> Card {
    let id = IncidentId(id);
    require_in_scope(api, scope, id).await?;
    api.desk().apply(id, input).await?;
    show(api, scope, id).await
}

/// [`apply`] for calls that create something: one that is repeated with its key creates nothing more.
async fn apply_once<D>(api: &Api, who: &May<D>, once: &Once, id: Uuid, input: Input) -> Card {
    if !once.has_key() {
        return apply(api, &who.scope, id, input).await;
    }
    if once.made_before(&mut *api.conn().await?, who.id()).await?.is_some() {
        return show(api, &who.scope, IncidentId(id)).await;
    }
    let card = apply(api, &who.scope, id, input).await;
    let mut conn = api.conn().await?;
    // After it, not before: what is said twice is better than what is lost.
    match &card {
        Ok(_) => once.made(&mut conn, who.id(), id).await?,
        Err(_) => once.give_up(&mut conn, who.id()).await?,
    }
    card
}

/// A card: everything about an incident
///
/// It is written down who opened it.
#[utoipa::path(
    get, path = "/api/v1/incidents/{id}", tag = "incidents",
    responses((status = 200, body = DetailView)),
    security(("session" = ["see"])),
)]
pub(super) async fn detail(State(api): State<Api>, who: May<See>, At(id): At<Uuid>) -> Card {
    let id = IncidentId(id);
    let card = show(&api, &who.scope, id).await?;
    write_down_card(&api, who.id(), id).await;
    Ok(card)
}

/// Who is in need is helped also when it cannot be written down who looked.
pub(super) async fn write_down_card(api: &Api, by: UserId, id: IncidentId) {
    let writing = async { Ok::<_, ApiError>(users::write_down_card(&mut *api.conn().await?, by, id).await?) };
    if let Err(cause) = writing.await {
        tracing::warn!(incident.id = %id, %cause, "it could not be written down who opened a card");
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TimelineQuery {
    /// `next` of the page before: the `seq` before which this one ends.
    before: Option<i32>,
    #[serde(default)]
    #[param(inline)]
    limit: Limit<200, 1_000>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct TimelineView {
    /// Oldest first.
    entries: Vec<EntryView>,
    /// `before` of the next page, which is older; none when this is the last.
    next: Option<i32>,
}

/// The timeline, from its end
///
/// A card holds the last thousand lines. It is written down who read it.
#[utoipa::path(
    get, path = "/api/v1/incidents/{id}/timeline", tag = "incidents",
    params(TimelineQuery),
    responses((status = 200, body = TimelineView)),
    security(("session" = ["see"])),
)]
pub(super) async fn timeline(
    State(api): State<Api>,
    who: May<See>,
    At(id): At<Uuid>,
    Asked(TimelineQuery { before, limit }): Asked<TimelineQuery>,
) -> Result<Json<TimelineView>, ApiError> {
    let id = IncidentId(id);
    require_in_scope(&api, &who.scope, id).await?;
    let entries = views::timeline(&mut *api.moment().await?, id, before, limit.get()).await?;
    write_down_card(&api, who.id(), id).await;
    let next = entries.first().map(|entry| entry.seq).filter(|seq| *seq > 1);
    Ok(Json(TimelineView { entries, next }))
}

/// Makes an incident the caller's own
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/claim", tag = "incidents",
    responses((status = 200, body = DetailView), Conflict),
    security(("session" = ["answer"])),
)]
pub(super) async fn claim(State(api): State<Api>, operator: May<Answer>, At(id): At<Uuid>) -> Card {
    let authority = match Scope::of::<TakeOver>(&operator.caller.user.grants) {
        Some(scope) if require_in_scope(&api, &scope, IncidentId(id)).await.is_ok() => Authority::Supervisor,
        _ => Authority::Operator,
    };
    apply(&api, &operator.scope, id, Input::Claim { by: operator.id(), authority }).await
}

/// Gives an incident back: it rings again
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/release", tag = "incidents",
    responses((status = 200, body = DetailView), Conflict),
    security(("session" = ["answer"])),
)]
pub(super) async fn release(State(api): State<Api>, operator: May<Answer>, At(id): At<Uuid>) -> Card {
    apply(&api, &operator.scope, id, Input::Release { by: operator.id() }).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Ask {
    responder: Uuid,
}

/// Asks a responder to go
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/ask", tag = "incidents",
    params(IdempotencyKey),
    request_body = Ask,
    responses((status = 200, body = DetailView), Conflict, Unprocessable),
    security(("session" = ["answer"])),
)]
pub(super) async fn ask(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Creating { told: Ask { responder }, once }: Creating<Ask>,
) -> Card {
    let responder = ResponderId(responder);
    if !offers::responder_exists(&mut *api.conn().await?, responder).await? {
        return Err(ApiError::NotFound("responder"));
    }
    apply_once(&api, &operator, &once, id, Input::Ask { by: operator.id(), responder }).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Withdraw {
    offer: Uuid,
}

/// Takes an offer back from a responder
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/withdraw", tag = "incidents",
    request_body = Withdraw,
    responses((status = 200, body = DetailView), Conflict),
    security(("session" = ["answer"])),
)]
pub(super) async fn withdraw(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Told(Withdraw { offer }): Told<Withdraw>,
) -> Card {
    apply(&api, &operator.scope, id, Input::Withdraw { by: operator.id(), offer: OfferId(offer) }).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct HandOver {
    #[serde(deserialize_with = "wire::word::deserialize")]
    #[schema(schema_with = word_schema::<Centre>)]
    centre: Centre,
}

/// Hands an incident to a centre
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/hand-over", tag = "incidents",
    params(IdempotencyKey),
    request_body = HandOver,
    responses((status = 200, body = DetailView), Conflict, Unprocessable),
    security(("session" = ["answer"])),
)]
pub(super) async fn hand_over(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Creating { told: HandOver { centre }, once }: Creating<HandOver>,
) -> Card {
    apply_once(&api, &operator, &once, id, Input::HandOver { by: operator.id(), centre }).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct StandDown {
    #[serde(deserialize_with = "wire::word::deserialize")]
    #[schema(schema_with = word_schema::<Centre>)]
    centre: Centre,
    reason: Reason,
}

/// Tells a centre that it is not needed any more
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/stand-down", tag = "incidents",
    request_body = StandDown,
    responses((status = 200, body = DetailView), Conflict),
    security(("session" = ["answer"])),
)]
pub(super) async fn stand_down(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Told(StandDown { centre, reason }): Told<StandDown>,
) -> Card {
    apply(&api, &operator.scope, id, Input::StandDown { by: operator.id(), centre, reason: reason.into_inner() }).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct VoiceDone {
    #[serde(deserialize_with = "wire::word::deserialize")]
    #[schema(schema_with = word_schema::<Centre>)]
    centre: Centre,
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<100>)]
    reference: Option<Words<100>>,
}

/// A centre has been telephoned
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/voice-done", tag = "incidents",
    request_body = VoiceDone,
    responses((status = 200, body = DetailView), Conflict),
    security(("session" = ["answer"])),
)]
pub(super) async fn voice_done(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Told(VoiceDone { centre, reference }): Told<VoiceDone>,
) -> Card {
    let reference = reference.map(Words::into_inner);
    apply(&api, &operator.scope, id, Input::VoiceDone { by: operator.id(), centre, reference }).await
}

/// The grid officer has been telephoned
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/grid-officer-called", tag = "incidents",
    responses((status = 200, body = DetailView), Conflict),
    security(("session" = ["answer"])),
)]
pub(super) async fn grid_officer_called(State(api): State<Api>, operator: May<Answer>, At(id): At<Uuid>) -> Card {
    apply(&api, &operator.scope, id, Input::GridOfficerCalled { by: operator.id() }).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Close {
    #[serde(deserialize_with = "wire::word::deserialize")]
    #[schema(schema_with = word_schema::<Outcome>)]
    outcome: Outcome,
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<4_000>)]
    note: Option<Note>,
}

/// Closes an incident
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/close", tag = "incidents",
    request_body = Close,
    responses((status = 200, body = DetailView), Conflict),
    security(("session" = ["answer"])),
)]
pub(super) async fn close(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Told(Close { outcome, note }): Told<Close>,
) -> Card {
    let note = note.map(Words::into_inner);
    apply(&api, &operator.scope, id, Input::Close { by: operator.id(), outcome, note }).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NoteBody {
    text: Note,
}

/// Writes into the timeline
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/note", tag = "incidents",
    params(IdempotencyKey),
    request_body = NoteBody,
    responses((status = 200, body = DetailView), Conflict, Unprocessable),
    security(("session" = ["see"])),
)]
pub(super) async fn note(
    State(api): State<Api>,
    operator: May<See>,
    At(id): At<Uuid>,
    Creating { told: NoteBody { text }, once }: Creating<NoteBody>,
) -> Card {
    apply_once(&api, &operator, &once, id, Input::Note { by: operator.id(), text: text.into_inner() }).await
}

/// Whom an operator could ask, the nearest first
#[utoipa::path(
    get, path = "/api/v1/incidents/{id}/candidates", tag = "incidents",
    responses((status = 200, body = CandidatesView)),
    security(("session" = ["see"])),
)]
pub(super) async fn candidates(
    State(api): State<Api>,
    who: May<See>,
    At(id): At<Uuid>,
) -> Result<Json<CandidatesView>, ApiError> {
    let config = api.config();
    let mut moment = api.moment().await?;
    if !views::in_scope(&mut moment, &[id], &who.scope).await?.contains(&id) {
        return Err(ApiError::NotFound("incident"));
    }
    let candidates = offers::candidates(&mut moment, IncidentId(id), config.reach_m, config.position_fresh_for).await?;
    Ok(Json(candidates))
}

#[derive(Serialize, ToSchema)]
pub(super) struct ChoicesView {
    /// The first first.
    choices: Vec<ChoiceView>,
}

/// Who was looked at when it was decided whom to ask, and why each was asked or passed over
#[utoipa::path(
    get, path = "/api/v1/incidents/{id}/choices", tag = "incidents",
    responses((status = 200, body = ChoicesView)),
    security(("session" = ["see"])),
)]
pub(super) async fn choices(
    State(api): State<Api>,
    who: May<See>,
    At(id): At<Uuid>,
) -> Result<Json<ChoicesView>, ApiError> {
    let mut moment = api.moment().await?;
    if !views::in_scope(&mut moment, &[id], &who.scope).await?.contains(&id) {
        return Err(ApiError::NotFound("incident"));
    }
    Ok(Json(ChoicesView { choices: choice::choices(&mut moment, IncidentId(id)).await? }))
}

/// What somebody telephoned about.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum CallBody {
    /// An emergency, of a resident or of anybody.
    Telephone {
        #[serde(default)]
        #[schema(schema_with = maybe_id_schema)]
        resident: Option<Uuid>,
        #[serde(default, deserialize_with = "maybe_words")]
        #[schema(schema_with = maybe_words_schema::<500>)]
        place_in_words: Option<Words<500>>,
        #[serde(default, deserialize_with = "maybe_words")]
        #[schema(schema_with = maybe_words_schema::<50>)]
        phone: Option<Words<50>>,
        note: Note,
        #[serde(default)]
        drill: bool,
    },
    /// Daily help for a resident, who asks for it or for whom a contact does.
    Service {
        resident: Uuid,
        #[serde(default, deserialize_with = "maybe_words")]
        #[schema(schema_with = maybe_words_schema::<100>)]
        category: Option<Words<100>>,
        #[serde(default, deserialize_with = "maybe_words")]
        #[schema(schema_with = maybe_words_schema::<100>)]
        on_behalf_of: Option<Words<100>>,
        #[serde(default, deserialize_with = "maybe_words")]
        #[schema(schema_with = maybe_words_schema::<500>)]
        place_in_words: Option<Words<500>>,
        #[serde(default, deserialize_with = "maybe_words")]
        #[schema(schema_with = maybe_words_schema::<50>)]
        phone: Option<Words<50>>,
        #[serde(default, deserialize_with = "maybe_words")]
        #[schema(schema_with = maybe_words_schema::<4_000>)]
        note: Option<Note>,
        #[serde(default)]
        drill: bool,
    },
}

impl From<CallBody> for Call {
    fn from(body: CallBody) -> Self {
        match body {
            CallBody::Telephone { resident, place_in_words, phone, note, drill } => Self {
                about: About::Emergency,
                resident,
                place_in_words: place_in_words.map(Words::into_inner),
                phone: phone.map(Words::into_inner),
                note: Some(note.into_inner()),
                drill,
            },
            CallBody::Service { resident, category, on_behalf_of, place_in_words, phone, note, drill } => Self {
                about: About::Service {
                    category: category.map(Words::into_inner),
                    on_behalf_of: on_behalf_of.map(Words::into_inner),
                },
                resident: Some(resident),
                place_in_words: place_in_words.map(Words::into_inner),
                phone: phone.map(Words::into_inner),
                note: note.map(Words::into_inner),
                drill,
            },
        }
    }
}

/// Opens what came by telephone: an emergency, or a request for daily help
///
/// A further call about the same person joins their open emergency.
#[utoipa::path(
    post, path = "/api/v1/incidents", tag = "incidents",
    params(IdempotencyKey),
    request_body = CallBody,
    responses(
        (status = 201, body = Summary),
        (status = 404, body = Problem, description = "No such resident"),
        Conflict,
        Unprocessable,
    ),
    security(("session" = ["answer"])),
)]
pub(super) async fn open_by_telephone(
    State(api): State<Api>,
    operator: May<Answer>,
    Creating { told, once }: Creating<CallBody>,
) -> Result<(StatusCode, Json<Summary>), ApiError> {
    let id = open(&api, &operator, &once, &told.into()).await?;
    let mut moment = api.moment().await?;
    let summary = views::summaries(&mut moment, &[id.0]).await?.remove(&id.0).ok_or(ApiError::NotFound("incident"))?;
    Ok((StatusCode::CREATED, Json(summary)))
}

async fn open(api: &Api, who: &May<Answer>, once: &Once, call: &Call) -> Result<IncidentId, ApiError> {
    let by = who.id();
    let mut tx = api.begin().await?;
    if let Some(opened) = once.made_before(&mut tx, by).await? {
        return Ok(IncidentId(opened));
    }
    if let Some(resident) = call.resident
        && !residents::exists(&mut tx, resident, &who.scope).await?
    {
        return Err(ApiError::NotFound("resident"));
    }
    // Somebody whom nobody knows belongs to those who took the call.
    let node = who.scope.nodes().first().copied().ok_or(ApiError::Forbidden)?;
    let id = telephone::open(&mut tx, call, by, node).await?;
    once.made(&mut tx, by, id.0).await?;
    tx.commit().await?;
    api.desk().wake();
    Ok(id)
}
