//! Contacts are told: by e-mail to a mailbox that puts off, refuses or hangs, and by webhook to a far end
//! that fails, hears twice or is not there.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use dispatcher::clock;
use dispatcher::config::{Config, MailConfig};
use dispatcher::store::contacts::{self, Ways};
use domain::id::{IncidentId, ResidentId};
use domain::incident::{Authority, ContactNews, Effect, Input, Outcome, Rank};
use domain::word::Word as _;
use firmware_sim::mailbox::{self, Behaviour, Mailbox};
use parking_lot::Mutex;
use sqlx::PgPool;
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::signature;
use wire::webhook::{Message, What};

use crate::district::District;
use crate::faults::{execute, run_until};

const SECRET: &str = "the family's key";

async fn mailbox(behaviour: Behaviour) -> (Mailbox, DropGuard) {
    let stop = CancellationToken::new();
    (mailbox::start(behaviour, stop.clone()).await.unwrap(), stop.drop_guard())
}

/// A district whose e-mail goes to `mailbox`, and where whoever presses `P1` has two contacts.
async fn district(pool: PgPool, mailbox: Option<&Mailbox>) -> District {
    let mail = mailbox.map(|mailbox| MailConfig::new(&mailbox.smtp_url(), "一点通 <ydt@example.org>").unwrap());
    let district = District::with(pool, Config { mail, ..Config::default() }).await;
    execute(
        &district,
        "insert into contact (resident_id, rank, name, relation, phone)
         select id, 2, '刘玉梅', '邻居', '13800000001' from resident",
    )
    .await;
    district
}

async fn reach(district: &District, rank: i16, ways: Ways<'_>) {
    let mut conn = district.desk_pool.acquire().await.unwrap();
    let resident: uuid::Uuid =
        sqlx::query_scalar("select id from resident where name = '陈秀英'").fetch_one(&mut *conn).await.unwrap();
    contacts::set_ways(&mut conn, ResidentId(resident), Rank(rank), &ways).await.unwrap();
}

fn by_email(email: &str) -> Ways<'_> {
    Ways { email: Some(email), ..Ways::default() }
}

async fn rows(district: &District, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(&district.desk_pool).await.unwrap()
}

async fn told(district: &District) -> Vec<String> {
    rows(district, "select rank || ' ' || state from contact_told order by rank").await
}

/// Half a minute passes for the contacts, and for nobody else.
async fn next_turn(district: &District, incident: IncidentId) {
    execute(district, "update incident set tell_next_at = clock_timestamp(), wake_at = clock_timestamp()").await;
    district.desk.apply(incident, Input::Wake).await.unwrap();
}

async fn close(district: &District, incident: IncidentId) {
    let by = district.operator;
    district.desk.apply(incident, Input::Claim { by, authority: Authority::Operator }).await.unwrap();
    let centre = domain::incident::Centre::Ambulance;
    // Where 120 could not be reached there is nobody to stand down.
    let _ = district.desk.apply(incident, Input::StandDown { by, centre, reason: "well".into() }).await;
    let outcome = Outcome::FalsePress;
    district.desk.apply(incident, Input::Close { by, outcome, note: None }).await.unwrap();
}

#[sqlx::test(migrations = "./migrations")]
async fn a_mail_server_that_says_later_has_the_letter_in_the_end(pool: PgPool) {
    let (mailbox, _stop) = mailbox(Behaviour::PutOff { times: 1 }).await;
    let district = district(pool, Some(&mailbox)).await;
    reach(&district, 1, by_email("ming@example.org")).await;
    district.press("P1", 1).await;
    run_until(&district, "the contact is reached", "select count(*) = 1 from contact_told where state = 'reached'")
        .await;

    let letters = mailbox.letters().borrow().clone();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].to, ["ming@example.org"]);
    assert_eq!(letters[0].subject, "陈秀英 求助：本人按键求救");
    assert!(letters[0].text.contains("陈明（儿子）") && letters[0].text.contains("湘雅路 1 号"), "{letters:?}");
    assert!(!letters[0].text.contains("高血压"), "nothing medical: {letters:?}");
    let answers = rows(
        &district,
        "select d.state || ' ' || d.answer from delivery d join outbox o on o.id = d.outbox_id
         where o.channel = 'email' order by d.at",
    )
    .await;
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert!(answers[0].starts_with("queued ") && answers[0].contains("try again later"), "{answers:?}");
    assert!(answers[1].starts_with("accepted 250: ") && answers[1].contains("queued as 1"), "{answers:?}");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_mailbox_that_does_not_exist_makes_it_the_next_contacts_turn(pool: PgPool) {
    let (mailbox, _stop) = mailbox(Behaviour::Refuse).await;
    let district = district(pool, Some(&mailbox)).await;
    let far_end = FarEnd::open([]).await;
    reach(&district, 1, by_email("nobody@example.org")).await;
    reach(&district, 2, Ways { webhook: Some((&far_end.url, SECRET)), ..Ways::default() }).await;
    district.press("P1", 1).await;
    run_until(&district, "the second is reached", "select count(*) = 1 from contact_told where state = 'reached'")
        .await;
    assert_eq!(told(&district).await, ["1 lost", "2 reached"]);
    let refused = rows(
        &district,
        "select answer from delivery d join outbox o on o.id = d.outbox_id where o.state = 'failed' and o.channel = 'email'",
    )
    .await;
    assert!(refused.len() == 1 && refused[0].contains("no such mailbox"), "{refused:?}");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_mail_server_that_hangs_holds_up_no_ambulance_and_is_given_up_in_the_end(pool: PgPool) {
    let (mailbox, _stop) = mailbox(Behaviour::Hang).await;
    let district = district(pool, Some(&mailbox)).await;
    reach(&district, 1, by_email("ming@example.org")).await;
    district.press("P1", 1).await;
    run_until(
        &district,
        "120 and the responder are told while the letter is on its way",
        "select count(*) filter (where o.what in ('help', 'ask') and d.outbox_id is not null) = 2
            and count(*) filter (where o.channel = 'email' and o.tries = 1 and d.outbox_id is null) = 1
         from outbox o left join delivery d on d.outbox_id = o.id",
    )
    .await;
    let said =
        rows(&district, "select answer from delivery d join outbox o on o.id = d.outbox_id where o.channel = 'email'")
            .await;
    assert_eq!(said, ["no answer within 8 s"]);
    execute(
        &district,
        "update outbox set not_after = clock_timestamp(), next_try_at = clock_timestamp() where channel = 'email'",
    )
    .await;
    run_until(&district, "the contact is lost", "select state = 'lost' from contact_told where rank = 1").await;
}

#[sqlx::test(migrations = "./migrations")]
async fn contacts_have_their_turn_in_order_and_one_without_an_address_is_skipped_and_it_is_said(pool: PgPool) {
    let (mailbox, _stop) = mailbox(Behaviour::Take).await;
    let district = district(pool, Some(&mailbox)).await;
    execute(
        &district,
        "insert into contact (resident_id, rank, name, relation, phone)
         select id, 3, '陈芳', '女儿', '13800000002' from resident",
    )
    .await;
    reach(&district, 1, by_email("ming@example.org")).await;
    reach(&district, 3, by_email("fang@example.org")).await;
    let incident = district.press("P1", 1).await;
    district.desk.apply(incident, Input::Wake).await.unwrap();
    assert_eq!(told(&district).await, ["1 told"]);
    let deadline: bool = sqlx::query_scalar(
        "select tell_next_at between clock_timestamp() + interval '50 s' and clock_timestamp() + interval '60 s'
            and wake_at <= tell_next_at from incident",
    )
    .fetch_one(&district.desk_pool)
    .await
    .unwrap();
    assert!(deadline, "the next turn is a deadline in the database");
    next_turn(&district, incident).await;
    assert_eq!(told(&district).await, ["1 told", "2 skipped", "3 told"]);
    let said = rows(
        &district,
        "select data ->> 'rank' || ' ' || (data ->> 'state') from incident_entry where what = 'contacted' order by seq",
    )
    .await;
    assert_eq!(said, ["1 told", "2 skipped", "3 told"]);
    let is_over: bool =
        sqlx::query_scalar("select tell_next_at is null from incident").fetch_one(&district.desk_pool).await.unwrap();
    assert!(is_over);
}

#[sqlx::test(migrations = "./migrations")]
async fn without_a_mail_server_an_email_address_is_none(pool: PgPool) {
    let district = district(pool, None).await;
    reach(&district, 1, by_email("ming@example.org")).await;
    let incident = district.press("P1", 1).await;
    district.desk.apply(incident, Input::Wake).await.unwrap();
    assert_eq!(told(&district).await, ["1 skipped", "2 skipped"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn everybody_who_was_told_hears_that_it_is_over_by_every_way(pool: PgPool) {
    let (mailbox, _stop) = mailbox(Behaviour::Take).await;
    let district = district(pool, Some(&mailbox)).await;
    let far_end = FarEnd::open([]).await;
    let webhook = Some((far_end.url.as_str(), SECRET));
    reach(&district, 1, Ways { email: Some("ming@example.org"), webhook, language: Some("en"), ..Ways::default() })
        .await;
    reach(&district, 2, by_email("mei@example.org")).await;
    let incident = district.press("P1", 1).await;
    run_until(&district, "both ways", "select count(*) = 2 from outbox where what = 'alert' and state = 'accepted'")
        .await;
    close(&district, incident).await;
    run_until(
        &district,
        "all clear",
        "select count(*) = 2 from outbox where what = 'all_clear' and state = 'accepted' and contact_rank = 1",
    )
    .await;

    let subjects: Vec<String> = mailbox.letters().borrow().iter().map(|letter| letter.subject.clone()).collect();
    assert_eq!(subjects, ["陈秀英 called for help: sos", "陈秀英: the call for help is closed"]);
    let heard = far_end.taken();
    assert_eq!(heard.iter().map(|message| message.what).collect::<Vec<_>>(), [What::Alert, What::AllClear]);
    assert_eq!(heard[1].outcome.as_deref(), Some("false_press"));
    assert_eq!((heard[0].kinds.clone(), heard[0].contact.name.as_str()), (vec!["sos".to_owned()], "陈明"));
    let second: i64 = sqlx::query_scalar("select count(*) from outbox where contact_rank = 2")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    assert_eq!(second, 0, "who was told nothing need not hear that it is over");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_letter_that_never_left_when_it_was_over_is_not_sent(pool: PgPool) {
    let (mailbox, _stop) = mailbox(Behaviour::Take).await;
    let district = district(pool, Some(&mailbox)).await;
    reach(&district, 1, by_email("ming@example.org")).await;
    let incident = district.press("P1", 1).await;
    district.desk.apply(incident, Input::Wake).await.unwrap();
    close(&district, incident).await;
    run_until(
        &district,
        "both are withdrawn",
        "select count(*) = 2 from outbox where channel = 'email' and state = 'withdrawn'",
    )
    .await;
    assert!(mailbox.letters().borrow().is_empty());
}

#[sqlx::test(migrations = "./migrations")]
async fn a_drill_is_marked_in_every_letter(pool: PgPool) {
    let (mailbox, _stop) = mailbox(Behaviour::Take).await;
    let district = district(pool, Some(&mailbox)).await;
    let far_end = FarEnd::open([]).await;
    let webhook = Some((far_end.url.as_str(), SECRET));
    reach(&district, 1, Ways { email: Some("ming@example.org"), webhook, ..Ways::default() }).await;
    let sos = wire::report::Event::Alert { kind: domain::press::AlertKind::Sos };
    let mut report = District::report("P1", sos, 1);
    report.drill = true;
    district.take_one(report).await;
    run_until(&district, "both ways", "select count(*) = 2 from outbox where what = 'alert' and state = 'accepted'")
        .await;
    assert!(mailbox.letters().borrow()[0].subject.starts_with("【演练】"));
    assert!(far_end.taken()[0].drill);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_webhook_that_fails_is_tried_again_with_the_same_key_and_a_signature(pool: PgPool) {
    let district = district(pool, None).await;
    let far_end = FarEnd::open([StatusCode::INTERNAL_SERVER_ERROR]).await;
    reach(&district, 1, Ways { webhook: Some((&far_end.url, SECRET)), ..Ways::default() }).await;
    district.press("P1", 1).await;
    run_until(&district, "it is taken", "select count(*) = 1 from contact_told where state = 'reached'").await;
    // The process died before it could write down that the far end has it.
    execute(&district, "update outbox set state = 'queued', next_try_at = clock_timestamp() where channel = 'webhook'")
        .await;
    run_until(
        &district,
        "it is taken again",
        "select tries = 3 and state = 'accepted' from outbox where channel = 'webhook'",
    )
    .await;

    let posts = far_end.posts.lock().clone();
    let keys: Vec<&str> = posts.iter().map(|(key, ..)| key.as_str()).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| *key == far_end.taken()[0].message.to_string()), "{keys:?}");
    assert!(posts.iter().all(|(_, is_signed, _)| *is_signed), "every try is signed anew");
    let answers = rows(
        &district,
        "select answer from delivery d join outbox o on o.id = d.outbox_id where o.channel = 'webhook' order by d.at",
    )
    .await;
    assert_eq!(answers, ["500 Internal Server Error", "200 OK", "200 OK"]);
    let kept = rows(&district, "select payload::text from outbox where channel = 'webhook'").await;
    assert!(!kept[0].contains(SECRET));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_webhook_that_is_not_there_is_asked_until_it_is_over_and_told_so(pool: PgPool) {
    let district = district(pool, None).await;
    reach(&district, 1, Ways { webhook: Some(("http://127.0.0.1:1/", SECRET)), ..Ways::default() }).await;
    let incident = district.press("P1", 1).await;
    run_until(
        &district,
        "it is tried",
        "select count(*) = 1 from outbox where channel = 'webhook' and tries >= 2 and state = 'queued'",
    )
    .await;
    close(&district, incident).await;
    execute(&district, "update outbox set next_try_at = clock_timestamp() where channel = 'webhook'").await;
    run_until(
        &district,
        "the alert is withdrawn, and the far end, which may have heard it, is told that it is over",
        "select count(*) filter (where what = 'alert' and state = 'withdrawn') = 1
            and count(*) filter (where what = 'all_clear' and tries > 0 and state = 'queued') = 1
         from outbox where channel = 'webhook'",
    )
    .await;
}

#[sqlx::test(migrations = "./migrations")]
async fn a_webhook_in_the_clear_over_a_network_cannot_be_saved(pool: PgPool) {
    let district = district(pool, None).await;
    for url in [
        "http://example.org/hook",
        "ftp://127.0.0.1/",
        "http://127.0.0.1.example.org/",
        "http://localhost.example.org/",
    ] {
        let saved = sqlx::query("update contact set webhook_url = $1, webhook_secret = 's'")
            .bind(url)
            .execute(&district.desk_pool);
        assert!(saved.await.is_err(), "{url}");
    }
}

#[test]
fn what_a_contact_is_told_has_one_spelling() {
    for news in ContactNews::ALL {
        let what = match news {
            ContactNews::Alert => What::Alert,
            ContactNews::AllClear => What::AllClear,
        };
        assert_eq!(serde_json::to_value(what).unwrap(), news.as_str());
        let _ = Effect::TellContact { rank: Rank(1), news: *news };
    }
}

/// A family's program: what it was posted, and whether it was signed.
struct FarEnd {
    url: String,
    posts: Arc<Mutex<Vec<(String, bool, Message)>>>,
    _stop: DropGuard,
}

impl FarEnd {
    /// Answers the first posts as told, and every other with 200.
    async fn open(answers: impl IntoIterator<Item = StatusCode>) -> Self {
        let posts: Arc<Mutex<Vec<(String, bool, Message)>>> = Arc::default();
        let answers: Vec<StatusCode> = answers.into_iter().collect();
        let kept = Arc::clone(&posts);
        let hear = post(move |headers: HeaderMap, body: Bytes| async move {
            let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let is_signed =
                signature::verify(SECRET.as_bytes(), clock::now(), &body, header(signature::HEADER)).is_ok();
            let mut posts = kept.lock();
            posts.push((header("idempotency-key").to_owned(), is_signed, serde_json::from_slice(&body).unwrap()));
            answers.get(posts.len() - 1).copied().unwrap_or(StatusCode::OK)
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move {
            axum::serve(listener, Router::new().route("/hook", hear)).with_graceful_shutdown(stopped).await
        });
        Self { url, posts, _stop: stop.drop_guard() }
    }

    fn taken(&self) -> Vec<Message> {
        self.posts.lock().iter().map(|(_, _, message)| message.clone()).collect()
    }
}
