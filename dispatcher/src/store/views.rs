//! Incidents as they are shown: the summary in a list and the detail of a card, with the names of
//! everybody concerned. What they say about urgency, headline and tasks is `domain`'s.
//!
//! Call these in one [`super::moment`], so that state and cursor belong together.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::aftercare::{Aftercare, Course, Progress, Standing, Step, Why};
use domain::id::IncidentId;
use domain::incident::{
    Class, ClosedBy, Closure, Handover, HandoverState, Incident, MedicalRisk, Policy, Priority, Reason, Signs, Task,
    Voice,
};
use domain::word::Word;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::aftercare::{self, CallView};
use super::fences::{self, FenceView};
use super::ladders::{self, GridOfficer};
use super::live::{self, Cursor};
use super::page::{Page, Paged};
use super::site::{self, WorkView};
use super::{StoreError, incidents};
use crate::access::Scope;

/// More open incidents than anybody can look at; the most urgent are within.
const OPEN_MAX: i64 = 5_000;
/// How many lines of a timeline a card shows: the last ones. A stuck key can write thousands.
const ENTRIES_MAX: u16 = 1_000;

/// Somebody by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Person {
    /// Their identity.
    pub id: Uuid,
    /// Their name.
    pub name: String,
}

/// Whom an incident is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Subject {
    /// `resident`, `terminal`, `source` or `caller`.
    pub kind: String,
    /// What tells it from others of its kind.
    pub id: String,
    /// The resident's name.
    pub name: Option<String>,
    /// Where they are served.
    pub community: Option<String>,
    /// What sort of resident: living alone, disabled …
    pub category: Option<String>,
}

/// One hand-over in a summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HandoverView {
    /// Its identity.
    pub id: Uuid,
    /// `120`, `119`, `110`.
    pub centre: &'static str,
    /// Where it stands; `proposed` while a person has to decide whether it is called, `by_voice` when somebody telephoned
    /// because the data link did not do.
    pub state: &'static str,
    /// Somebody has to telephone now.
    pub voice_due: bool,
    /// The centre's own number for the case.
    pub reference: Option<String>,
    /// Minutes until the vehicle is expected.
    pub minutes: Option<u16>,
    /// Why it was refused or stood down.
    pub reason: Option<String>,
}

/// How an incident ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClosedView {
    /// The word for it.
    pub outcome: &'static str,
    /// When.
    pub at: Timestamp,
    /// Who says so; nobody, with an empty name, when it closed by itself.
    pub by: Person,
    /// By which rule it closed by itself: `returned`, who wandered off was back for long enough.
    pub rule: Option<&'static str>,
}

/// What a category is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CategoryName {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// What the person who was helped said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RatingView {
    /// From 1 to 5.
    pub stars: i16,
    /// Who says so: `resident` or `contact`.
    pub given_by: String,
    /// What is complained of.
    pub complaint: Option<String>,
    /// In words.
    pub comment: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What is still to be done after the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AftercareView {
    /// By when somebody has to call back; none: it is done, or will not be.
    pub follow_up_by: Option<Timestamp>,
    /// By when somebody has to say how it was; none: it is done, or will not be.
    pub rate_by: Option<Timestamp>,
    /// How often nobody answered.
    pub tries: u32,
    /// Since when neither is due.
    pub finished_at: Option<Timestamp>,
}

impl From<&Aftercare> for AftercareView {
    fn from(aftercare: &Aftercare) -> Self {
        let due = |standing| match standing {
            Standing::Due { by } => Some(by),
            Standing::Done { .. } | Standing::Waived { .. } => None,
        };
        Self {
            follow_up_by: due(aftercare.follow_up),
            rate_by: due(aftercare.rating),
            tries: aftercare.tries,
            finished_at: aftercare.finished_at(),
        }
    }
}

/// A step on the way of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StepView {
    /// `notified`, `dispatched`, `handled`, `followed_up`, `rated`.
    pub step: &'static str,
    /// `taken`, `due`, `ahead`, `waived`.
    pub progress: &'static str,
    /// When it was taken.
    pub at: Option<Timestamp>,
    /// By when it is due.
    pub due_by: Option<Timestamp>,
    /// Why it was waived; none: nobody was needed.
    pub why: Option<&'static str>,
}

impl From<(Step, Progress)> for StepView {
    fn from((step, progress): (Step, Progress)) -> Self {
        let (progress, at, due_by, why) = match progress {
            Progress::Taken { at } => ("taken", Some(at), None, None),
            Progress::Due { by } => ("due", None, Some(by), None),
            Progress::Ahead => ("ahead", None, None, None),
            Progress::Waived { why } => ("waived", None, None, why.map(Why::as_str)),
        };
        Self { step: step.as_str(), progress, at, due_by, why }
    }
}

/// Why an incident stands where it does among others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PriorityView {
    /// The weightiest first: `silent`, `medical_risk`, `pressed_often`, `grave_kind`, `pressed_again`, `old`, `child`.
    pub reasons: Vec<&'static str>,
    /// Where it will stand if nothing happens before; none: where it does.
    pub next: Option<NextPriorityView>,
}

/// Where an incident will stand if nothing happens before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NextPriorityView {
    /// From then on.
    pub at: Timestamp,
    /// Higher comes first.
    pub urgency: i32,
    /// As above.
    pub reasons: Vec<&'static str>,
}

impl PriorityView {
    fn of(incident: &Incident, signs: &Signs, priority: &Priority) -> Self {
        let words = |priority: &Priority| priority.reasons.iter().copied().map(Reason::as_str).collect();
        let next = priority.rises_at.map(|at| {
            let then = incident.priority(&Signs { now: at, ..*signs });
            NextPriorityView { at, urgency: then.urgency, reasons: words(&then) }
        });
        Self { reasons: words(priority), next }
    }
}

/// An incident in a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Summary {
    /// Its identity.
    pub id: Uuid,
    /// `emergency`, `service`, `wandering`, `welfare`.
    pub class: &'static str,
    /// Everything that was raised in it.
    pub kinds: Vec<&'static str>,
    /// What daily help is wanted, in a service incident: the word for it, or what was said instead.
    pub category: Option<String>,
    /// What that is called, once it is known.
    pub category_name: Option<CategoryName>,
    /// What a person reads first.
    pub headline: &'static str,
    /// Higher comes first.
    pub urgency: i32,
    /// Why, beside its class and who has it.
    pub priority: PriorityView,
    /// Who is rung.
    pub ring: &'static str,
    /// Whom it is about.
    pub subject: Subject,
    /// The terminal that pressed last.
    pub serial: Option<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was last pressed.
    pub last_press_at: Timestamp,
    /// How many presses it holds.
    pub presses: u32,
    /// Whose it is.
    pub claimed_by: Option<Person>,
    /// Which centres have it.
    pub handovers: Vec<HandoverView>,
    /// What is doubtful about the last press: `wire::report::Doubt`.
    pub doubts: Value,
    /// An exercise.
    pub drill: bool,
    /// What only a person can do now.
    pub tasks: Vec<String>,
    /// When it closes by itself, because who wandered off is back and nobody has a hand in it.
    pub closes_at: Option<Timestamp>,
    /// How it ended.
    pub closed: Option<ClosedView>,
    /// What the person who was helped said of it.
    pub rating: Option<RatingView>,
    /// What is still to be done after the end, once it is closed.
    pub aftercare: Option<AftercareView>,
    /// Where the stream stands after the last change of it.
    #[schema(value_type = String)]
    pub cursor: Cursor,
}

/// Where the person is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PlaceView {
    /// Degrees, WGS-84.
    pub lat: f64,
    /// Degrees, WGS-84.
    pub lon: f64,
    /// Radius in metres, when known.
    pub accuracy_m: Option<f64>,
    /// How long ago they were there; 0 for a home, which does not age.
    pub age_s: i64,
    /// How it was come by.
    pub source: String,
    /// When we had it; none for a home.
    pub at: Option<Timestamp>,
}

impl PlaceView {
    pub(super) fn new(
        (lat, lon): (Option<f64>, Option<f64>),
        accuracy_m: Option<f64>,
        source: Option<String>,
        at: Option<jiff_sqlx::Timestamp>,
        now: Timestamp,
    ) -> Option<Self> {
        let at = at.map(jiff_sqlx::Timestamp::to_jiff);
        Some(Self {
            lat: lat?,
            lon: lon?,
            accuracy_m,
            age_s: at.map_or(0, |at| now.duration_since(at).as_secs().max(0)),
            source: source.unwrap_or_else(|| "unknown".into()),
            at,
        })
    }
}

/// Somebody to telephone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ContactView {
    /// Name.
    pub name: String,
    /// Son, neighbour …
    pub relation: String,
    /// Telephone.
    pub phone: String,
}

/// The terminal that pressed last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TerminalView {
    /// Its serial.
    pub serial: String,
    /// Its model.
    pub model: String,
    /// 0–100.
    pub battery_pct: Option<i16>,
    /// When anything was last heard of it.
    pub last_heard_at: Option<Timestamp>,
}

/// One question to one responder.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OfferView {
    /// Its identity.
    pub id: Uuid,
    /// Who was asked.
    pub responder: Uuid,
    /// Their name.
    pub name: String,
    /// Their company's name.
    pub provider: String,
    /// Their telephone.
    pub phone: String,
    /// Where it stands.
    pub state: String,
    /// When they were asked.
    pub asked_at: Timestamp,
    /// Until when they had to answer.
    pub answer_by: Timestamp,
    /// Minutes until they are expected.
    pub minutes: Option<u16>,
    /// Why they declined.
    pub reason: Option<String>,
    /// How far away they were when asked.
    pub distance_m: Option<f64>,
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EntryView {
    /// Its number in the incident, from 1.
    pub seq: i32,
    /// When.
    pub at: Timestamp,
    /// The word for it.
    pub what: String,
    /// Whose doing it was.
    pub who: Option<Person>,
    /// The rest, with names beside ids; null once it was erased.
    pub data: Option<Value>,
    /// Its place in the chain, in hexadecimal.
    pub hash: String,
}

/// News to the wearer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NoticeView {
    /// Its identity.
    pub id: Uuid,
    /// `wire::notice::News`.
    pub news: Value,
    /// How far it has come.
    pub state: String,
    /// When it was written.
    pub at: Timestamp,
}

/// A letter to a contact.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MessageView {
    /// Its identity.
    pub id: Uuid,
    /// The contact's name.
    pub to: String,
    /// Son, neighbour …; nothing when they are no contact any more.
    pub relation: Option<String>,
    /// `email`, `webhook` or `sms`.
    pub by: String,
    /// `alert` or `all_clear`.
    pub what: String,
    /// How far it has come.
    pub state: String,
    /// When it was written.
    pub at: Timestamp,
    /// What the far end said, to each attempt.
    pub answers: Vec<AnswerView>,
}

/// What a far end said to one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AnswerView {
    /// When.
    pub at: Timestamp,
    /// Whether it has the message.
    pub taken: bool,
    /// In its own words.
    pub answer: String,
}

/// Everything that a card shows.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Detail {
    /// What the list shows.
    #[serde(flatten)]
    pub summary: Summary,
    /// Where the person is.
    pub place: Option<PlaceView>,
    /// The same in words: as told for this case; else the areas around the place, when that is not at home; else the
    /// home.
    pub address: Option<String>,
    /// The home, where the person is elsewhere.
    pub home_address: Option<String>,
    /// How to get in.
    pub door_access: Option<String>,
    /// The person's telephone, else the caller's.
    pub phone: Option<String>,
    /// From where the case was told by telephone.
    pub caller_phone: Option<String>,
    /// Illnesses, medicines, allergies.
    pub medical_card: Option<String>,
    /// Year of birth.
    pub born_in: Option<i16>,
    /// As registered.
    pub sex: Option<String>,
    /// Whom to telephone, nearest first.
    pub contacts: Vec<ContactView>,
    /// Who is the grid officer there.
    pub grid_officers: Vec<GridOfficer>,
    /// The terminal that pressed last.
    pub terminal: Option<TerminalView>,
    /// Where the person should be, and whether they are.
    pub fences: Vec<FenceView>,
    /// Who was asked to go.
    pub offers: Vec<OfferView>,
    /// What was done on the spot, by everybody who accepted.
    pub work: Vec<WorkView>,
    /// The five steps, in order.
    pub steps: Vec<StepView>,
    /// Who was called after the end.
    pub calls: Vec<CallView>,
    /// What happened; the last thousand lines.
    pub timeline: Vec<EntryView>,
    /// What the wearer was told.
    pub notices: Vec<NoticeView>,
    /// What contacts were written.
    pub messages: Vec<MessageView>,
}

/// Which of `incidents` lie in a scope.
pub async fn in_scope(conn: &mut PgConnection, incidents: &[Uuid], scope: &Scope) -> Result<HashSet<Uuid>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select id from incident where id = any($1) and not canary and nodes_above(node_id, resident_id) && $2",
        incidents,
        scope.nodes(),
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().collect())
}

/// The open incidents in a scope, most urgent first: all of them, for nobody is to be overlooked on a second page.
pub async fn open(conn: &mut PgConnection, scope: &Scope) -> Result<Vec<Summary>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select id from incident where closed_at is null and not canary and nodes_above(node_id, resident_id) && $2
         order by class = 'emergency' desc, owner_id is null desc, opened_at
         limit $1",
        OPEN_MAX,
        scope.nodes(),
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut summaries: Vec<Summary> = summaries(conn, &ids).await?.into_values().collect();
    summaries.sort_by_key(|summary| (-summary.urgency, summary.opened_at, summary.id));
    Ok(summaries)
}

/// A page of the closed incidents in a scope, newest first; `None` when there is none that it could come after.
pub async fn closed(conn: &mut PgConnection, scope: &Scope, page: Page) -> Result<Option<Paged<Summary>>, StoreError> {
    let Some(after) = page.after else { return closed_after(conn, scope, (None, None), page.limit).await.map(Some) };
    let after = sqlx::query!(
        "select closed_at, id from incident
         where id = $1 and closed_at is not null and nodes_above(node_id, resident_id) && $2",
        after,
        scope.nodes(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(after) = after else { return Ok(None) };
    closed_after(conn, scope, (after.closed_at, Some(after.id)), page.limit).await.map(Some)
}

async fn closed_after(
    conn: &mut PgConnection,
    scope: &Scope,
    (at, id): (Option<jiff_sqlx::Timestamp>, Option<Uuid>),
    limit: u16,
) -> Result<Paged<Summary>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select id from incident
         where closed_at is not null and not canary and nodes_above(node_id, resident_id) && $2
            and ($3::timestamptz is null or (closed_at, id) < ($3, $4::uuid))
         order by closed_at desc, id desc
         limit $1",
        i64::from(limit) + 1,
        scope.nodes(),
        at,
        id,
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids = Paged::of(ids, limit, |id| *id);
    let mut summaries = summaries(conn, &ids.things).await?;
    let things = ids.things.iter().filter_map(|id| summaries.remove(id)).collect();
    Ok(Paged { things, next: ids.next })
}

/// What surrounds an incident in a summary.
struct About {
    subject: Subject,
    category: Option<String>,
    category_name: Option<CategoryName>,
    rating: Option<RatingView>,
    serial: Option<String>,
    last_press_at: Timestamp,
    doubts: Value,
    owner: Option<Person>,
    closer: Option<Person>,
    signs: Signs,
}

/// Summaries by incident; ids that lead nowhere are left out.
pub async fn summaries(conn: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Summary>, StoreError> {
    let mut abouts = abouts(conn, ids).await?;
    let references = references(conn, ids).await?;
    let aftercares = aftercare::read(conn, ids).await?;
    let cursors: HashMap<Uuid, Cursor> =
        live::last_of(conn, ids).await?.into_iter().map(|event| (event.incident.0, event.cursor)).collect();
    Ok(incidents::read(conn, ids)
        .await?
        .into_iter()
        .filter_map(|incident| {
            let about = abouts.remove(&incident.id.0)?;
            let cursor = cursors.get(&incident.id.0).copied().unwrap_or_default();
            Some((incident.id.0, summarize(&incident, about, &references, aftercares.get(&incident.id.0), cursor)))
        })
        .collect())
}

async fn abouts(conn: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, About>, StoreError> {
    let rows = sqlx::query!(
        r#"select i.id as "id!", i.subject_kind as "subject_kind!", i.subject_key as "subject_key!", coalesce(i.service, i.category) as category,
            c.zh as "category_zh?", c.en as "category_en?", g.stars as "stars?", g.given_by as "given_by?", g.complaint, g.comment, g.at as "rated_at?",
            i.last_press_at as "last_press_at!", i.doubts as "doubts!",
            i.owner_id, owner.name as "owner_name?", i.closed_by, closer.name as "closer_name?",
            i.closed_by_responder, finisher.name as "finisher_name?",
            t.serial as "serial?", r.name as "resident_name?", r.category as "resident_category?",
            (extract(year from now())::smallint - r.born_in)::smallint as age_years,
            r.medical_risk as "medical_risk?",
            (select max(e.at) from incident_entry e
             where e.incident_id = i.id and e.what = 'spoken' and e.data ->> 'with' = 'wearer') as heard_at,
            (select c.name from org_node n join org_node c on c.id = any(n.path) and c.level = 'community'
             where n.id = i.node_id) as community,
            now() as "now!"
         from incident i
         left join app_user owner on owner.id = i.owner_id
         left join app_user closer on closer.id = i.closed_by
         left join responder finisher on finisher.id = i.closed_by_responder
         left join service_category c on c.word = i.service
         left join rating g on g.incident_id = i.id
         left join terminal t on t.id = i.terminal_id
         left join resident r on r.id = i.resident_id
         where i.id = any($1)"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    let person = |id: Option<Uuid>, name: Option<String>| Some(Person { id: id?, name: name.unwrap_or_default() });
    Ok(rows
        .into_iter()
        .map(|row| {
            let subject = Subject {
                kind: row.subject_kind,
                id: row.subject_key,
                name: row.resident_name,
                community: row.community,
                category: row.resident_category,
            };
            let about = About {
                subject,
                category: row.category,
                category_name: row.category_zh.zip(row.category_en).map(|(zh, en)| CategoryName { zh, en }),
                rating: row.stars.zip(row.rated_at).map(|(stars, at)| RatingView {
                    stars,
                    given_by: row.given_by.unwrap_or_default(),
                    complaint: row.complaint,
                    comment: row.comment,
                    at: at.to_jiff(),
                }),
                serial: row.serial,
                last_press_at: row.last_press_at.to_jiff(),
                doubts: row.doubts,
                owner: person(row.owner_id, row.owner_name),
                closer: person(row.closed_by, row.closer_name).or(person(row.closed_by_responder, row.finisher_name)),
                signs: Signs {
                    now: row.now.to_jiff(),
                    last_press_at: row.last_press_at.to_jiff(),
                    heard_at: row.heard_at.map(jiff_sqlx::Timestamp::to_jiff),
                    age_years: row.age_years,
                    medical_risk: match row.medical_risk {
                        Some(true) => MedicalRisk::Noted,
                        Some(false) | None => MedicalRisk::NotNoted,
                    },
                },
            };
            (row.id, about)
        })
        .collect())
}

/// The centres' own numbers, by hand-over.
async fn references(conn: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, String>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, reference as "reference!" from handover where incident_id = any($1) and reference is not null"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.reference)).collect())
}

fn summarize(
    incident: &Incident,
    about: About,
    references: &HashMap<Uuid, String>,
    aftercare: Option<&Aftercare>,
    cursor: Cursor,
) -> Summary {
    let aftercare = aftercare.map(AftercareView::from);
    let closed = match incident.closure {
        Closure::Open => None,
        Closure::Closed { outcome, at, by } => Some(ClosedView {
            outcome: outcome.as_str(),
            at,
            rule: (by == ClosedBy::Return).then_some("returned"),
            by: about.closer.unwrap_or(Person {
                id: match by {
                    ClosedBy::User(user) => user.0,
                    ClosedBy::Responder(responder) => responder.0,
                    ClosedBy::Canary | ClosedBy::Return => Uuid::nil(),
                },
                name: String::new(),
            }),
        }),
    };
    let mut tasks = tasks(incident);
    if let Some(aftercare) = &aftercare {
        let due = [(aftercare.follow_up_by, "follow_up"), (aftercare.rate_by, "rate")];
        tasks.extend(due.iter().filter(|(by, _)| by.is_some()).map(|(_, task)| (*task).to_owned()));
    }
    let signs = about.signs;
    let priority = incident.priority(&signs);
    Summary {
        id: incident.id.0,
        class: incident.class.as_str(),
        kinds: incident.kinds.iter().map(|kind| kind.as_str()).collect(),
        category: about.category,
        category_name: about.category_name,
        headline: incident.headline().as_str(),
        urgency: priority.urgency,
        priority: PriorityView::of(incident, &signs, &priority),
        ring: incident.ring.level().as_str(),
        subject: about.subject,
        serial: about.serial,
        opened_at: incident.opened_at,
        last_press_at: about.last_press_at,
        presses: incident.presses,
        claimed_by: about.owner,
        handovers: incident.handovers.iter().map(|handover| view(handover, references, signs.now)).collect(),
        doubts: about.doubts,
        drill: incident.drill,
        tasks,
        closes_at: incident.closes_at,
        closed,
        rating: about.rating,
        aftercare,
        cursor,
    }
}

fn view(handover: &Handover, references: &HashMap<Uuid, String>, now: Timestamp) -> HandoverView {
    let minutes = match handover.state {
        HandoverState::Dispatched { expected_at: Some(expected_at) } => Some(minutes_until(expected_at, now)),
        _ => None,
    };
    let reason = match &handover.state {
        HandoverState::Refused { reason } | HandoverState::StoodDown { reason } => Some(reason.clone()),
        _ => None,
    };
    // What the centre itself reported later counts for more than our telephone call.
    let by_voice = matches!(handover.voice, Voice::Done { .. })
        && matches!(
            handover.state,
            HandoverState::Prepared { .. }
                | HandoverState::Sent { .. }
                | HandoverState::Refused { .. }
                | HandoverState::Failed
        );
    HandoverView {
        id: handover.id.0,
        centre: handover.centre.as_str(),
        state: if by_voice { "by_voice" } else { incidents::handover_word(&handover.state) },
        voice_due: matches!(handover.voice, Voice::Due { .. }),
        reference: references.get(&handover.id.0).cloned(),
        minutes,
        reason,
    }
}

/// The words for what a person has to do; a call by voice names its centre.
fn tasks(incident: &Incident) -> Vec<String> {
    let mut words = Vec::new();
    for task in incident.tasks() {
        match task {
            Task::CallByVoice => {
                let due: BTreeSet<&str> = incident
                    .handovers
                    .iter()
                    .filter(|handover| matches!(handover.voice, Voice::Due { .. }))
                    .map(|handover| handover.centre.as_str())
                    .collect();
                words.extend(due.into_iter().map(|centre| format!("call_{centre}_by_voice")));
            }
            other => words.push(other.as_str().to_owned()),
        }
    }
    words
}

/// Whole minutes until then, rounded up; 0 when it is past.
pub(super) fn minutes_until(expected_at: Timestamp, now: Timestamp) -> u16 {
    let seconds = expected_at.duration_since(now).as_secs().max(0);
    u16::try_from((seconds + 59) / 60).unwrap_or(u16::MAX)
}

/// Everything about one incident; `None` when there is none in the scope.
pub async fn detail(conn: &mut PgConnection, id: IncidentId, scope: &Scope) -> Result<Option<Detail>, StoreError> {
    if !in_scope(conn, &[id.0], scope).await?.contains(&id.0) {
        return Ok(None);
    }
    let Some(summary) = summaries(conn, &[id.0]).await?.remove(&id.0) else { return Ok(None) };
    let row = sqlx::query!(
        r#"select
            st_y(p.place::geometry) as lat, st_x(p.place::geometry) as lon, p.accuracy_m, p.source, p.at as placed_at,
            p.address, p.home_address, i.caller_phone, i.resident_id,
            r.born_in as "born_in?", r.sex as "sex?", r.phone as "phone?",
            r.door_access as "door_access?", m.card as "card?",
            t.serial as "serial?", t.model as "model?", s.battery_pct as "battery_pct?", s.heard_at as "heard_at?",
            now() as "now!"
         from incident i
         join incident_place p on p.incident_id = i.id
         left join resident r on r.id = i.resident_id
         left join medical_card m on m.resident_id = r.id
         left join terminal t on t.id = i.terminal_id
         left join terminal_state s on s.terminal_id = t.id
         where i.id = $1"#,
        id.0
    )
    .fetch_one(&mut *conn)
    .await?;
    let now = row.now.to_jiff();
    let opened_at = summary.opened_at;
    let class = Class::parse(summary.class).unwrap_or(Class::Emergency);
    let terminal = row.serial.map(|serial| TerminalView {
        serial,
        model: row.model.unwrap_or_default(),
        battery_pct: row.battery_pct,
        last_heard_at: row.heard_at.map(jiff_sqlx::Timestamp::to_jiff),
    });
    Ok(Some(Detail {
        summary,
        place: PlaceView::new((row.lat, row.lon), row.accuracy_m, row.source, row.placed_at, now),
        address: row.address,
        home_address: row.home_address,
        door_access: row.door_access,
        phone: row.phone.or_else(|| row.caller_phone.clone()),
        caller_phone: row.caller_phone,
        medical_card: row.card,
        born_in: row.born_in,
        sex: row.sex,
        contacts: contacts(conn, row.resident_id).await?,
        grid_officers: ladders::grid_officers(conn, id.0).await?,
        terminal,
        fences: active_fences(conn, row.resident_id).await?,
        offers: offers(conn, id, class, now).await?,
        work: site::work(conn, id).await?,
        steps: steps(conn, id, opened_at).await?,
        calls: aftercare::calls(conn, id).await?,
        timeline: timeline(conn, id, None, ENTRIES_MAX).await?,
        notices: notices(conn, id).await?,
        messages: messages(conn, id).await?,
    }))
}

async fn steps(conn: &mut PgConnection, id: IncidentId, opened_at: Timestamp) -> Result<Vec<StepView>, StoreError> {
    let dispatched_at = aftercare::dispatched_at(conn, id).await?;
    let aftercare = aftercare::read(conn, &[id.0]).await?.remove(&id.0);
    let course = Course { opened_at, dispatched_at, aftercare };
    Ok(domain::aftercare::steps(&course).map(StepView::from).into())
}

async fn active_fences(conn: &mut PgConnection, resident: Option<Uuid>) -> Result<Vec<FenceView>, StoreError> {
    let Some(resident) = resident else { return Ok(Vec::new()) };
    let mut fences = fences::of_resident(conn, resident).await?;
    fences.retain(|fence| fence.active);
    Ok(fences)
}

async fn contacts(conn: &mut PgConnection, resident: Option<Uuid>) -> Result<Vec<ContactView>, StoreError> {
    let contacts = sqlx::query_as!(
        ContactView,
        "select name, relation, phone from contact where resident_id = $1 order by rank",
        resident
    )
    .fetch_all(conn)
    .await?;
    Ok(contacts)
}

async fn offers(
    conn: &mut PgConnection,
    incident: IncidentId,
    class: Class,
    now: Timestamp,
) -> Result<Vec<OfferView>, StoreError> {
    let rows = sqlx::query!(
        "select o.id, o.responder_id, r.name, p.name as provider, r.phone, o.state, o.asked_at, o.answer_by,
            o.expected_at, o.reason, o.distance_m
         from offer o
         join responder r on r.id = o.responder_id
         join provider p on p.id = r.provider_id
         where o.incident_id = $1
         order by o.ordinal",
        incident.0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| OfferView {
            id: row.id,
            responder: row.responder_id,
            name: row.name,
            provider: row.provider,
            phone: row.phone,
            state: row.state,
            asked_at: row.asked_at.to_jiff(),
            answer_by: answer_by(row.asked_at.to_jiff(), row.answer_by, class),
            minutes: row.expected_at.map(|expected_at| minutes_until(expected_at.to_jiff(), now)),
            reason: row.reason,
            distance_m: row.distance_m,
        })
        .collect())
}

/// The row keeps it only while it counts.
pub(super) fn answer_by(asked_at: Timestamp, answer_by: Option<jiff_sqlx::Timestamp>, class: Class) -> Timestamp {
    answer_by.map_or(asked_at + Policy::default().window(class), jiff_sqlx::Timestamp::to_jiff)
}

/// The last lines of an incident's timeline, or the last ones before one of them.
pub async fn timeline(
    conn: &mut PgConnection,
    incident: IncidentId,
    before: Option<i32>,
    limit: u16,
) -> Result<Vec<EntryView>, StoreError> {
    let rows = sqlx::query!(
        r#"select seq as "seq!", at as "at!", what as "what!", who_id, data, hash as "hash!"
         from (select * from incident_entry
               where incident_id = $1 and seq < coalesce($3, 2147483647) order by seq desc limit $2) latest
         order by seq"#,
        incident.0,
        i64::from(limit),
        before,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mentioned: BTreeSet<Uuid> =
        rows.iter().flat_map(|row| row.who_id.into_iter().chain(row.data.iter().flat_map(people_in))).collect();
    let names = names(conn, &mentioned.into_iter().collect::<Vec<_>>()).await?;
    Ok(rows
        .into_iter()
        .map(|row| EntryView {
            seq: row.seq,
            at: row.at.to_jiff(),
            what: row.what,
            who: row.who_id.map(|id| Person { id, name: names.get(&id).cloned().unwrap_or_default() }),
            data: row.data.map(|data| with_names(data, &names)),
            hash: hex::encode(row.hash),
        })
        .collect())
}

/// The fields of an entry that hold a user's or responder's id.
const PEOPLE: [&str; 3] = ["from", "owner", "responder"];

fn people_in(data: &Value) -> Vec<Uuid> {
    PEOPLE.iter().filter_map(|field| data.get(field)?.as_str()?.parse().ok()).collect()
}

/// Puts `from_name` beside `from`, and so on.
fn with_names(mut data: Value, names: &HashMap<Uuid, String>) -> Value {
    for field in PEOPLE {
        let name = data
            .get(field)
            .and_then(Value::as_str)
            .and_then(|id| id.parse::<Uuid>().ok())
            .and_then(|id| names.get(&id).cloned());
        if let (Some(name), Some(fields)) = (name, data.as_object_mut()) {
            fields.insert(format!("{field}_name"), Value::String(name));
        }
    }
    data
}

async fn names(conn: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, String>, StoreError> {
    let rows = sqlx::query!(
        r#"select id as "id!", name as "name!" from app_user where id = any($1)
         union all
         select id, name from responder where id = any($1)"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

async fn notices(conn: &mut PgConnection, incident: IncidentId) -> Result<Vec<NoticeView>, StoreError> {
    let rows = sqlx::query!(
        r#"select key, payload -> 'news' as news, what, state, created_at
         from outbox
         where incident_id = $1 and channel = 'terminal' and state <> 'withdrawn'
         order by id"#,
        incident.0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| NoticeView {
            id: row.key,
            news: row.news.unwrap_or(Value::String(row.what)),
            state: row.state,
            at: row.created_at.to_jiff(),
        })
        .collect())
}

/// What contacts were written, with everything that far ends said to it.
async fn messages(conn: &mut PgConnection, incident: IncidentId) -> Result<Vec<MessageView>, StoreError> {
    let rows = sqlx::query!(
        r#"select o.id, o.key, o.channel, o.what, o.state, o.created_at,
            coalesce(o.payload -> 'contact' ->> 'name', o.payload ->> 'to', '') as "to!", c.relation as "relation?"
         from outbox o
         join incident i on i.id = o.incident_id
         left join contact c on c.resident_id = i.resident_id and c.rank = o.contact_rank
         where o.incident_id = $1 and o.contact_rank is not null
         order by o.id"#,
        incident.0
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut answers: HashMap<i64, Vec<AnswerView>> = HashMap::new();
    let said =
        sqlx::query!("select outbox_id, at, state, answer from delivery where outbox_id = any($1) order by at", &ids)
            .fetch_all(conn)
            .await?;
    for row in said {
        let answer = AnswerView {
            at: row.at.to_jiff(),
            taken: matches!(&*row.state, "accepted" | "delivered" | "read"),
            answer: row.answer,
        };
        answers.entry(row.outbox_id).or_default().push(answer);
    }
    Ok(rows
        .into_iter()
        .map(|row| MessageView {
            id: row.key,
            to: row.to,
            relation: row.relation,
            by: row.channel,
            what: row.what,
            state: row.state,
            at: row.created_at.to_jiff(),
            answers: answers.remove(&row.id).unwrap_or_default(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use serde_json::json;

    #[test]
    fn minutes_are_rounded_up_and_never_negative() {
        let now = Timestamp::UNIX_EPOCH;
        let after = |seconds| minutes_until(now + SignedDuration::from_secs(seconds), now);
        assert_eq!((after(-5), after(0), after(1), after(60), after(61)), (0, 0, 1, 1, 2));
    }

    #[test]
    fn names_stand_beside_ids_and_what_is_no_id_stays_as_it_is() {
        let id = Uuid::from_u128(7);
        let names = HashMap::from([(id, "李卫".to_owned())]);
        let data = json!({ "responder": id, "from": null, "owner": "nobody", "state": "asked" });
        assert_eq!(people_in(&data), [id]);
        let expected = json!({
            "responder": id, "responder_name": "李卫", "from": null, "owner": "nobody", "state": "asked"
        });
        assert_eq!(with_names(data, &names), expected);
        assert_eq!(with_names(json!(null), &names), json!(null));
    }
}
