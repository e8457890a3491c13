//! Streams of server-sent events: how one follows the database, for as long as the reader is there.
//!
//! A stream is pulled: nothing is read ahead of what the reader takes, so a slow one costs nothing. While
//! the database is away the stream stays open, says that it is alive, and then goes on from its cursor.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};
use tokio::time::{sleep, timeout};
use utoipa::IntoParams;
use uuid::Uuid;
use wire::report::Unstored;

use super::Api;
use super::caller::{Caller, May};
use super::errors::{ApiError, Problem};
use super::health::Follower;
use super::input::Asked;
use crate::access::{Scope, See, TakeOver};
use crate::store::live::{self, Cursor, Resumption};
use crate::store::outages::Calling;
use crate::store::users::Touch;
use crate::store::{StoreError, views};

/// What happens in other processes is noticed within this time.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Changes that come thick and fast are read together.
const PAUSE: Duration = Duration::from_millis(50);
/// How many events are read at once.
const BATCH_MAX: i64 = 500;
/// Silence that a reader may take for a dead connection is never longer than this.
const ALIVE_EVERY: Duration = Duration::from_secs(10);
/// How often an open stream says that its console is connected.
const TOUCH_EVERY: Duration = Duration::from_secs(15);
/// The same after a failure: when the database comes back, who is there must be known to be there
/// before anybody counts as gone.
const TOUCH_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How long a read may take before the stream takes the database for away.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// A stream as it is answered.
pub(super) type Answer = Sse<KeepAliveStream<BoxStream<'static, Result<Event, Infallible>>>>;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    after: Option<String>,
}

/// A stream of what changes
///
/// Server-sent events: `hello` with the cursor, `incident` with a summary whenever one changes, `unstored` for an
/// alert that could not be stored, `canary` for how the press of our own fares, and, to supervisors, `outages` with those
/// that go on and that nobody has acknowledged. `after`, or the header `Last-Event-ID`, resumes where another stream ended.
#[utoipa::path(
    get, path = "/api/v1/live", tag = "incidents",
    params(After),
    responses(
        (status = 200, content_type = "text/event-stream", body = String),
        (status = 410, body = Problem, description = "It cannot be resumed there"),
    ),
    security(("session" = ["see"])),
)]
pub(super) async fn follow(
    State(api): State<Api>,
    who: May<See>,
    headers: HeaderMap,
    Asked(After { after }): Asked<After>,
) -> Result<Answer, ApiError> {
    let follower = api.counters().follower()?;
    // A browser that reconnects by itself repeats the first address, but knows better by now.
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let from = last.filter(|id| !id.is_empty()).or(after).map(|text| text.parse::<Cursor>());
    let reader =
        Reader::start(api.clone(), who.scope.clone(), from.transpose().map_err(|_| ApiError::CursorGone)?).await?;

    // Before anything else, so that the console knows: what it held as "not stored" is told anew.
    let hello = event("hello", &Hello { cursor: reader.cursor }).id(reader.cursor.to_string());
    let news = stream::select(reader.into_stream(), Alerts::start(&api).into_stream());
    let news = stream::select(news, canary(&api));
    // Who may take a case over is who is called for an outage.
    let oversees = Scope::of::<TakeOver>(&who.caller.user.grants);
    let news = match oversees {
        Some(scope) => stream::select(news, outages(&api, scope)).boxed(),
        None => news.boxed(),
    };
    let stream = stream::once(async { hello }).chain(news);
    Ok(answer(&api, stream, Some(who.caller), follower))
}

#[derive(Serialize)]
struct Hello {
    cursor: Cursor,
}

/// A stream that ends when the process or the session does, and keeps the session alive until then.
pub(super) fn answer(
    api: &Api,
    stream: impl Stream<Item = Event> + Send + 'static,
    session: Option<Caller>,
    follower: Follower,
) -> Answer {
    let over = over(api.clone(), session);
    let stream = stream.take_until(Box::pin(over)).map(move |event| {
        // Counted for as long as the stream lives.
        let _ = &follower;
        Ok(event)
    });
    Sse::new(stream.boxed()).keep_alive(KeepAlive::new().interval(ALIVE_EVERY).text("alive"))
}

/// Ends when nobody may listen any longer, or to something else than before.
async fn over(api: Api, session: Option<Caller>) {
    let touching = async {
        let Some(caller) = session else { return std::future::pending().await };
        let mut wait = TOUCH_EVERY;
        loop {
            sleep(wait).await;
            wait = match api.confirmed_session(caller.token, Touch::Seen).await {
                Ok(Some(session)) if session.user.grants == caller.user.grants => TOUCH_EVERY,
                Ok(_) => return,
                Err(_) => TOUCH_AGAIN_AFTER,
            };
        }
    };
    tokio::select! {
        () = api.stop().cancelled() => {}
        () = touching => {}
    }
}

/// An event with its data. What we send can be written as JSON; if not, it is an empty object.
pub(super) fn event(name: &str, data: &impl Serialize) -> Event {
    Event::default().event(name).data(serde_json::to_string(data).unwrap_or_else(|_| "{}".into()))
}

/// Waits for news from this process, or until it is time to look for others'.
pub(super) async fn wait_for_news(changes: &mut watch::Receiver<u64>, look_every: Duration) {
    match timeout(look_every, changes.changed()).await {
        Ok(Ok(())) => {
            sleep(PAUSE).await;
            changes.mark_unchanged();
        }
        // Nobody is left to tell anything.
        Ok(Err(_)) => sleep(look_every).await,
        Err(_) => {}
    }
}

/// How the canary fares: now, and whenever that changes.
fn canary(api: &Api) -> impl Stream<Item = Event> + Send + use<> {
    let mut fares = api.desk().live.canary();
    fares.mark_changed();
    stream::unfold(fares, |mut fares| async move {
        loop {
            // Nobody is left to tell anything: the stream ends by itself.
            fares.changed().await.ok()?;
            let canary = fares.borrow_and_update().clone();
            if let Some(canary) = canary {
                return Some((event("canary", &canary), fares));
            }
        }
    })
}

/// The outages in a scope that go on and that nobody has acknowledged: now, and whenever that changes.
fn outages(api: &Api, scope: Scope) -> impl Stream<Item = Event> + Send + use<> {
    let mut calling = api.desk().live.outages();
    calling.mark_changed();
    // A stream that begins has told of none.
    stream::unfold((calling, scope, Vec::<Calling>::new()), |(mut calling, scope, told)| async move {
        loop {
            calling.changed().await.ok()?;
            let is_seen = |one: &&Calling| one.nodes.iter().any(|node| scope.nodes().contains(node));
            let seen: Vec<Calling> = calling.borrow_and_update().iter().filter(is_seen).cloned().collect();
            if told != seen {
                return Some((event("outages", &seen), (calling, scope, seen)));
            }
        }
    })
}

/// One console's place in the stream of changes.
struct Reader {
    api: Api,
    /// What lies outside of it is passed over.
    scope: Scope,
    cursor: Cursor,
    /// Whether it is known that nothing after the cursor was deleted.
    checked: bool,
    changes: watch::Receiver<u64>,
    read: VecDeque<(Cursor, std::sync::Arc<str>)>,
}

impl Reader {
    /// Starts after `from`, or at the present end. With the database away it believes `from` for now.
    async fn start(api: Api, scope: Scope, from: Option<Cursor>) -> Result<Self, ApiError> {
        // Listen before looking, so that nothing falls between.
        let changes = api.desk().live.changes();
        let at = async {
            let mut moment = api.moment().await?;
            let Some(from) = from else { return Ok((live::head(&mut moment).await?, Resumption::Possible)) };
            Ok((from, live::resumption(&mut moment, from).await?))
        };
        let (cursor, checked) = match (at.await, from) {
            (Ok((_, Resumption::Gone)), _) => return Err(ApiError::CursorGone),
            (Ok((cursor, Resumption::Possible)), _) => (cursor, true),
            (Err(ApiError::Unavailable(_)), Some(from)) => (from, false),
            (Err(error), _) => return Err(error),
        };
        Ok(Self { api, scope, cursor, checked, changes, read: VecDeque::new() })
    }

    fn into_stream(self) -> impl Stream<Item = Event> + Send {
        stream::unfold(self, |mut reader| async move { Some((reader.next().await?, reader)) })
    }

    /// The next event; `None` when the stream cannot go on from here.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((cursor, summary)) = self.read.pop_front() {
                return Some(Event::default().event("incident").id(cursor.to_string()).data(&*summary));
            }
            let count = match timeout(READ_WITHIN, self.read_on()).await {
                Ok(Ok(Some(count))) => count,
                Ok(Ok(None)) => return None,
                Ok(Err(cause)) => {
                    tracing::debug!(%cause, "a stream waits for the database");
                    0
                }
                Err(_) => 0,
            };
            if count == 0 {
                wait_for_news(&mut self.changes, LOOK_EVERY).await;
            }
        }
    }

    /// Reads what comes after the cursor, with the state of each incident in the same moment.
    async fn read_on(&mut self) -> Result<Option<usize>, StoreError> {
        let _turn = self.api.reader_permit().await;
        let mut moment = self.api.desk().glimpse().await?;
        if !self.checked {
            if live::resumption(&mut moment, self.cursor).await? == Resumption::Gone {
                return Ok(None);
            }
            self.checked = true;
        }
        let events = live::after(&mut moment, self.cursor, BATCH_MAX).await?;
        let Some(last) = events.last() else { return Ok(Some(0)) };
        let mut ids: Vec<Uuid> = events.iter().map(|event| event.incident.0).collect();
        ids.sort_unstable();
        ids.dedup();
        let seen: Vec<Uuid> = views::in_scope(&mut moment, &ids, &self.scope).await?.into_iter().collect();
        let summaries: HashMap<Uuid, std::sync::Arc<str>> = views::summaries(&mut moment, &seen)
            .await?
            .into_iter()
            .filter_map(|(id, summary)| Some((id, serde_json::to_string(&summary).ok()?.into())))
            .collect();
        self.read =
            events.iter().filter_map(|event| Some((event.cursor, summaries.get(&event.incident.0)?.clone()))).collect();
        self.cursor = last.cursor;
        Ok(Some(events.len()))
    }
}

/// The alerts that are not stored, as one console was told of them.
struct Alerts {
    api: Api,
    /// What this console holds as ringing.
    told: BTreeMap<Uuid, Unstored>,
    untold: VecDeque<Unstored>,
    news: broadcast::Receiver<Unstored>,
}

impl Alerts {
    fn start(api: &Api) -> Self {
        let (list, news) = api.desk().live.unstored();
        Self { api: api.clone(), told: BTreeMap::new(), untold: list.into(), news }
    }

    fn into_stream(self) -> impl Stream<Item = Event> + Send {
        stream::unfold(self, |mut alerts| async move {
            let alert = alerts.next().await?;
            Some((event("unstored", &alert), alerts))
        })
    }

    async fn next(&mut self) -> Option<Unstored> {
        loop {
            if let Some(alert) = self.untold.pop_front() {
                if alert.stored {
                    self.told.remove(&alert.id);
                } else {
                    self.told.insert(alert.id, alert.clone());
                }
                return Some(alert);
            }
            match self.news.recv().await {
                Ok(alert) => self.untold.push_back(alert),
                Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up(),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// Too much at once: compares what this console was told with what is so.
    fn catch_up(&mut self) {
        let (list, news) = self.api.desk().live.unstored();
        self.news = news;
        let stored = self.told.values().filter(|told| list.iter().all(|alert| alert.id != told.id));
        self.untold = stored.map(|told| Unstored { stored: true, ..told.clone() }).collect();
        self.untold.extend(list);
    }
}
