//! Taken in, decided, sent: as it should be.

use std::sync::Arc;

use crate::district::District;
use async_trait::async_trait;
use dispatcher::desk::DeskError;
use dispatcher::outbox::Terminals;
use dispatcher::store::timeline;
use domain::id::{IncidentId, OfferId, UserId};
use domain::incident::{Authority, Centre, HandoverState, Input, OfferState, Origin};
use domain::press::AlertKind;
use parking_lot::Mutex;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use wire::command::{Carried, Order};
use wire::directory::Dialect;
use wire::notice::{News, Notice};
use wire::receipt::Outcome;
use wire::report::{Event, Fix, Report, Stamp};

const SOS: Event = Event::Alert { kind: AlertKind::Sos };

#[sqlx::test(migrations = "./migrations")]
async fn a_press_opens_one_incident_and_every_further_press_is_appended(pool: PgPool) {
    let district = District::new(pool).await;
    let first = district.take_one(District::report("P1", SOS, 1)).await;
    let second = district.take_one(District::report("P1", SOS, 2)).await;
    let (Outcome::Committed { incident: Some(first) }, Outcome::Committed { incident: Some(second) }) = (first, second)
    else {
        panic!("both presses are committed");
    };
    assert_eq!(first, second);
    let (presses, entries): (i32, i32) = sqlx::query_as("select presses, entries from incident where id = $1")
        .bind(first)
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    assert_eq!((presses, entries), (2, 2));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_press_does_not_wait_for_whoever_stores_a_position_of_its_terminal(pool: PgPool) {
    let district = District::new(pool).await;
    let mut storing = dispatcher::store::begin(&district.desk_pool).await.unwrap();
    sqlx::query(
        "select from terminal_state where terminal_id = (select id from terminal where serial = 'P1') for update",
    )
    .execute(&mut *storing)
    .await
    .unwrap();
    let pressed = Report { fixes: vec![District::fix()], ..District::report("P1", SOS, 1) };
    let Outcome::Committed { incident: Some(incident) } = district.take_one(pressed.clone()).await else {
        panic!("the press is committed");
    };
    let placed: bool = sqlx::query_scalar("select place is not null from incident where id = $1")
        .bind(incident)
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    assert!(placed, "the case knows where it came from");
    let fixes = || async {
        let fixes: i64 = sqlx::query_scalar(
            "select count(*) from fix join terminal_state s using (terminal_id) where s.place is not null",
        )
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
        fixes
    };
    assert_eq!(fixes().await, 0, "somebody else has the row");
    storing.commit().await.unwrap();
    let follows = async {
        while fixes().await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(2), follows).await.unwrap();
    // Sent again it is the same press, and tells of the same position once.
    district.take_one(pressed).await;
    assert_eq!(fixes().await, 1);
    let opened: i64 = sqlx::query_scalar("select count(*) from incident").fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(opened, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_press_that_proves_nothing_rings_as_its_wearers_and_calls_no_ambulance_by_itself(pool: PgPool) {
    let district = District::new(pool).await;
    let report = Report { authenticated: false, dialect: Dialect::Watch, ..District::report("P1", SOS, 1) };
    let Outcome::Committed { incident: Some(incident) } = district.take_one(report).await else {
        panic!("the press is committed");
    };
    let opened = "select i.subject_kind, r.name, i.origin from incident i join resident r on r.id = i.resident_id
        where i.id = $1";
    let opened: (String, String, String) =
        sqlx::query_as(opened).bind(incident).fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(opened, ("resident".into(), "陈秀英".into(), "unproved".into()));
    let decided = district.desk.apply(IncidentId(incident), Input::Wake).await.unwrap();
    let [proposed] = &decided.handovers[..] else { panic!("{:?}", decided.handovers) };
    assert_eq!((proposed.centre, &proposed.state), (Centre::Ambulance, &HandoverState::Proposed));
    assert_eq!(decided.offers.len(), 1, "the nearest is asked");
    let left = "select count(*) from outbox where channel = 'centre'";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(left, 0, "120 hears nothing");

    // The same wearer presses what proves who it is.
    district.press("P1", 2).await;
    let decided = district.desk.apply(IncidentId(incident), Input::Wake).await.unwrap();
    assert_eq!((decided.origin, decided.handovers[0].id), (Origin::Listed, proposed.id));
    assert!(decided.handovers[0].state.is_live(), "what was proposed is called: {:?}", decided.handovers);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_name_that_is_only_claimed_is_as_good_as_none(pool: PgPool) {
    let district = District::new(pool).await;
    // A pager has a secret, and whoever speaks in its name showed none.
    district.take_one(Report { authenticated: false, ..District::report("P1", SOS, 1) }).await;
    // A watch that nobody wears.
    sqlx::query("delete from terminal_assignment where terminal_id = (select id from terminal where serial = 'P2')")
        .execute(&district.desk_pool)
        .await
        .unwrap();
    let unworn = Report { authenticated: false, dialect: Dialect::Watch, ..District::report("P2", SOS, 1) };
    district.take_one(unworn).await;
    let origins: Vec<String> = sqlx::query_scalar("select origin from incident order by opened_at")
        .fetch_all(&district.desk_pool)
        .await
        .unwrap();
    assert_eq!(origins, ["unlisted", "unlisted"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_same_press_handed_over_again_is_answered_and_not_doubled(pool: PgPool) {
    let district = District::new(pool).await;
    let report = District::report("P1", SOS, 1);
    district.take_one(report.clone()).await;
    // The edge hands the very same message over again …
    assert!(matches!(district.take_one(report.clone()).await, Outcome::Committed { incident: Some(_) }));
    // … and the terminal repeats it over a new connection, so that it has a new id.
    let mut again = District::report("P1", SOS, 1);
    again.raw.clone_from(&report.raw);
    let outcome = district.take_one(again).await;
    assert!(matches!(outcome, Outcome::Same { as_report, incident: Some(_) } if as_report == report.id));
    let presses: i32 = sqlx::query_scalar("select presses from incident").fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(presses, 1);
}

#[sqlx::test(migrations = "./migrations")]
async fn repeating_does_not_stretch_the_time_in_which_two_presses_are_one(pool: PgPool) {
    let district = District::new(pool).await;
    // A dialect without counters, nine minutes apart: the second repeats the first, the third is new.
    let outcomes = [18, 9, 0].map(|minutes_ago| {
        let mut report = District::report("P1", SOS, 1);
        report.stamp = Stamp::default();
        report.received_at -= jiff::SignedDuration::from_mins(minutes_ago);
        district.take_one(report)
    });
    let [first, second, third] = outcomes;
    assert!(matches!(first.await, Outcome::Committed { .. }));
    assert!(matches!(second.await, Outcome::Same { .. }));
    assert!(matches!(third.await, Outcome::Committed { .. }));
}

#[sqlx::test(migrations = "./migrations")]
async fn presses_of_one_batch_are_all_counted_and_repetitions_in_it_are_not(pool: PgPool) {
    let district = District::new(pool).await;
    let one = District::report("P1", SOS, 1);
    let mut copy = District::report("P1", SOS, 1);
    copy.raw.clone_from(&one.raw);
    let batch = vec![one, copy, District::report("P1", SOS, 2), District::report("P2", SOS, 1)];
    let receipts = district.desk.take(&batch).await.unwrap();
    assert_eq!(receipts.len(), 4);
    let presses: Vec<i32> = sqlx::query_scalar("select presses from incident order by presses")
        .fetch_all(&district.desk_pool)
        .await
        .unwrap();
    assert_eq!(presses, [1, 2]);
}

#[sqlx::test(migrations = "./migrations")]
async fn nothing_doubtful_keeps_a_press_out(pool: PgPool) {
    let district = District::new(pool).await;
    let mut odd = District::report("P1", SOS, 1);
    odd.stamp.device_at = Some(jiff::Timestamp::MIN);
    odd.fixes = vec![
        Fix { lat_deg: 0.0, lon_deg: 0.0, ..District::fix() },
        Fix { lat_deg: 912.0, lon_deg: f64::NAN, accuracy_m: Some(f64::INFINITY), ..District::fix() },
    ];
    district.take_one(odd).await;
    let mut nul = District::report("P2", Event::Unreadable { why: "a \0 byte".into() }, 1);
    nul.topic = "ydt/1/P2/alert\0".into();
    nul.raw = vec![0, 255, 0];
    district.take_one(nul).await;
    let stranger = District::report("NOBODY", SOS, 1);
    district.take_one(stranger).await;
    let rows: Vec<(String, String, Option<String>)> = sqlx::query_as(
        "select subject_kind, origin,
            (select string_agg(d->>'doubt', ',' order by d->>'doubt') from jsonb_array_elements(doubts) d)
         from incident order by opened_at",
    )
    .fetch_all(&district.desk_pool)
    .await
    .unwrap();
    let rows: Vec<(&str, &str, Option<&str>)> =
        rows.iter().map(|(kind, origin, doubts)| (kind.as_str(), origin.as_str(), doubts.as_deref())).collect();
    assert_eq!(
        rows,
        [
            ("resident", "listed", Some("fix_at_zero,fix_out_of_range")),
            ("resident", "listed", None),
            ("source", "unlisted", Some("unknown_terminal")),
        ]
    );
}

#[sqlx::test(migrations = "./migrations")]
async fn several_alarms_in_one_message_are_one_press_of_all_their_kinds(pool: PgPool) {
    let district = District::new(pool).await;
    let alarm = |kind| Event::Alert { kind };
    let low = alarm(AlertKind::LowBattery);
    let fell = Report { also: vec![SOS, low.clone()], ..District::report("P1", alarm(AlertKind::Fall), 1) };
    let Outcome::Committed { incident: Some(incident) } = district.take_one(fell.clone()).await else {
        panic!("the press is committed");
    };
    // The same message come again, and another with one kind more.
    let again = Report { id: dispatcher::clock::fresh_id(), ..fell };
    assert!(matches!(district.take_one(again).await, Outcome::Same { .. }));
    district.take_one(Report { also: vec![low, SOS], ..District::report("P1", alarm(AlertKind::Smoke), 2) }).await;
    let rows: Vec<(String, Vec<String>, i32)> =
        sqlx::query_as("select class, array(select unnest(kinds) order by 1), presses from incident")
            .fetch_all(&district.desk_pool)
            .await
            .unwrap();
    let kinds = ["fall", "low_battery", "smoke", "sos"].map(str::to_owned).to_vec();
    assert_eq!(rows, [("emergency".into(), kinds, 2)]);
    let decided = district.desk.apply(IncidentId(incident), Input::Wake).await.unwrap();
    let centres: Vec<Centre> = decided.handovers.iter().map(|handover| handover.centre).collect();
    assert_eq!(centres, [Centre::Ambulance, Centre::Fire]);
    let also: Vec<serde_json::Value> =
        sqlx::query_scalar("select data -> 'also' from incident_entry where what = 'pressed' order by seq")
            .fetch_all(&district.desk_pool)
            .await
            .unwrap();
    assert_eq!(also, [serde_json::json!(["sos", "low_battery"]), serde_json::json!(["low_battery", "sos"])]);
}

#[sqlx::test(migrations = "./migrations")]
async fn what_a_message_asks_for_besides_its_alarm_is_heard_too(pool: PgPool) {
    let district = District::new(pool).await;
    let meal = Event::Request { category: "meal".into() };
    let report = Report { also: vec![meal, Event::Cancel], ..District::report("P1", SOS, 1) };
    district.take_one(report).await;
    let rows: Vec<(String, bool)> = sqlx::query_as("select class, cancelled from incident order by class")
        .fetch_all(&district.desk_pool)
        .await
        .unwrap();
    assert_eq!(rows, [("emergency".into(), true), ("service".into(), false)]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_decision_asks_the_nearest_calls_120_and_tells_the_wearer(pool: PgPool) {
    let district = District::new(pool).await;
    let incident = district.press("P1", 1).await;
    let decided = district.desk.apply(incident, Input::Wake).await.unwrap();
    assert_eq!(decided.offers[0].responder, district.near);
    let outbox: Vec<(String, String)> =
        sqlx::query_as("select channel, what from outbox order by id").fetch_all(&district.desk_pool).await.unwrap();
    let outbox: Vec<(&str, &str)> = outbox.iter().map(|(channel, what)| (channel.as_str(), what.as_str())).collect();
    assert_eq!(outbox, [("centre", "help"), ("responder", "ask"), ("terminal", "received")]);
}

#[sqlx::test(migrations = "./migrations")]
async fn one_responder_wanted_by_many_incidents_at_once_is_asked_once(pool: PgPool) {
    let district = District::new(pool).await;
    let mut incidents = Vec::new();
    for serial in ["P1", "P2", "P3", "P4"] {
        incidents.push(district.press(serial, 1).await);
    }
    let deciding = incidents.iter().map(|incident| district.desk.apply(*incident, Input::Wake));
    let decided = futures_util::future::join_all(deciding).await;
    let mut asked: Vec<_> = decided
        .iter()
        .filter_map(|incident| incident.as_ref().unwrap().offers.first().map(|offer| offer.responder))
        .collect();
    asked.sort_unstable();
    let before = asked.len();
    asked.dedup();
    assert_eq!((before, asked.len()), (2, 2), "two responders, four incidents");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_responder_engaged_elsewhere_cannot_say_a_late_yes(pool: PgPool) {
    let district = District::new(pool).await;
    let first = district.press("P1", 1).await;
    let offer = district.desk.apply(first, Input::Wake).await.unwrap().offers[0].id;
    sqlx::query("update offer set answer_by = clock_timestamp() - interval '1 s'")
        .execute(&district.desk_pool)
        .await
        .unwrap();
    let silent = district.desk.apply(first, Input::Wake).await.unwrap();
    assert_eq!(silent.offers[0].state, OfferState::Silent);
    let second = district.press("P2", 1).await;
    let other = district.desk.apply(second, Input::Wake).await.unwrap();
    assert_eq!(other.offers[0].responder, district.near);
    let late = district.desk.apply(first, Input::Accept { offer, minutes: 3 }).await;
    assert!(matches!(late, Err(DeskError::ResponderBusy)), "{late:?}");
}

#[sqlx::test(migrations = "./migrations")]
async fn the_timeline_is_a_chain_that_shows_every_change(pool: PgPool) {
    let district = District::new(pool).await;
    let incident = district.press("P1", 1).await;
    district.desk.apply(incident, Input::Wake).await.unwrap();
    let claim = Input::Claim { by: district.operator, authority: Authority::Operator };
    district.desk.apply(incident, claim).await.unwrap();
    let mut conn = district.desk_pool.acquire().await.unwrap();
    assert_eq!(timeline::verify(&mut conn, incident).await.unwrap(), Ok(()));

    let refused = sqlx::query("update incident_entry set data = '{}' where seq = 2").execute(&mut *conn).await;
    assert!(refused.unwrap_err().to_string().contains("append-only"));
    let refused = sqlx::query("delete from incident_entry where seq = 2").execute(&mut *conn).await;
    assert!(refused.unwrap_err().to_string().contains("append-only"));

    // Erasing a person's data beside it leaves the chain whole …
    sqlx::query("update incident_entry set data = null, salt = null where seq = 1").execute(&mut *conn).await.unwrap();
    assert_eq!(timeline::verify(&mut conn, incident).await.unwrap(), Ok(()));
    // … and somebody who gets past the trigger is found out.
    sqlx::query("alter table incident_entry disable trigger all").execute(&mut *conn).await.unwrap();
    sqlx::query("update incident_entry set data = '{\"x\": 1}' where seq = 3").execute(&mut *conn).await.unwrap();
    assert_eq!(timeline::verify(&mut conn, incident).await.unwrap(), Err(timeline::BrokenChain::Changed(3)));
    sqlx::query("delete from incident_entry where seq = 3").execute(&mut *conn).await.unwrap();
    assert_eq!(timeline::verify(&mut conn, incident).await.unwrap(), Err(timeline::BrokenChain::Missing(3)));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_wearers_cancel_is_seen_and_closes_nothing(pool: PgPool) {
    let district = District::new(pool).await;
    let incident = district.press("P1", 1).await;
    district.take_one(District::report("P1", Event::Cancel, 2)).await;
    let (cancelled, is_open): (bool, bool) =
        sqlx::query_as("select cancelled, closed_at is null from incident where id = $1")
            .bind(incident.0)
            .fetch_one(&district.desk_pool)
            .await
            .unwrap();
    assert!(cancelled && is_open);
}

#[sqlx::test(migrations = "./migrations")]
async fn the_line_runs_by_itself_from_press_to_the_wearers_notice(pool: PgPool) {
    let district = District::new(pool).await;
    let stop = CancellationToken::new();
    let pager = Arc::new(Pager::default());
    let running = tokio::spawn(dispatcher::start::run(
        district.desk.clone(),
        Arc::clone(&pager) as Arc<dyn Terminals>,
        None,
        stop.clone(),
    ));
    let incident = district.press("P1", 1).await;
    pager.hears(&News::Received).await;
    let offer: uuid::Uuid = sqlx::query_scalar("select id from offer").fetch_one(&district.desk_pool).await.unwrap();
    district.desk.apply(incident, claim(district.operator)).await.unwrap();
    pager.hears(&News::Claimed).await;
    district.desk.apply(incident, Input::Accept { offer: OfferId(offer), minutes: 4 }).await.unwrap();
    pager.hears(&News::Coming { minutes: Some(4), who: "李卫".into() }).await;

    // What is not acknowledged is told again; what is, is not.
    let heard = pager.heard.lock().clone();
    let received = heard.iter().find(|notice| notice.news == News::Received).unwrap().clone();
    let claimed = heard.iter().find(|notice| notice.news == News::Claimed).unwrap().id;
    district.desk.acknowledge(&[claimed]).await.unwrap();
    // What was on its way meanwhile has arrived by then.
    pager.hears_again(received.id).await;
    let told = pager.told(claimed);
    pager.hears_again(received.id).await;
    assert_eq!(pager.told(claimed), told);

    // No data link to 120 is set up here, so somebody has to telephone.
    let voice: String = sqlx::query_scalar("select voice from handover").fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(voice, "due");
    stop.cancel();
    running.await.unwrap().unwrap();
}

fn claim(by: UserId) -> Input {
    Input::Claim { by, authority: Authority::Operator }
}

/// A gateway with one pager behind it, that hears everything and acknowledges nothing.
#[derive(Default)]
struct Pager {
    heard: Mutex<Vec<Notice>>,
    news: tokio::sync::Notify,
}

impl Pager {
    async fn until(&self, what: &str, is_so: impl Fn(&[Notice]) -> bool) {
        let waiting = async {
            loop {
                let news = self.news.notified();
                if is_so(&self.heard.lock()) {
                    return;
                }
                news.await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(2), waiting)
            .await
            .unwrap_or_else(|_| panic!("{what}: only {:?} was heard", self.heard.lock()));
    }

    async fn hears(&self, news: &News) {
        self.until(&format!("{news:?}"), |heard| heard.iter().any(|notice| notice.news == *news)).await;
    }

    fn told(&self, id: uuid::Uuid) -> usize {
        self.heard.lock().iter().filter(|notice| notice.id == id).count()
    }

    async fn hears_again(&self, id: uuid::Uuid) {
        let before = self.told(id);
        self.until("a repetition", |heard| heard.iter().filter(|notice| notice.id == id).count() > before).await;
    }
}

#[async_trait]
impl Terminals for Pager {
    async fn tell(&self, notice: Notice) -> Result<(), String> {
        self.heard.lock().push(notice);
        self.news.notify_one();
        Ok(())
    }

    async fn order(&self, _: Order) -> Result<Carried, String> {
        Ok(Carried::Away)
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_telemetry_fix_is_filed_and_becomes_the_place(pool: PgPool) {
    let district = District::new(pool).await;
    let mut telemetry = District::telemetry("P1");
    telemetry.fixes = vec![District::fix()];
    telemetry.stamp = Stamp::default();
    district.take_one(telemetry).await;
    let incident: IncidentId = district.press("P1", 1).await;
    let (source, fixes): (String, i64) =
        sqlx::query_as("select source, (select count(*) from fix) from incident_place where incident_id = $1")
            .bind(incident.0)
            .fetch_one(&district.desk_pool)
            .await
            .unwrap();
    assert_eq!((source.as_str(), fixes), ("gnss", 1));
}
