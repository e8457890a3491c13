//! What terminals are told to do, from the queue to their answer: by gateways that take it, do not, or say why not, and
//! terminals that answer, answer twice, or never.

use std::sync::Arc;

use async_trait::async_trait;
use dispatcher::clock;
use dispatcher::config::Config;
use dispatcher::outbox::Terminals;
use dispatcher::store::commands::{self, CommandView, Of, Wanted};
use domain::id::{IncidentId, TerminalId};
use domain::incident::{Authority, Input, Outcome};
use parking_lot::Mutex;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wire::command::{Answer, Carried, Command, Order};
use wire::notice::Notice;
use wire::report::{Event, Heard, Session};

use crate::district::District;
use crate::faults::{execute, wait_for};

/// A gateway that answers as it is told.
struct Gateway {
    said: Mutex<Result<Carried, String>>,
    orders: Mutex<Vec<Order>>,
}

impl Gateway {
    fn that_says(said: Result<Carried, String>) -> Arc<Self> {
        Arc::new(Self { said: Mutex::new(said), orders: Mutex::default() })
    }

    fn says(&self, said: Result<Carried, String>) {
        *self.said.lock() = said;
    }

    fn orders(&self) -> Vec<Order> {
        self.orders.lock().clone()
    }
}

#[async_trait]
impl Terminals for Gateway {
    async fn tell(&self, _: Notice) -> Result<(), String> {
        Ok(())
    }

    async fn order(&self, order: Order) -> Result<Carried, String> {
        self.orders.lock().push(order);
        self.said.lock().clone()
    }
}

const ANSWERS: Carried = Carried::Posted { is_answered: true };

/// A district whose commands go through a gateway.
struct Line {
    district: District,
    gateway: Arc<Gateway>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Line {
    async fn open(pool: PgPool, said: Result<Carried, String>) -> Self {
        Self::with(District::new(pool).await, said)
    }

    fn with(district: District, said: Result<Carried, String>) -> Self {
        let (gateway, stop) = (Gateway::that_says(said), CancellationToken::new());
        let run = dispatcher::start::run(district.desk.clone(), Arc::clone(&gateway) as _, None, stop.clone());
        let running = tokio::spawn(async move { run.await.unwrap() });
        Self { district, gateway, stop, running }
    }

    async fn ask(&self, command: Command) -> Uuid {
        ask(&self.district, command, None).await
    }

    async fn is(&self, what: &'static str, is_so: &'static str) {
        wait_for(&self.district.desk_pool, what, is_so).await;
    }

    async fn list(&self, of: Of) -> Vec<CommandView> {
        commands::list(&mut self.district.desk_pool.acquire().await.unwrap(), of).await.unwrap()
    }

    async fn one(&self, id: Uuid) -> CommandView {
        self.list(Of::One(id)).await.remove(0)
    }

    async fn answers(&self, number: Option<u16>, word: &str, done: Option<bool>, text: &str) {
        let answer = Answer { number, word: word.into(), done, text: text.into() };
        let mut report = District::telemetry("P1");
        report.event = Some(Event::CommandAnswered(answer));
        self.district.take_one(report).await;
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

async fn ask(district: &District, command: Command, incident: Option<IncidentId>) -> Uuid {
    try_ask(district, command, incident).await.expect("there is room")
}

async fn try_ask(district: &District, command: Command, incident: Option<IncidentId>) -> Option<Uuid> {
    let mut tx = dispatcher::store::begin(&district.desk_pool).await.unwrap();
    let terminal: i64 =
        sqlx::query_scalar("select id from terminal where serial = 'P1'").fetch_one(&mut *tx).await.unwrap();
    let wanted = Wanted {
        terminal: TerminalId(terminal),
        resident: None,
        incident,
        command,
        by: Some(district.operator),
        why: None,
    };
    let id = commands::ask(&mut tx, wanted, clock::now()).await.unwrap();
    tx.commit().await.unwrap();
    id
}

#[sqlx::test(migrations = "./migrations")]
async fn a_command_is_sent_and_done_when_the_terminal_says_so(pool: PgPool) {
    let line = Line::open(pool, Ok(ANSWERS)).await;
    let id = line.ask(Command::Locate).await;
    line.is("it is sent", "select state = 'sent' from command").await;
    let order = line.gateway.orders().remove(0);
    assert_eq!((order.id, &*order.serial, order.number, &order.command), (id, "P1", 1, &Command::Locate));
    line.answers(Some(order.number), "command", Some(true), "").await;
    let seen = line.one(id).await;
    assert_eq!((&*seen.state, seen.over, seen.confirmed), ("done", true, true));
    // Whatever is said later changes nothing.
    line.answers(Some(order.number), "command", Some(false), "no battery").await;
    assert_eq!(line.one(id).await, seen);

    let second = line.ask(Command::Find).await;
    line.is("it is sent", "select state = 'sent' from command where word = 'find'").await;
    line.answers(Some(2), "command", Some(false), "静音").await;
    let seen = line.one(second).await;
    assert_eq!((&*seen.state, &*seen.answer, seen.confirmed), ("refused", "静音", false));
    line.end().await;
}

#[sqlx::test(migrations = "./migrations")]
async fn an_answer_without_a_number_is_the_oldest_ones_of_its_word(pool: PgPool) {
    let line = Line::open(pool, Ok(ANSWERS)).await;
    let (first, text) = (line.ask(Command::Locate).await, line.ask(Command::Text { text: "开门".into() }).await);
    let second = line.ask(Command::Locate).await;
    line.is("all are sent", "select count(*) = 3 from command where state = 'sent'").await;
    let states = async || {
        let mut states = Vec::new();
        for id in [first, second, text] {
            states.push(line.one(id).await.state);
        }
        states
    };
    line.answers(None, "locate", Some(true), "").await;
    assert_eq!(states().await, ["done", "sent", "sent"]);
    // A word of the dialect's that nobody here knows confirms nothing.
    line.answers(None, "UPLOAD", Some(true), "").await;
    assert_eq!(states().await, ["done", "sent", "sent"]);
    line.answers(None, "locate", None, "").await;
    assert_eq!(states().await, ["done", "done", "sent"]);
    assert!(!line.one(second).await.confirmed, "it only said that it has it");
    line.end().await;
}

#[sqlx::test(migrations = "./migrations")]
async fn a_command_waits_for_its_terminal_and_leaves_when_that_connects(pool: PgPool) {
    let line = Line::open(pool, Ok(Carried::Away)).await;
    line.ask(Command::Locate).await;
    line.is("it was tried in vain", "select state = 'queued' and tries > 0 from command").await;
    // Until tomorrow, but for what comes.
    execute(
        &line.district,
        "update command set next_try_at = now() + interval '1 day', not_after = now() + interval '2 days'",
    )
    .await;
    line.gateway.says(Ok(ANSWERS));
    let heard = Heard { serial: "P1".into(), at: clock::now(), session: Session::Opened };
    line.district.desk.hear(&[heard]).await.unwrap();
    line.is("it is sent", "select state = 'sent' from command").await;
    line.end().await;
}

#[sqlx::test(migrations = "./migrations")]
async fn what_a_dialect_has_no_word_for_or_a_terminal_would_refuse_is_refused_with_a_sentence(pool: PgPool) {
    let line = Line::open(pool, Ok(Carried::NoWord)).await;
    let first = line.ask(Command::Find).await;
    line.is("it is refused", "select state = 'refused' from command").await;
    assert_eq!(line.one(first).await.answer, "this terminal's dialect has no word for it");
    line.gateway.says(Ok(Carried::Unfit { why: "at most three numbers".into() }));
    let second = line.ask(Command::SosNumbers { numbers: vec!["13800000000".into(); 4] }).await;
    line.is("it is refused", "select state = 'refused' from command where word = 'sos_numbers'").await;
    assert_eq!(line.one(second).await.answer, "at most three numbers");
    line.end().await;
}

#[sqlx::test(migrations = "./migrations")]
async fn a_gateway_that_does_not_answer_is_asked_again_and_what_nobody_wants_any_more_expires(pool: PgPool) {
    let line = Line::open(pool, Err("no gateway answers".into())).await;
    let id = line.ask(Command::Locate).await;
    line.is("it was tried again", "select tries > 1 and state = 'queued' from command").await;
    execute(&line.district, "update command set not_after = now(), next_try_at = now()").await;
    line.is("it expires", "select state = 'expired' from command").await;
    // It was done all the same, says a terminal that was not heard in time.
    line.answers(Some(1), "command", Some(true), "").await;
    assert_eq!(line.one(id).await.state, "done");
    line.end().await;
}

#[sqlx::test(migrations = "./migrations")]
async fn where_nobody_says_more_than_that_they_have_it_that_is_enough(pool: PgPool) {
    let line = Line::open(pool, Ok(Carried::Posted { is_answered: false })).await;
    let id = line.ask(Command::Text { text: "开门".into() }).await;
    line.is("it is sent again and again", "select sends > 1 from command").await;
    line.district.desk.acknowledge(&[id]).await.unwrap();
    let seen = line.one(id).await;
    assert_eq!((&*seen.state, seen.confirmed, seen.delivered_at.is_some()), ("done", false, true));
    // On a connection that says nothing at all it is only known to have left.
    line.gateway.says(Ok(Carried::Sent { is_answered: false }));
    let left = line.ask(Command::Find).await;
    line.is("it has left", "select ended_at is not null from command where word = 'find'").await;
    let seen = line.one(left).await;
    assert_eq!((&*seen.state, seen.over), ("sent", true));
    line.end().await;
}

#[sqlx::test(migrations = "./migrations")]
async fn what_a_terminal_has_is_not_sent_to_it_again(pool: PgPool) {
    let line = Line::open(pool, Ok(ANSWERS)).await;
    let id = line.ask(Command::Find).await;
    line.is("it is sent", "select state = 'sent' from command").await;
    line.district.desk.acknowledge(&[id]).await.unwrap();
    line.is("it is only waited for", "select state = 'sent' and next_try_at = not_after from command").await;
    let heard = Heard { serial: "P1".into(), at: clock::now(), session: Session::Opened };
    line.district.desk.hear(&[heard]).await.unwrap();
    line.is("that it comes back changes nothing", "select next_try_at = not_after from command").await;
    line.end().await;
}

#[sqlx::test(migrations = "./migrations")]
async fn an_emergency_is_followed_until_it_is_closed(pool: PgPool) {
    let line = Line::open(pool, Ok(Carried::Away)).await;
    let incident = line.district.press("P1", 1).await;
    line.is("a burst is asked for", "select count(*) = 1 from command").await;
    let asked = line.list(Of::Incident(incident)).await.remove(0);
    assert_eq!((&asked.command["do"], &asked.by, &*asked.serial), (&"burst".into(), &None, "P1"));
    line.district.press("P1", 2).await;
    line.is("the second press is answered", "select presses_answered = 2 from incident").await;
    assert_eq!(line.list(Of::Incident(incident)).await.len(), 1, "one is enough");
    // A person's own question outlives the case; a rule's does not.
    let own = ask(&line.district, Command::Find, Some(incident)).await;
    let by = line.district.operator;
    line.district.desk.apply(incident, Input::Claim { by, authority: Authority::Operator }).await.unwrap();
    execute(
        &line.district,
        "update handover set state = 'arrived', acknowledge_by = null, voice = 'not_needed', voice_ring_at = null",
    )
    .await;
    line.district.desk.apply(incident, Input::Close { by, outcome: Outcome::Test, note: None }).await.unwrap();
    execute(&line.district, "update command set next_try_at = now()").await;
    line.is("it is taken back", "select state = 'cancelled' from command where word = 'burst'").await;
    assert_eq!(line.one(own).await.state, "queued");
    line.end().await;
}

#[sqlx::test(migrations = "./migrations")]
async fn nobody_is_followed_where_that_is_switched_off_nor_a_stranger(pool: PgPool) {
    let config = Config { follow_emergencies: false, ..Config::default() };
    let line = Line::with(District::with(pool, config).await, Ok(ANSWERS));
    line.district.press("P1", 1).await;
    line.is("it is answered", "select presses_answered = 1 from incident").await;
    assert_eq!(line.gateway.orders(), []);
    line.end().await;
}

#[sqlx::test(migrations = "./migrations")]
async fn numbers_go_round_and_no_more_wait_for_a_terminal_than_make_sense(pool: PgPool) {
    let district = District::new(pool).await;
    ask(&district, Command::Locate, None).await;
    execute(&district, "update command set number = 65535").await;
    ask(&district, Command::Locate, None).await;
    let numbers: Vec<i32> =
        sqlx::query_scalar("select number from command order by seq").fetch_all(&district.desk_pool).await.unwrap();
    assert_eq!(numbers, [65535, 1]);
    for _ in 2..commands::WAITING_MAX {
        ask(&district, Command::Locate, None).await;
    }
    assert_eq!(try_ask(&district, Command::Locate, None).await, None);
}

#[sqlx::test(migrations = "./migrations")]
async fn commands_that_are_over_are_kept_for_so_many_days_and_those_of_an_open_case_longer(pool: PgPool) {
    let district = District::new(pool).await;
    let incident = district.press("P1", 1).await;
    let (old, of_case) =
        (ask(&district, Command::Find, None).await, ask(&district, Command::Find, Some(incident)).await);
    let (recent, waits) = (ask(&district, Command::Locate, None).await, ask(&district, Command::Restart, None).await);
    for (id, days) in [(old, 91), (of_case, 91), (recent, 89)] {
        sqlx::query(
            "update command set state = 'expired', next_try_at = null, ended_at = now() - make_interval(days => $2)
             where id = $1",
        )
        .bind(id)
        .bind(days)
        .execute(&district.desk_pool)
        .await
        .unwrap();
    }
    let forget = async || {
        let mut conn = district.desk_pool.acquire().await.unwrap();
        dispatcher::store::retention::forget_commands(&mut conn, 90, 100).await.unwrap();
        let left: Vec<Uuid> =
            sqlx::query_scalar("select id from command order by seq").fetch_all(&district.desk_pool).await.unwrap();
        left
    };
    // The press itself has its terminal followed only once it is decided about.
    assert_eq!(forget().await, [of_case, recent, waits]);
    sqlx::query("update incident set closed_at = now(), outcome = 'test', closed_by = $1, wake_at = null")
        .bind(district.operator.0)
        .execute(&district.desk_pool)
        .await
        .unwrap();
    assert_eq!(forget().await, [recent, waits]);
}
