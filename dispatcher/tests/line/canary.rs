//! The canary: its press goes the whole line, wakes nobody, and is missed when it does not come.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use axum::routing::post;
use dispatcher::access::{Grant, GrantedNode, Role, Scope, See};
use dispatcher::canary::{NotAcknowledged, Press, Presser};
use dispatcher::config::{CanaryConfig, Config};
use dispatcher::desk::Desk;
use dispatcher::outbox::Terminals;
use dispatcher::store::page::Page;
use dispatcher::store::{canary, views, vitals};
use domain::id::IncidentId;
use domain::incident::Input;
use domain::press::AlertKind;
use parking_lot::Mutex;
use serde_json::Value;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wire::command::{Carried, Order};
use wire::notice::Notice;
use wire::report::Event;

use crate::district::District;

const SOON: Duration = Duration::from_mins(2);

/// Nobody hears anything.
struct NoTerminals;

#[async_trait]
impl Terminals for NoTerminals {
    async fn tell(&self, _: Notice) -> Result<(), String> {
        Err("nobody is there".into())
    }

    async fn order(&self, _: Order) -> Result<Carried, String> {
        Ok(Carried::Away)
    }
}

/// A front door of which only the far end is there, and which may be shut.
struct Door {
    desk: Mutex<Option<Desk>>,
}

#[async_trait]
impl Presser for Door {
    async fn press(&self, press: &Press) -> Result<(), NotAcknowledged> {
        let Some(desk) = self.desk.lock().clone() else { return Err(NotAcknowledged("the door is shut".into())) };
        let mut report = District::report(press.serial, Event::Alert { kind: AlertKind::Sos }, press.seq);
        report.stamp.boot = Some(press.boot);
        desk.take(&[report]).await.map(drop).map_err(|cause| NotAcknowledged(cause.to_string()))
    }
}

fn config(missing_after: Duration) -> Config {
    Config { canary: Some(CanaryConfig { every: Duration::from_millis(50), missing_after }), ..Config::default() }
}

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrations = "./migrations")]
async fn a_canarys_press_goes_the_whole_line_and_wakes_nobody(pool: PgPool) {
    let district = District::with(pool, config(Duration::from_hours(1))).await;
    let desk = district.desk.clone();
    let door = Arc::new(Door { desk: Mutex::new(Some(desk.clone())) });
    let mut fares = desk.canary();
    let stop = CancellationToken::new();
    let running = tokio::spawn(dispatcher::start::run(desk.clone(), Arc::new(NoTerminals), Some(door), stop.clone()));
    let seen = fares.wait_for(|canary| canary.as_ref().is_some_and(|canary| canary.seen_at.is_some()));
    let canary = tokio::time::timeout(SOON, seen).await.unwrap().unwrap().clone().unwrap();
    assert!(!canary.missing && canary.seen_ms >= canary.acknowledged_ms, "{canary:?}");
    stop.cancel();
    running.await.unwrap().unwrap();

    let pool = &district.desk_pool;
    assert!(count(pool, "select count(*) from incident where canary and drill and outcome = 'test'").await >= 1);
    for nothing in [
        "select count(*) from offer",
        "select count(*) from handover",
        "select count(*) from outbox",
        "select count(*) from contact_told",
        "select count(*) from incident_entry where what = 'rung'",
    ] {
        assert_eq!(count(pool, nothing).await, 0, "{nothing}");
    }
    let mut conn = pool.acquire().await.unwrap();
    let root: uuid::Uuid = sqlx::query_scalar("select root_node()").fetch_one(&mut *conn).await.unwrap();
    let grant = Grant { role: Role::Supervisor, node: GrantedNode { id: root, name: String::new() } };
    let scope = Scope::of::<See>(&[grant]).unwrap();
    assert_eq!(views::open(&mut conn, &scope).await.unwrap(), []);
    let closed = views::closed(&mut conn, &scope, Page { after: None, limit: 10 }).await.unwrap().unwrap();
    assert_eq!(closed.things, []);
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar("select id from incident").fetch_all(&mut *conn).await.unwrap();
    assert!(views::in_scope(&mut conn, &ids, &scope).await.unwrap().is_empty(), "nor does the stream tell of it");
    // One may have been pressed when everything stopped; whoever starts next decides it.
    for id in ids {
        district.desk.apply(IncidentId(id), Input::Wake).await.unwrap();
    }
    let vitals = vitals::take(&mut conn).await.unwrap();
    assert_eq!((vitals.open, vitals.unclaimed, vitals.ringing), (0, 0, 0));

    // A day later nothing is left of it; nobody else's timeline goes.
    let real = district.press("P1", 1).await;
    sqlx::query("update incident set closed_at = closed_at - interval '25 h' where canary")
        .execute(pool)
        .await
        .unwrap();
    canary::forget(&mut conn, Duration::from_hours(24), 1_000).await.unwrap();
    let left: Vec<uuid::Uuid> = sqlx::query_scalar("select id from incident").fetch_all(&mut *conn).await.unwrap();
    assert_eq!(left, [real.0]);
    let cut = sqlx::query("delete from incident_entry").execute(&mut *conn).await.unwrap_err();
    assert!(cut.to_string().contains("append-only"), "{cut}");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_missing_canary_is_told_to_consoles_and_to_the_alarm_hook(pool: PgPool) {
    let (heard, mut hears) = mpsc::unbounded_channel::<Value>();
    let take = |State(heard): State<mpsc::UnboundedSender<Value>>, Json(told): Json<Value>| async move {
        heard.send(told).unwrap();
    };
    let hook = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", hook.local_addr().unwrap());
    let router = axum::Router::new().route("/", post(take)).with_state(heard);
    tokio::spawn(async move { axum::serve(hook, router).await });

    let config = Config { alarm_hook: Some(url), ..config(Duration::from_secs(2)) };
    let district = District::with(pool, config).await;
    let desk = district.desk.clone();
    let door = Arc::new(Door { desk: Mutex::new(None) });
    let mut fares = desk.canary();
    let stop = CancellationToken::new();
    let running = tokio::spawn(dispatcher::start::run(
        desk.clone(),
        Arc::new(NoTerminals),
        Some(Arc::clone(&door) as Arc<dyn Presser>),
        stop.clone(),
    ));
    let is = |missing: bool| {
        move |canary: &Option<_>| {
            canary.as_ref().is_some_and(|canary: &dispatcher::canary::Canary| canary.missing == missing)
        }
    };
    tokio::time::timeout(SOON, fares.wait_for(is(true))).await.unwrap().unwrap();
    let told = tokio::time::timeout(SOON, hears.recv()).await.unwrap().unwrap();
    assert_eq!(told["alarm"], "canary_missing");
    assert!(told["text"].as_str().unwrap().contains("链路自检"), "{told}");
    // The door opens: it is heard again, and nobody is told twice of the same silence.
    *door.desk.lock() = Some(desk.clone());
    tokio::time::timeout(SOON, fares.wait_for(is(false))).await.unwrap().unwrap();
    assert!(hears.try_recv().is_err());
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[sqlx::test(migrations = "./migrations")]
async fn nobody_who_only_says_so_is_the_canary(pool: PgPool) {
    let district = District::new(pool).await;
    let mut conn = district.desk_pool.acquire().await.unwrap();
    canary::provision(&mut conn, &[1; 32]).await.unwrap();
    let mut report = District::report("canary", Event::Alert { kind: AlertKind::Sos }, 1);
    report.authenticated = false;
    district.desk.take(&[report]).await.unwrap();
    assert_eq!(count(&district.desk_pool, "select count(*) from incident where not canary and not drill").await, 1);
}
