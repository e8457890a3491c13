//! The operators' calls: lists and cards, and everything that is done to an incident.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::{IncidentId, OfferId, ResponderId};
use domain::incident::{Authority, Centre, Input, Outcome};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{Asked, At, IdempotencyKey, Told, Words, maybe_words};
use super::script::{Script, script};
use crate::access::{Answer, Scope, See, TakeOver};
use crate::store::live::Cursor;
use crate::store::offers::{self, CandidatesView};
use crate::store::telephone::{self, About, Call};
use crate::store::views::{self, Detail, Summary, Which};
use crate::store::{live, residents, users};

type Note = Words<4_000>;
type Reason = Words<500>;

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ListState {
    #[default]
    Open,
    Closed,
}

#[derive(Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    state: ListState,
}

#[derive(Serialize)]
pub(super) struct ListView {
    incidents: Vec<Summary>,
    cursor: Cursor,
}

/// `GET /incidents?state=open|closed`
pub(super) async fn list(
    State(api): State<Api>,
    who: May<See>,
    Asked(ListQuery { state }): Asked<ListQuery>,
) -> Result<Json<ListView>, ApiError> {
    let which = match state {
        ListState::Open => Which::Open,
        ListState::Closed => Which::Closed,
    };
    let mut moment = api.moment().await?;
    // Before the list and in the same moment: what the list does not show yet comes after the cursor.
    let cursor = live::head(&mut moment).await?;
    let incidents = views::list(&mut moment, which, &who.scope).await?;
    Ok(Json(ListView { incidents, cursor }))
}

/// A card, with what to read out on the telephone.
#[derive(Serialize)]
pub(super) struct DetailView {
    #[serde(flatten)]
    detail: Detail,
    script: Script,
}

pub(super) type Card = Result<Json<DetailView>, ApiError>;

pub(super) async fn show(api: &Api, scope: &Scope, id: IncidentId) -> Card {
    let mut moment = api.moment().await?;
    let detail = views::detail(&mut moment, id, scope).await?.ok_or(ApiError::NotFound("incident"))?;
    let script = script(&detail, &api.config().call_back_phone);
    Ok(Json(DetailView { detail, script }))
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
async fn apply_once<D>(api: &Api, who: &May<D>, IdempotencyKey(key): IdempotencyKey, id: Uuid, input: Input) -> Card {
    let Some(key) = key else { return apply(api, &who.scope, id, input).await };
    if telephone::created_before(&mut *api.conn().await?, who.id(), &key).await? == Some(IncidentId(id)) {
        return show(api, &who.scope, IncidentId(id)).await;
    }
    let card = apply(api, &who.scope, id, input).await?;
    // After it, not before: what is said twice is better than what is lost.
    telephone::remember(&mut *api.conn().await?, who.id(), &key, IncidentId(id)).await?;
    Ok(card)
}

/// `GET /incidents/{id}`
pub(super) async fn detail(State(api): State<Api>, who: May<See>, At(id): At<Uuid>) -> Card {
    let id = IncidentId(id);
    let card = show(&api, &who.scope, id).await?;
    // Who is in need is helped also when it cannot be written down who looked.
    if let Err(cause) = users::write_down_card(&mut *api.conn().await?, who.id(), id).await {
        tracing::warn!(incident.id = %id, %cause, "it could not be written down who opened a card");
    }
    Ok(card)
}

/// `POST /incidents/{id}/claim`
pub(super) async fn claim(State(api): State<Api>, operator: May<Answer>, At(id): At<Uuid>) -> Card {
    let authority = match Scope::of::<TakeOver>(&operator.caller.user.grants) {
        Some(scope) if require_in_scope(&api, &scope, IncidentId(id)).await.is_ok() => Authority::Supervisor,
        _ => Authority::Operator,
    };
    apply(&api, &operator.scope, id, Input::Claim { by: operator.id(), authority }).await
}

/// `POST /incidents/{id}/release`
pub(super) async fn release(State(api): State<Api>, operator: May<Answer>, At(id): At<Uuid>) -> Card {
    apply(&api, &operator.scope, id, Input::Release { by: operator.id() }).await
}

#[derive(Deserialize)]
pub(super) struct Ask {
    responder: Uuid,
}

/// `POST /incidents/{id}/ask`
pub(super) async fn ask(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    key: IdempotencyKey,
    Told(Ask { responder }): Told<Ask>,
) -> Card {
    let responder = ResponderId(responder);
    if !offers::responder_exists(&mut *api.conn().await?, responder).await? {
        return Err(ApiError::NotFound("responder"));
    }
    apply_once(&api, &operator, key, id, Input::Ask { by: operator.id(), responder }).await
}

#[derive(Deserialize)]
pub(super) struct Withdraw {
    offer: Uuid,
}

/// `POST /incidents/{id}/withdraw`
pub(super) async fn withdraw(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Told(Withdraw { offer }): Told<Withdraw>,
) -> Card {
    apply(&api, &operator.scope, id, Input::Withdraw { by: operator.id(), offer: OfferId(offer) }).await
}

#[derive(Deserialize)]
pub(super) struct HandOver {
    #[serde(deserialize_with = "wire::word::deserialize")]
    centre: Centre,
}

/// `POST /incidents/{id}/hand-over`
pub(super) async fn hand_over(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    key: IdempotencyKey,
    Told(HandOver { centre }): Told<HandOver>,
) -> Card {
    apply_once(&api, &operator, key, id, Input::HandOver { by: operator.id(), centre }).await
}

#[derive(Deserialize)]
pub(super) struct StandDown {
    #[serde(deserialize_with = "wire::word::deserialize")]
    centre: Centre,
    reason: Reason,
}

/// `POST /incidents/{id}/stand-down`
pub(super) async fn stand_down(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Told(StandDown { centre, reason }): Told<StandDown>,
) -> Card {
    apply(&api, &operator.scope, id, Input::StandDown { by: operator.id(), centre, reason: reason.into_inner() }).await
}

#[derive(Deserialize)]
pub(super) struct VoiceDone {
    #[serde(deserialize_with = "wire::word::deserialize")]
    centre: Centre,
    #[serde(default, deserialize_with = "maybe_words")]
    reference: Option<Words<100>>,
}

/// `POST /incidents/{id}/voice-done`
pub(super) async fn voice_done(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Told(VoiceDone { centre, reference }): Told<VoiceDone>,
) -> Card {
    let reference = reference.map(Words::into_inner);
    apply(&api, &operator.scope, id, Input::VoiceDone { by: operator.id(), centre, reference }).await
}

#[derive(Deserialize)]
pub(super) struct Close {
    #[serde(deserialize_with = "wire::word::deserialize")]
    outcome: Outcome,
    #[serde(default, deserialize_with = "maybe_words")]
    note: Option<Note>,
}

/// `POST /incidents/{id}/close`
pub(super) async fn close(
    State(api): State<Api>,
    operator: May<Answer>,
    At(id): At<Uuid>,
    Told(Close { outcome, note }): Told<Close>,
) -> Card {
    let note = note.map(Words::into_inner);
    apply(&api, &operator.scope, id, Input::Close { by: operator.id(), outcome, note }).await
}

#[derive(Deserialize)]
pub(super) struct NoteBody {
    text: Note,
}

/// `POST /incidents/{id}/note`
pub(super) async fn note(
    State(api): State<Api>,
    operator: May<See>,
    At(id): At<Uuid>,
    key: IdempotencyKey,
    Told(NoteBody { text }): Told<NoteBody>,
) -> Card {
    apply_once(&api, &operator, key, id, Input::Note { by: operator.id(), text: text.into_inner() }).await
}

/// `GET /incidents/{id}/candidates`
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

/// What somebody telephoned about.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum CallBody {
    /// An emergency, of a resident or of anybody.
    Telephone {
        #[serde(default)]
        resident: Option<Uuid>,
        #[serde(default, deserialize_with = "maybe_words")]
        place_in_words: Option<Words<500>>,
        #[serde(default, deserialize_with = "maybe_words")]
        phone: Option<Words<50>>,
        note: Note,
        #[serde(default)]
        drill: bool,
    },
    /// Daily help for a resident, who asks for it or for whom a contact does.
    Service {
        resident: Uuid,
        #[serde(default, deserialize_with = "maybe_words")]
        category: Option<Words<100>>,
        #[serde(default, deserialize_with = "maybe_words")]
        on_behalf_of: Option<Words<100>>,
        #[serde(default, deserialize_with = "maybe_words")]
        place_in_words: Option<Words<500>>,
        #[serde(default, deserialize_with = "maybe_words")]
        phone: Option<Words<50>>,
        #[serde(default, deserialize_with = "maybe_words")]
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

/// `POST /incidents`: an emergency, or a request for daily help, that came by telephone.
pub(super) async fn open_by_telephone(
    State(api): State<Api>,
    operator: May<Answer>,
    IdempotencyKey(key): IdempotencyKey,
    Told(body): Told<CallBody>,
) -> Result<(StatusCode, Json<Summary>), ApiError> {
    let call = Call::from(body);
    let id = open(&api, &operator, key, &call).await?;
    let mut moment = api.moment().await?;
    let summary = views::summaries(&mut moment, &[id.0]).await?.remove(&id.0).ok_or(ApiError::NotFound("incident"))?;
    Ok((StatusCode::CREATED, Json(summary)))
}

async fn open(api: &Api, who: &May<Answer>, key: Option<String>, call: &Call) -> Result<IncidentId, ApiError> {
    let by = who.id();
    let mut tx = api.begin().await?;
    if let Some(key) = &key {
        telephone::serialize(&mut tx, by, key).await?;
        if let Some(id) = telephone::created_before(&mut tx, by, key).await? {
            return Ok(id);
        }
    }
    if let Some(resident) = call.resident
        && !residents::exists(&mut tx, resident, &who.scope).await?
    {
        return Err(ApiError::NotFound("resident"));
    }
    // Somebody whom nobody knows belongs to those who took the call.
    let node = who.scope.nodes().first().copied().ok_or(ApiError::Forbidden)?;
    let id = telephone::open(&mut tx, call, by, node).await?;
    if let Some(key) = &key {
        telephone::remember(&mut tx, by, key, id).await?;
    }
    tx.commit().await?;
    api.desk().wake();
    Ok(id)
}
