//! What terminals are told to do: by whoever answers calls, and, where it is a setting, by administrators.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::{IncidentId, UserId};
use domain::place::Position;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;
use wire::command::Command;

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{At, Words, maybe_words, maybe_words_schema, whole};
use super::once::{Creating, IdempotencyKey};
use super::openapi::{Conflict, Unprocessable};
use crate::access::{Administer, Answer, Scope, See};
use crate::store::commands::{self, CommandView, Of, Refusal, Wanted, Worn};
use crate::store::timeline::{self, Line};
use crate::store::{audit, facts, residents};

/// What whoever answers a call may tell a terminal.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Wish {
    /// Tell where you are, now.
    Locate,
    /// Tell where you are every few seconds for some time.
    Burst {
        #[serde(deserialize_with = "whole")]
        #[schema(minimum = 5, maximum = 600)]
        every_s: u16,
        #[serde(deserialize_with = "whole")]
        #[schema(minimum = 30, maximum = 3600)]
        for_s: u16,
    },
    /// Show this.
    Text { text: Words<120> },
    /// Ring, so that you are found.
    Find,
}

impl Wish {
    fn read(self) -> Result<Command, ApiError> {
        Ok(match self {
            Self::Locate => Command::Locate,
            Self::Burst { every_s, for_s } => {
                within("every_s", every_s, 5..=600)?;
                within("for_s", for_s, 30..=3600)?;
                Command::Burst { every_s, for_s }
            }
            Self::Text { text } => Command::Text { text: text.into_inner() },
            Self::Find => Command::Find,
        })
    }
}

/// What administrators set a terminal to.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Setting {
    /// Tell where you are regularly.
    ReportEvery {
        #[serde(deserialize_with = "whole")]
        #[schema(minimum = 10, maximum = 86_400)]
        every_s: u32,
    },
    /// The numbers that the SOS key calls, in this order.
    SosNumbers {
        #[schema(max_items = 5)]
        numbers: Vec<Words<30>>,
    },
    /// The telephone book.
    Contacts {
        #[schema(max_items = 20)]
        contacts: Vec<BookEntry>,
    },
    /// How easily a fall is seen: 0 is off, 1 the least sensitive, 8 the most.
    FallSensitivity {
        #[serde(deserialize_with = "whole")]
        #[schema(minimum = 0, maximum = 8)]
        level: u8,
    },
    /// Watch a circle by yourself.
    Fence {
        /// Numbers the fences of one terminal.
        #[serde(deserialize_with = "whole")]
        #[schema(minimum = 1, maximum = 16)]
        number: u8,
        lat: f64,
        lon: f64,
        #[serde(deserialize_with = "whole")]
        #[schema(minimum = 50, maximum = 50_000)]
        radius_m: u32,
    },
    /// Forget a circle.
    NoFence {
        #[serde(deserialize_with = "whole")]
        #[schema(minimum = 1, maximum = 16)]
        number: u8,
    },
    /// Start again.
    Restart,
    /// The maker's own words.
    Raw { content: Words<500> },
}

#[derive(Deserialize, ToSchema)]
struct BookEntry {
    name: Words<30>,
    number: Words<30>,
}

impl Setting {
    fn read(self) -> Result<Command, ApiError> {
        Ok(match self {
            Self::ReportEvery { every_s } => {
                within("every_s", every_s, 10..=86_400)?;
                Command::ReportEvery { every_s }
            }
            Self::SosNumbers { numbers } => {
                within("numbers", numbers.len(), 0..=5)?;
                let numbers =
                    numbers.into_iter().map(|number| telephone("numbers", number)).collect::<Result<_, _>>()?;
                Command::SosNumbers { numbers }
            }
            Self::Contacts { contacts } => {
                within("contacts", contacts.len(), 0..=20)?;
                let read = |entry: BookEntry| {
                    let number = telephone("contacts", entry.number)?;
                    Ok(wire::command::Contact { name: entry.name.into_inner(), number })
                };
                Command::Contacts { contacts: contacts.into_iter().map(read).collect::<Result<_, ApiError>>()? }
            }
            Self::FallSensitivity { level } => {
                within("level", level, 0..=8)?;
                Command::FallSensitivity { level }
            }
            Self::Fence { number, lat, lon, radius_m } => {
                within("number", number, 1..=16)?;
                within("radius_m", radius_m, 50..=50_000)?;
                let centre = Position::new(lat, lon);
                let centre = centre.map_err(|why| ApiError::BadField { field: "lat", why: why.to_string() })?;
                Command::Fence { number, lat_deg: centre.lat_deg(), lon_deg: centre.lon_deg(), radius_m }
            }
            Self::NoFence { number } => {
                within("number", number, 1..=16)?;
                Command::NoFence { number }
            }
            Self::Restart => Command::Restart,
            Self::Raw { content } => Command::Raw { content: content.into_inner() },
        })
    }
}

fn within<T: Copy + PartialOrd + std::fmt::Display>(
    field: &'static str,
    told: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<(), ApiError> {
    if range.contains(&told) {
        return Ok(());
    }
    let why = format!("{told} does not lie between {} and {}", range.start(), range.end());
    Err(ApiError::BadField { field, why })
}

/// A telephone number as terminals take it: digits, with a plus before them.
fn telephone<const MAX: usize>(field: &'static str, told: Words<MAX>) -> Result<String, ApiError> {
    let told = told.into_inner();
    let number: String = told.chars().filter(|letter| !matches!(letter, ' ' | '-' | '(' | ')')).collect();
    let digits = number.strip_prefix('+').unwrap_or(&number);
    if (3..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(number)
    } else {
        Err(ApiError::BadField { field, why: format!("{told:?} is no telephone number") })
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct CommandsView {
    /// The newest first.
    commands: Vec<CommandView>,
    /// Whether the settings allow to listen in.
    may_listen_in: bool,
}

/// What was asked of the terminal in a case, and what came of it
#[utoipa::path(
    get, path = "/api/v1/incidents/{id}/commands", tag = "commands",
    responses((status = 200, body = CommandsView)),
    security(("session" = ["see"])),
)]
pub(super) async fn of_incident(
    State(api): State<Api>,
    who: May<See>,
    At(id): At<Uuid>,
) -> Result<Json<CommandsView>, ApiError> {
    let id = IncidentId(id);
    super::incidents::require_in_scope(&api, &who.scope, id).await?;
    let commands = commands::list(&mut *api.moment().await?, Of::Incident(id)).await?;
    Ok(Json(CommandsView { commands, may_listen_in: api.config().allow_listen_in }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Telling {
    command: Wish,
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<500>)]
    reason: Option<Words<500>>,
}

/// Has the terminal of an open case told to do something
///
/// It is written down who asked. What becomes of it, the list of commands tells.
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/commands", tag = "commands",
    params(IdempotencyKey),
    request_body = Telling,
    responses((status = 201, body = CommandView), Conflict, Unprocessable),
    security(("session" = ["answer"])),
)]
pub(super) async fn tell(
    State(api): State<Api>,
    who: May<Answer>,
    At(id): At<Uuid>,
    Creating { told: Telling { command, reason }, once }: Creating<Telling>,
) -> Result<(StatusCode, Json<CommandView>), ApiError> {
    let incident = IncidentId(id);
    let command = command.read()?;
    let mut tx = api.begin().await?;
    let case = commands::lock_case(&mut tx, incident, &who.scope).await?.ok_or(ApiError::NotFound("incident"))?;
    if let Some(made) = once.made_before(&mut tx, who.id()).await? {
        return shown(&mut tx, made).await;
    }
    if !case.is_open {
        return Err(Refusal::Over.into());
    }
    let worn = commands::worn_in(&mut tx, incident).await?.ok_or(Refusal::NoTerminal)?;
    let asking = Asking { by: who.id(), what: "told_terminal", incident: Some(incident), why: reason };
    let made = asking.ask(&mut tx, worn, command).await?;
    once.made(&mut tx, who.id(), made).await?;
    let view = shown(&mut tx, made).await?;
    tx.commit().await?;
    send_soon(&api);
    Ok(view)
}

#[derive(Deserialize, ToSchema)]
pub(super) struct ListenIn {
    /// The telephone that the terminal calls.
    number: Words<30>,
    reason: Words<500>,
}

/// Has the terminal in an open emergency call a number and let it hear what its microphone hears
///
/// Where the settings allow it. Who, why and to which number is written down, and stands in the timeline.
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/listen-in", tag = "commands",
    params(IdempotencyKey),
    request_body = ListenIn,
    responses((status = 201, body = CommandView), Conflict, Unprocessable),
    security(("session" = ["answer"])),
)]
pub(super) async fn listen_in(
    State(api): State<Api>,
    who: May<Answer>,
    At(id): At<Uuid>,
    Creating { told: ListenIn { number, reason }, once }: Creating<ListenIn>,
) -> Result<(StatusCode, Json<CommandView>), ApiError> {
    let incident = IncidentId(id);
    let number = telephone("number", number)?;
    let mut tx = api.begin().await?;
    let case = commands::lock_case(&mut tx, incident, &who.scope).await?.ok_or(ApiError::NotFound("incident"))?;
    if let Some(made) = once.made_before(&mut tx, who.id()).await? {
        return shown(&mut tx, made).await;
    }
    if !api.config().allow_listen_in {
        return Err(Refusal::ListenInOff.into());
    }
    if !case.is_emergency {
        return Err(Refusal::NoEmergency.into());
    }
    let worn = commands::worn_in(&mut tx, incident).await?.ok_or(Refusal::NoTerminal)?;
    let asking = Asking { by: who.id(), what: "listened_in", incident: Some(incident), why: Some(reason) };
    let made = asking.ask(&mut tx, worn, Command::ListenIn { number }).await?;
    once.made(&mut tx, who.id(), made).await?;
    let view = shown(&mut tx, made).await?;
    tx.commit().await?;
    send_soon(&api);
    Ok(view)
}

/// What was asked of a resident's terminals, and what came of it
#[utoipa::path(
    get, path = "/api/v1/residents/{id}/commands", tag = "commands",
    responses((status = 200, body = CommandsView)),
    security(("session" = ["see"])),
)]
pub(super) async fn of_resident(
    State(api): State<Api>,
    who: May<See>,
    At(id): At<Uuid>,
) -> Result<Json<CommandsView>, ApiError> {
    let mut moment = api.moment().await?;
    require(&mut moment, id, &who.scope).await?;
    let commands = commands::list(&mut moment, Of::Resident(id)).await?;
    Ok(Json(CommandsView { commands, may_listen_in: api.config().allow_listen_in }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct TellingResident {
    command: Wish,
    /// Which of their terminals; none: the one that was heard last.
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<200>)]
    serial: Option<Words<200>>,
    /// Must be said where it is asked where somebody is.
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<500>)]
    reason: Option<Words<500>>,
}

/// Has a resident's terminal told to do something although nothing has happened
///
/// It is written down who asked, and why.
#[utoipa::path(
    post, path = "/api/v1/residents/{id}/commands", tag = "commands",
    params(IdempotencyKey),
    request_body = TellingResident,
    responses((status = 201, body = CommandView), Conflict, Unprocessable),
    security(("session" = ["answer"])),
)]
pub(super) async fn tell_resident(
    State(api): State<Api>,
    who: May<Answer>,
    At(id): At<Uuid>,
    Creating { told: TellingResident { command, serial, reason }, once }: Creating<TellingResident>,
) -> Result<(StatusCode, Json<CommandView>), ApiError> {
    let command = command.read()?;
    if reason.is_none() && matches!(command, Command::Locate | Command::Burst { .. }) {
        let why = "whoever asks where somebody is says why".to_owned();
        return Err(ApiError::BadField { field: "reason", why });
    }
    let mut tx = api.begin().await?;
    require(&mut tx, id, &who.scope).await?;
    if let Some(made) = once.made_before(&mut tx, who.id()).await? {
        return shown(&mut tx, made).await;
    }
    let worn = worn_by(&mut tx, id, serial).await?;
    let asking = Asking { by: who.id(), what: "told_terminal", incident: None, why: reason };
    let made = asking.ask(&mut tx, worn, command).await?;
    once.made(&mut tx, who.id(), made).await?;
    let view = shown(&mut tx, made).await?;
    tx.commit().await?;
    send_soon(&api);
    Ok(view)
}

#[derive(Deserialize, ToSchema)]
pub(super) struct SettingUp {
    setting: Setting,
    /// Which of their terminals; none: the one that was heard last.
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(schema_with = maybe_words_schema::<200>)]
    serial: Option<Words<200>>,
}

/// Sets up a resident's terminal
///
/// It is written down who did.
#[utoipa::path(
    post, path = "/api/v1/residents/{id}/set-up", tag = "commands",
    params(IdempotencyKey),
    request_body = SettingUp,
    responses((status = 201, body = CommandView), Conflict, Unprocessable),
    security(("session" = ["administer"])),
)]
pub(super) async fn set_up(
    State(api): State<Api>,
    who: May<Administer>,
    At(id): At<Uuid>,
    Creating { told: SettingUp { setting, serial }, once }: Creating<SettingUp>,
) -> Result<(StatusCode, Json<CommandView>), ApiError> {
    let command = setting.read()?;
    let mut tx = api.begin().await?;
    require(&mut tx, id, &who.scope).await?;
    if let Some(made) = once.made_before(&mut tx, who.id()).await? {
        return shown(&mut tx, made).await;
    }
    let worn = worn_by(&mut tx, id, serial).await?;
    let asking = Asking { by: who.id(), what: "told_terminal", incident: None, why: None };
    let made = asking.ask(&mut tx, worn, command).await?;
    once.made(&mut tx, who.id(), made).await?;
    let view = shown(&mut tx, made).await?;
    tx.commit().await?;
    send_soon(&api);
    Ok(view)
}

/// Takes a command back that is not over
///
/// What has left may be done all the same.
#[utoipa::path(
    post, path = "/api/v1/commands/{id}/cancel", tag = "commands",
    responses((status = 200, body = CommandView), Conflict),
    security(("session" = ["answer"])),
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    who: May<Answer>,
    At(id): At<Uuid>,
) -> Result<Json<CommandView>, ApiError> {
    let mut tx = api.begin().await?;
    let cancelled = commands::cancel(&mut tx, id, &who.scope).await?.ok_or(ApiError::NotFound("command"))?;
    if !cancelled {
        return Err(Refusal::CommandOver.into());
    }
    let (_, view) = shown(&mut tx, id).await?;
    tx.commit().await?;
    api.desk().live.nudge();
    Ok(view)
}

/// What somebody asks for, as it is written down.
struct Asking {
    by: UserId,
    /// The word in the audit trail.
    what: &'static str,
    incident: Option<IncidentId>,
    why: Option<Words<500>>,
}

impl Asking {
    /// Puts the command into the queue, into the audit trail, and, in a case, into its timeline.
    async fn ask(self, tx: &mut PgConnection, worn: Worn, command: Command) -> Result<Uuid, ApiError> {
        let Self { by, what, incident, why } = self;
        let why = why.map(Words::into_inner);
        let now = facts::now(tx).await?;
        let told = command.word();
        let wanted = Wanted {
            terminal: worn.terminal,
            resident: worn.resident,
            incident,
            command,
            by: Some(by),
            why: why.clone(),
        };
        let id = commands::ask(tx, wanted, now).await?.ok_or(Refusal::TooMany)?;
        audit::told_terminal(tx, (by, what), (incident, worn.resident), (id, why.as_deref())).await?;
        if let Some(incident) = incident {
            let data = json!({ "command": id, "do": told, "why": why });
            timeline::append(tx, incident, now, &[Line { what, who: Some(by.0), data }]).await?;
        }
        Ok(id)
    }
}

async fn worn_by(tx: &mut PgConnection, resident: Uuid, serial: Option<Words<200>>) -> Result<Worn, ApiError> {
    let serial = serial.map(Words::into_inner);
    Ok(commands::worn_by(tx, resident, serial.as_deref()).await?.ok_or(Refusal::NoTerminal)?)
}

async fn shown(tx: &mut PgConnection, id: Uuid) -> Result<(StatusCode, Json<CommandView>), ApiError> {
    let view = commands::list(tx, Of::One(id)).await?.pop().ok_or(ApiError::NotFound("command"))?;
    Ok((StatusCode::CREATED, Json(view)))
}

async fn require(conn: &mut PgConnection, resident: Uuid, scope: &Scope) -> Result<(), ApiError> {
    if residents::exists(conn, resident, scope).await? { Ok(()) } else { Err(ApiError::NotFound("resident")) }
}

fn send_soon(api: &Api) {
    api.desk().unsent.notify_waiters();
    api.desk().live.nudge();
}
