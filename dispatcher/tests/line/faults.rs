//! What happens inside the dispatcher when something is wrong: rows, decisions, far ends, clocks.

use std::sync::Arc;
use std::time::Duration;

use crate::district::District;
use async_trait::async_trait;
use dispatcher::desk::Desk;
use dispatcher::outbox::Terminals;
use dispatcher::store::outbox::{self, Attempt, Channel, Message, Still, Tried};
use dispatcher::store::watch::{self, Jump};
use dispatcher::watchdog;
use domain::id::{IncidentId, OfferId};
use domain::incident::{Authority, Input};
use domain::press::AlertKind;
use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection as _, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wire::command::{Carried, Order};
use wire::notice::Notice;
use wire::report::Event;

const SOS: Event = Event::Alert { kind: AlertKind::Sos };

/// Nobody wears a terminal that could be told anything.
pub(crate) struct NoTerminals;

#[async_trait]
impl Terminals for NoTerminals {
    async fn tell(&self, _: Notice) -> Result<(), String> {
        Err("there is no gateway here".into())
    }

    async fn order(&self, _: Order) -> Result<Carried, String> {
        Ok(Carried::Away)
    }
}

/// Runs the dispatcher until `is_so` finds what it waits for, at most 20 seconds.
pub(crate) async fn run_until(district: &District, what: &str, is_so: &'static str) {
    let stop = CancellationToken::new();
    let running =
        tokio::spawn(dispatcher::start::run(district.desk.clone(), Arc::new(NoTerminals), None, stop.clone()));
    wait_for(&district.desk_pool, what, is_so).await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

/// Waits until `is_so` finds what it waits for, at most 20 seconds.
pub(crate) async fn wait_for(pool: &PgPool, what: &str, is_so: &'static str) {
    let waiting = async {
        while !sqlx::query_scalar::<_, bool>(is_so).fetch_one(pool).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), waiting).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

pub(crate) async fn execute(district: &District, statement: &'static str) {
    sqlx::query(statement).execute(&district.desk_pool).await.unwrap();
}

#[sqlx::test(migrations = "./migrations")]
async fn one_bad_row_never_holds_up_anothers_press(pool: PgPool) {
    let district = District::new(pool).await;
    // No terminal can have such a serial; it stands for whatever makes a row impossible.
    let bad = District::report("P\0", SOS, 1);
    let good = [District::report("P1", SOS, 1), District::report("P2", SOS, 1)];
    let receipts = district.desk.take(&[good[0].clone(), bad, good[1].clone()]).await.unwrap();
    let receipted: Vec<_> = receipts.iter().map(|receipt| receipt.report).collect();
    assert_eq!(receipted, [good[0].id, good[1].id]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_decision_that_fails_twice_becomes_the_operators_and_is_tried_again(pool: PgPool) {
    let district = District::new(pool).await;
    district.press("P1", 1).await;
    execute(&district, "update incident set kinds = '{nonsense}'").await;
    run_until(
        &district,
        "an operator decides",
        "select operator_decides and ring_level = 'supervisors' and wake_at > clock_timestamp() from incident",
    )
    .await;
    let said: i64 = sqlx::query_scalar("select count(*) from incident_entry where what = 'operator_decides'")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    assert!(said > 0);

    // Whatever was wrong is mended: the next try, half a minute later, decides.
    execute(&district, "update incident set kinds = '{sos}', wake_at = clock_timestamp()").await;
    run_until(
        &district,
        "the decision is made after all",
        "select presses_answered = 1 and not operator_decides from incident",
    )
    .await;
}

#[sqlx::test(migrations = "./migrations")]
async fn a_days_outage_never_sends_yesterdays_ambulance(pool: PgPool) {
    let district = District::new(pool).await;
    let incident = district.press("P1", 1).await;
    district.desk.apply(incident, Input::Wake).await.unwrap();
    execute(&district, "update outbox set not_after = clock_timestamp() - interval '1 day'").await;
    run_until(
        &district,
        "120 is telephoned instead",
        "select h.state = 'failed' and h.voice = 'due' and o.state = 'expired'
         from handover h join outbox o on o.about = h.id",
    )
    .await;
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_no_longer_wanted_is_not_sent(pool: PgPool) {
    let district = District::new(pool).await;
    let incident = district.press("P1", 1).await;
    let asked = district.desk.apply(incident, Input::Wake).await.unwrap();
    let first = asked.offers[0].id;
    district.desk.apply(incident, Input::Decline { offer: first, reason: "busy".into() }).await.unwrap();
    district.desk.apply(incident, Input::Wake).await.unwrap();
    let mut conn = district.desk_pool.acquire().await.unwrap();
    let leased = outbox::lease(&mut conn, Channel::Responder, 64).await.unwrap();
    let ask = |offer: OfferId| leased.iter().find(|message| message.about == Some(offer.0) && message.what == "ask");
    let second: uuid::Uuid =
        sqlx::query_scalar("select id from offer where state = 'asked'").fetch_one(&mut *conn).await.unwrap();
    let (withdrawn, wanted) = (ask(first).unwrap().id, ask(OfferId(second)).unwrap().id);
    let still = outbox::still(&mut conn, &[withdrawn, wanted]).await.unwrap();
    assert_eq!([still[&withdrawn], still[&wanted]], [Still::Withdrawn, Still::Wanted]);
}

#[sqlx::test(migrations = "./migrations")]
async fn order_is_kept_for_each_target_and_a_deaf_one_holds_up_no_other(pool: PgPool) {
    let district = District::new(pool).await;
    let incident = district.press("P1", 1).await;
    district.desk.apply(incident, Input::Wake).await.unwrap();
    let claim = Input::Claim { by: district.operator, authority: Authority::Operator };
    district.desk.apply(incident, claim).await.unwrap();
    let mut conn = district.desk_pool.acquire().await.unwrap();
    let leased = lease_all(&mut conn).await;
    let words = |messages: &[Message]| messages.iter().map(|message| message.what.clone()).collect::<Vec<_>>();
    // "claimed" waits behind "received", which goes to the same terminal.
    assert_eq!(words(&leased), ["ask", "help", "received"]);
    assert!(lease_all(&mut conn).await.is_empty(), "leased messages are nobody else's");
    let received = leased.iter().find(|message| message.channel == Channel::Terminal).unwrap();
    let later = Attempt::HandedOn(SignedDuration::from_secs(60));
    let told = Tried { id: received.id, attempt: later, said: "told".into() };
    outbox::record(&mut conn, &[told]).await.unwrap();
    assert_eq!(words(&lease_all(&mut conn).await), ["claimed"]);
}

async fn lease_all(conn: &mut sqlx::PgConnection) -> Vec<Message> {
    let mut leased = Vec::new();
    for channel in Channel::ALL {
        leased.extend(outbox::lease(conn, channel, 64).await.unwrap());
    }
    leased
}

/// When a case is due, when its wearer's ring, its offer, its hand-over are, and its messages: when first, and until when.
async fn deadlines(district: &District) -> Vec<Timestamp> {
    let sql = "select array[i.wake_at, i.ring_next_at, h.acknowledge_by, o.answer_by,
            (select min(next_try_at) from outbox), (select min(not_after) from outbox)]
         from incident i, offer o, handover h";
    let read: Vec<jiff_sqlx::Timestamp> = sqlx::query_scalar(sql).fetch_one(&district.desk_pool).await.unwrap();
    read.into_iter().map(jiff_sqlx::Timestamp::to_jiff).collect()
}

#[sqlx::test(migrations = "./migrations")]
async fn deadlines_move_with_a_clock_that_jumps(pool: PgPool) {
    let district = District::new(pool).await;
    let incident = district.press("P1", 1).await;
    district.desk.apply(incident, Input::Wake).await.unwrap();
    let mut conn = district.desk_pool.acquire().await.unwrap();
    // All of it was written by the old clock.
    let mut shift = async |by| watch::shift_deadlines(&mut conn, Jump { by, shows: Timestamp::MAX }).await.unwrap();
    for by in [SignedDuration::from_hours(1), SignedDuration::from_hours(-2)] {
        let before = deadlines(&district).await;
        shift(by).await;
        let after = deadlines(&district).await;
        assert!(after[0] <= before[0], "the case itself is looked at sooner, never later: {before:?}, {after:?}");
        for (before, after) in before.into_iter().zip(after).skip(1) {
            assert_eq!(after, before + by);
        }
    }

    // When somebody said that they would be there moves too: whether they are late is reckoned by it.
    shift(SignedDuration::from_hours(1)).await;
    let offer: Uuid = sqlx::query_scalar("select id from offer").fetch_one(&district.desk_pool).await.unwrap();
    district.desk.apply(incident, Input::Accept { offer: OfferId(offer), minutes: 5 }).await.unwrap();
    let promised = async || -> jiff_sqlx::Timestamp {
        sqlx::query_scalar("select expected_at from offer").fetch_one(&district.desk_pool).await.unwrap()
    };
    let before = promised().await;
    shift(SignedDuration::from_hours(1)).await;
    assert_eq!(promised().await.to_jiff(), before.to_jiff() + SignedDuration::from_hours(1));
}

#[sqlx::test(migrations = "./migrations")]
async fn what_the_new_clock_wrote_before_its_jump_was_noticed_is_never_late_and_no_call_for_help_expires(pool: PgPool) {
    let district = District::new(pool).await;
    let shows: jiff_sqlx::Timestamp =
        sqlx::query_scalar("select clock_timestamp()").fetch_one(&district.desk_pool).await.unwrap();
    let incident = district.press("P1", 1).await;
    district.desk.apply(incident, Input::Wake).await.unwrap();
    let mut conn = district.desk_pool.acquire().await.unwrap();
    for by in [SignedDuration::from_hours(1), SignedDuration::from_hours(-2)] {
        let before = deadlines(&district).await;
        watch::shift_deadlines(&mut conn, Jump { by, shows: shows.to_jiff() }).await.unwrap();
        let after = deadlines(&district).await;
        for (before, after) in before.iter().zip(&after) {
            assert!(after <= before, "{by}: {before} became {after}");
        }
        assert_eq!(before[3..], after[3..], "{by}: the offer and the messages are what they were");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_dispatcher_that_stands_still_holds_up_no_press_for_long(pool: PgPool) {
    let district = District::new(pool.clone()).await;
    let incident = district.press("P1", 1).await;
    let stuck = dispatcher::start::connect(pool.connect_options().as_ref().clone(), 1);
    let mut locked = dispatcher::store::begin(&stuck).await.unwrap();
    sqlx::query("select from incident for update").execute(&mut *locked).await.unwrap();
    let pressing = tokio::time::timeout(Duration::from_mins(2), district.press("P1", 2));
    assert_eq!(pressing.await.expect("the press is taken in"), incident);
    assert!(locked.commit().await.is_err(), "whoever stood still has lost its transaction");
}

#[sqlx::test(migrations = "./migrations")]
async fn each_urgent_connection_rehearses_a_press_and_nothing_is_left_of_it(pool: PgPool) {
    let connect = |count| dispatcher::start::connect_urgent(pool.connect_options().as_ref().clone(), count);
    let (presses, decisions) = (connect(2), connect(1));
    let empty = Desk::new(pool.clone(), Arc::default()).with_urgent(presses.clone(), decisions.clone());
    assert_eq!(empty.rehearse().await, 0, "nobody wears a terminal");
    let district = District::new(pool.clone()).await;
    let desk = district.desk.clone().with_urgent(presses, decisions);
    assert_eq!(desk.rehearse().await, 3);
    let left: i64 = sqlx::query_scalar(
        "select (select count(*) from incident) + (select count(*) from report) + (select count(*) from outbox)
            + (select count(*) from offer) + (select count(*) from test_press)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(left, 0);
}

#[sqlx::test(migrations = "./migrations")]
async fn whoever_answers_for_what_may_wait_gives_way_as_a_process_and_as_a_session(pool: PgPool) {
    let aside = dispatcher::start::connect_aside(pool.connect_options().as_ref().clone(), 1, true);
    let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&aside).await.unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{backend}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    assert_eq!(fields[16], "10", "{stat}");
    // Where the kernel has no such thing there is no such file.
    if let Ok(session) = std::fs::read_to_string(format!("/proc/{backend}/autogroup")) {
        assert!(session.trim_end().ends_with("nice 10"), "{session}");
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn of_dispatchers_side_by_side_one_moves_deadlines_until_it_has_gone(pool: PgPool) {
    let mut first = pool.acquire().await.unwrap().detach();
    let mut second = pool.acquire().await.unwrap();
    assert!(watch::take_the_clock(&mut first).await.unwrap());
    assert!(!watch::take_the_clock(&mut second).await.unwrap());
    first.close().await.unwrap();
    let taking = async { while !watch::take_the_clock(&mut second).await.unwrap() {} };
    tokio::time::timeout(Duration::from_mins(2), taking).await.expect("the clock is free once its holder has gone");
}

#[sqlx::test(migrations = "./migrations")]
async fn the_directory_is_told_as_it_changes_and_anew_to_a_stranger(pool: PgPool) {
    let district = District::new(pool).await;
    let all = district.desk.directory_since(None).await.unwrap();
    assert!(all.from.is_none() && all.upserts.iter().any(|terminal| &*terminal.serial == "P1"));
    // While an older transaction runs, anywhere in the cluster, a change is told again.
    let mut quiet = district.desk.directory_since(Some(all.to)).await.unwrap();
    while quiet.tells_something() {
        quiet = district.desk.directory_since(Some(quiet.to)).await.unwrap();
    }
    let desk = district.desk.clone();
    let asking = tokio::spawn(async move {
        let mut known = quiet.to;
        loop {
            let told = desk.directory_since(Some(known)).await.unwrap();
            assert_eq!(told.from, Some(known));
            if told.tells_something() {
                return told;
            }
            known = told.to;
        }
    });
    execute(&district, "update terminal set revoked_at = now() where serial = 'P1'").await;
    let told = tokio::time::timeout(Duration::from_mins(2), asking).await.expect("nothing is told").unwrap();
    assert_eq!((told.removed, told.upserts.len()), (vec!["P1".to_owned()], 0));
    // A version that never was here is of another database.
    let anew = district.desk.directory_since(Some(i64::MAX)).await.unwrap();
    assert_eq!((anew.from, anew.upserts.len()), (None, all.upserts.len() - 1));
}

#[sqlx::test(migrations = "./migrations")]
async fn an_open_incident_cannot_be_without_a_deadline(pool: PgPool) {
    let district = District::new(pool).await;
    let _: IncidentId = district.press("P1", 1).await;
    let refused = sqlx::query("update incident set wake_at = null").execute(&district.desk_pool).await;
    assert!(refused.unwrap_err().to_string().contains("incident_check"));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_database_that_could_lose_a_commit_is_refused(pool: PgPool) {
    dispatcher::start::prepare(&pool).await.unwrap();
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(&pool).await.unwrap();
    let statement = format!("alter database \"{name}\" set synchronous_commit = off");
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    let options = (*pool.connect_options()).clone();
    let careless = dispatcher::start::connect(options, 1);
    let refused = dispatcher::start::prepare(&careless).await.unwrap_err();
    assert!(refused.to_string().contains("synchronous_commit"), "{refused}");
}

#[sqlx::test(migrations = "./migrations")]
async fn the_watchdog_finds_an_incident_that_has_fallen_silent(pool: PgPool) {
    let district = District::new(pool).await;
    let incident = district.press("P1", 1).await;
    district.desk.apply(incident, Input::Wake).await.unwrap();
    assert_eq!(watchdog::hold_against_invariants(&district.desk).await.unwrap(), 0);
    execute(&district, "update incident set ring_level = 'none', ring_next_at = null").await;
    assert_eq!(watchdog::hold_against_invariants(&district.desk).await.unwrap(), 1);
}
