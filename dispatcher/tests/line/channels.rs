//! Far ends as they are: a provider of text messages that fails, hangs, answers twice or repeats our key; push services
//! that have forgotten a browser; a webhook that is down for a day.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::post;
use dispatcher::config::{Config, PushConfig, SmsSettings};
use dispatcher::store::outbox::{self, Channel};
use dispatcher::store::push::{self, Subscription};
use domain::id::IncidentId;
use domain::incident::Input;
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::{CancellationToken, DropGuard};
use web_push_native::{Auth, decrypt};

use crate::district::District;
use crate::faults::{execute, run_until};

const KEY: &str = "hunter2-hunter2-hunter2";
const AUTH: [u8; 16] = *b"sixteen secrets!";

/// What a far end was sent.
#[derive(Debug, Clone)]
struct Post {
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// What a far end answers.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Says(u16, &'static str),
    /// Takes what it is sent, and says nothing for longer than anybody waits.
    Hangs,
    /// Repeats everything that it was sent.
    Repeats,
}

struct FarEnd {
    url: String,
    posts: Arc<Mutex<Vec<Post>>>,
    _stop: DropGuard,
}

impl FarEnd {
    /// Answers the first calls as told, and every other with `{"code": 0, "id": "far-<n>"}`.
    async fn open(moods: impl IntoIterator<Item = Mood>) -> Self {
        let posts: Arc<Mutex<Vec<Post>>> = Arc::default();
        let moods: Vec<Mood> = moods.into_iter().collect();
        let kept = Arc::clone(&posts);
        let hear = post(move |headers: HeaderMap, body: Bytes| async move {
            let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers: BTreeMap<_, _> = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            let number = {
                let mut posts = kept.lock();
                posts.push(Post { headers: headers.clone(), body: body.to_vec() });
                posts.len()
            };
            match moods.get(number - 1) {
                None => {
                    (StatusCode::OK, json!({ "code": 0, "id": format!("far-{number}") }).to_string()).into_response()
                }
                Some(Mood::Says(status, text)) => (StatusCode::from_u16(*status).unwrap(), *text).into_response(),
                Some(Mood::Hangs) => std::future::pending().await,
                Some(Mood::Repeats) => {
                    let said = format!("{headers:?} {}", String::from_utf8_lossy(&body));
                    (StatusCode::BAD_REQUEST, said).into_response()
                }
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/send", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            let serving = axum::serve(listener, Router::new().route("/send", hear)).into_future();
            // Not gracefully: somebody may hang.
            tokio::select! { _ = serving => {}, () = stopped.cancelled() => {} }
        });
        Self { url, posts, _stop: stop.drop_guard() }
    }

    fn posts(&self) -> Vec<Post> {
        self.posts.lock().clone()
    }

    fn said(&self) -> Vec<Value> {
        self.posts().iter().map(|post| serde_json::from_slice(&post.body).unwrap()).collect()
    }
}

fn sms(url: &str) -> SmsSettings {
    let settings = json!({
        "url": url,
        "key": KEY,
        "headers": { "authorization": "Bearer {key}" },
        "body": r#"{"to": "{phone}", "content": "{text}", "ref": "{id}", "key": "{key}"}"#,
        "success_pointer": "/code",
        "success_value": "0",
        "message_id_pointer": "/id",
    });
    serde_json::from_value(settings).unwrap()
}

async fn with_sms(pool: PgPool, url: &str) -> District {
    District::with(pool, Config { sms: Some(sms(url).link().unwrap()), ..Config::default() }).await
}

async fn rows(district: &District, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(&district.desk_pool).await.unwrap()
}

const LINES_OF_SMS: &str = "select d.state || ' ' || d.answer from delivery d join outbox o on o.id = d.outbox_id
    where o.channel = 'sms' order by d.at";

#[sqlx::test(migrations = "./migrations")]
async fn a_contact_with_a_mobile_and_nothing_else_is_sent_one_short_text(pool: PgPool) {
    let provider = FarEnd::open([]).await;
    let district = with_sms(pool, &provider.url).await;
    district.press("P1", 1).await;
    run_until(&district, "the contact is reached", "select count(*) = 1 from contact_told where state = 'reached'")
        .await;
    let to_contact: Vec<Value> = provider.said().into_iter().filter(|said| said["to"] == "13800000000").collect();
    assert_eq!(to_contact.len(), 1);
    let text = to_contact[0]["content"].as_str().unwrap();
    assert!(text.starts_with("陈秀英") && text.contains("本人按键求救") && text.chars().count() <= 62, "{text}");
    assert!(!text.contains("高血压"), "nothing medical: {text}");
    let key = rows(&district, "select key::text from outbox where channel = 'sms'").await;
    assert_eq!(to_contact[0]["ref"], json!(key[0]));
    assert_eq!(provider.posts()[0].headers["authorization"], format!("Bearer {KEY}"));
    let far = rows(&district, "select far_id from outbox where channel = 'sms'").await;
    assert!(far[0].starts_with("far-"), "{far:?}");
    // The responder has no application and no browser, but a telephone.
    let way = rows(
        &district,
        "select d.way || ' ' || o.state from delivery d join outbox o on o.id = d.outbox_id
         where o.channel = 'responder' and o.what = 'ask'",
    )
    .await;
    assert_eq!(way, ["sms accepted"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn a_provider_that_fails_or_says_no_is_asked_again_about_the_same_message(pool: PgPool) {
    let provider = FarEnd::open([Mood::Says(500, "oh no"), Mood::Says(200, "{\"code\": 7}")]).await;
    let district = with_sms(pool, &provider.url).await;
    execute(&district, "update responder set phone = '0731-1'").await;
    district.press("P1", 1).await;
    run_until(&district, "it is taken", "select count(*) = 1 from outbox where channel = 'sms' and state = 'accepted'")
        .await;
    let refs: Vec<Value> = provider.said().into_iter().map(|said| said["ref"].clone()).collect();
    assert!(refs.len() == 3 && refs.iter().all(|each| *each == refs[0]), "{refs:?}");
    assert_eq!(
        rows(&district, LINES_OF_SMS).await,
        [
            "queued 500 Internal Server Error: oh no",
            "queued 200, and not taken: {\"code\": 7}",
            "accepted 200 OK: {\"code\":0,\"id\":\"far-3\"}",
        ]
    );
}

#[sqlx::test(migrations = "./migrations")]
async fn a_provider_that_hangs_holds_up_nobody_else_and_is_asked_again(pool: PgPool) {
    let provider = FarEnd::open([Mood::Hangs]).await;
    let district = with_sms(pool, &provider.url).await;
    execute(&district, "update responder set phone = '0731-1'").await;
    district.press("P1", 1).await;
    run_until(
        &district,
        "it is taken in the end, long after 120 was called",
        "select count(distinct o.id) filter (where o.channel = 'sms' and o.state = 'accepted' and o.tries = 2) = 1
            and min(d.at) filter (where o.what = 'help') < min(d.at) filter (where o.channel = 'sms') - interval '3 s'
         from outbox o join delivery d on d.outbox_id = o.id",
    )
    .await;
    let lines = rows(&district, LINES_OF_SMS).await;
    assert!(lines.len() == 2 && lines[0].starts_with("queued ") && lines[0].contains("timed out"), "{lines:?}");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_provider_that_repeats_our_key_does_not_bring_it_into_the_ledger(pool: PgPool) {
    let provider = FarEnd::open([Mood::Repeats; 3]).await;
    let district = with_sms(pool, &provider.url).await;
    let log = Log::default();
    let logging = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // With a single listener whoever reaches a line first asks only the one of its own thread, and a line that another
    // test's thread is the first to reach would be left out for good. With two, all are asked.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    let _logging = tracing::subscriber::set_default(logging);
    tracing::callsite::rebuild_interest_cache();
    execute(&district, "update responder set phone = '0731-1'").await;
    district.press("P1", 1).await;
    run_until(&district, "it is refused", "select count(*) > 0 from outbox where channel = 'sms' and tries > 1").await;
    let lines = rows(&district, LINES_OF_SMS).await;
    assert!(lines[0].starts_with("queued 400 Bad Request: {"), "{lines:?}");
    let everything = rows(
        &district,
        "select o::text || coalesce(d::text, '') from outbox o left join delivery d on d.outbox_id = o.id
         union all select e::text from incident_entry e",
    )
    .await;
    assert!(everything.iter().all(|row| !row.contains(KEY)), "{everything:?}");
    let said = log.said();
    assert!(said.contains("a message was not taken") && said.contains("400 Bad Request"), "{said}");
    assert!(!said.contains(KEY), "{}", said.lines().filter(|line| line.contains(KEY)).collect::<String>());
    // What a far end says may hold a number or a name, and is for those who see the case.
    let ours = said
        .lines()
        .filter(|line| line.contains(" dispatcher::") && !line.contains("DEBUG") && !line.contains("TRACE"));
    assert!(ours.into_iter().all(|line| !line.contains("13800000000") && !line.contains("陈秀英")), "{said}");
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn said(&self) -> String {
        String::from_utf8_lossy(&self.0.lock()).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> tracing_subscriber::fmt::MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn a_far_end_that_is_down_for_a_day_costs_neither_memory_nor_order(pool: PgPool) {
    let district = District::new(pool).await;
    // Nobody listens there.
    execute(
        &district,
        "update contact set webhook_url = 'http://127.0.0.1:1/', webhook_secret = 'the family''s own key'",
    )
    .await;
    let mut incidents: Vec<IncidentId> = Vec::new();
    for serial in ["P1", "P2", "P3", "P4"] {
        let incident = district.press(serial, 1).await;
        district.desk.apply(incident, Input::Wake).await.unwrap();
        incidents.push(incident);
    }
    // What a day of cases leaves behind: far more than is ever on its way at once.
    execute(
        &district,
        "insert into contact (resident_id, rank, name, relation, phone, webhook_url, webhook_secret, told_of)
         select id, n, '联系人', '邻居', '0731-1', 'http://127.0.0.1:1/' || n, 'the family''s own key', '{}'
         from resident, generate_series(2, 41) n",
    )
    .await;
    execute(
        &district,
        "insert into outbox (key, incident_id, channel, target, what, payload, created_at, not_after, next_try_at,
            contact_rank)
         select gen_random_uuid(), o.incident_id, 'webhook', 'http://127.0.0.1:1/' || n, o.what, o.payload,
            o.created_at, o.not_after, o.next_try_at, n
         from outbox o, generate_series(2, 41) n where o.channel = 'webhook'",
    )
    .await;
    execute(
        &district,
        "insert into outbox (key, incident_id, channel, target, what, payload, created_at, not_after, next_try_at,
            contact_rank)
         select gen_random_uuid(), incident_id, 'webhook', target, 'all_clear', payload, created_at, not_after,
            next_try_at, contact_rank
         from outbox where channel = 'webhook' order by id",
    )
    .await;
    run_until(
        &district,
        "every first message has been tried",
        "select count(*) filter (where what = 'alert' and tries > 0) = 164 from outbox where channel = 'webhook'",
    )
    .await;
    // Nothing overtook, nothing was lost, and each waits in the database for its next try.
    let waiting: (i64, i64, bool) = sqlx::query_as(
        "select count(*), count(*) filter (where what = 'all_clear' and tries > 0),
            bool_and(state = 'queued') from outbox where channel = 'webhook'",
    )
    .fetch_one(&district.desk_pool)
    .await
    .unwrap();
    assert_eq!(waiting, (328, 0, true));
    // A sender takes no more than it has room for, and of each target the oldest.
    execute(&district, "update outbox set next_try_at = clock_timestamp() where channel = 'webhook'").await;
    let mut conn = district.desk_pool.acquire().await.unwrap();
    let mut leased = Vec::new();
    loop {
        let some = outbox::lease(&mut conn, Channel::Webhook, 64).await.unwrap();
        assert!(some.len() <= 64);
        if some.is_empty() {
            break;
        }
        leased.extend(some);
    }
    assert_eq!((leased.len(), leased.iter().all(|message| message.what == "alert")), (164, true));
}

#[sqlx::test(migrations = "./migrations")]
async fn after_an_outage_what_waited_arrives_in_order_and_under_its_first_key(pool: PgPool) {
    let far_end = FarEnd::open(std::iter::repeat_n(Mood::Says(503, "later"), 2)).await;
    let district = District::new(pool).await;
    sqlx::query("update contact set webhook_url = $1, webhook_secret = 'the family''s own key'")
        .bind(&far_end.url)
        .execute(&district.desk_pool)
        .await
        .unwrap();
    let incident = district.press("P1", 1).await;
    district.desk.apply(incident, Input::Wake).await.unwrap();
    execute(
        &district,
        "insert into outbox (key, incident_id, channel, target, what, payload, created_at, not_after, next_try_at,
            contact_rank)
         select gen_random_uuid(), incident_id, channel, target, 'all_clear',
            jsonb_set(payload, '{what}', '\"all_clear\"'), created_at, not_after, next_try_at, 1
         from outbox where channel = 'webhook'",
    )
    .await;
    run_until(
        &district,
        "both are taken",
        "select count(*) = 2 from outbox where channel = 'webhook' and state = 'accepted'",
    )
    .await;
    let posts = far_end.posts();
    let what: Vec<Value> = far_end.said().into_iter().map(|said| said["what"].clone()).collect();
    assert_eq!(what, [json!("alert"), json!("alert"), json!("alert"), json!("all_clear")]);
    let keys: Vec<&str> = posts.iter().map(|post| post.headers["idempotency-key"].as_str()).collect();
    assert!(keys[..3].iter().all(|key| *key == keys[0]) && keys[3] != keys[0], "{keys:?}");
}

struct Phone {
    key: SecretKey,
}

impl Phone {
    fn new() -> Self {
        let key = loop {
            if let Ok(key) = SecretKey::from_slice(&dispatcher::clock::random_bytes::<32>()) {
                break key;
            }
        };
        Self { key }
    }

    async fn subscribes(&self, district: &District, endpoint: &str, server_key: &str) {
        let p256dh = self.key.public_key().to_encoded_point(false).as_bytes().to_vec();
        let subscription = Subscription { endpoint: endpoint.to_owned(), p256dh, auth: AUTH.to_vec() };
        let mut conn = district.desk_pool.acquire().await.unwrap();
        push::subscribe(&mut conn, district.near, &subscription, server_key).await.unwrap();
    }

    fn reads(&self, post: &Post) -> Value {
        let plain = decrypt(post.body.clone(), &self.key, Auth::from_slice(&AUTH)).unwrap();
        serde_json::from_slice(&plain).unwrap()
    }
}

fn push_config() -> (PushConfig, String) {
    let config = PushConfig::new(&PushConfig::fresh_key(), "mailto:duty@example.org").unwrap();
    let public = config.public().to_owned();
    (config, public)
}

#[sqlx::test(migrations = "./migrations")]
async fn a_responders_telephone_is_pushed_what_is_asked_and_nobody_on_the_way_reads_it(pool: PgPool) {
    let service = FarEnd::open([Mood::Says(201, "")]).await;
    let (config, server_key) = push_config();
    let district = District::with(pool, Config { push: Some(config), ..Config::default() }).await;
    let phone = Phone::new();
    phone.subscribes(&district, &service.url, &server_key).await;
    district.press("P1", 1).await;
    run_until(
        &district,
        "it is pushed",
        "select count(*) = 1 from outbox where channel = 'responder' and what = 'ask' and state = 'accepted'",
    )
    .await;
    let post = service.posts()[0].clone();
    let told = phone.reads(&post);
    let offer = rows(&district, "select about::text from outbox where what = 'ask'").await;
    assert_eq!((&told["purpose"], &told["offer"]), (&json!("ask"), &json!(offer[0])));
    assert!(told["text"].as_str().unwrap().contains("紧急求助"), "{told}");
    assert!(!told.to_string().contains("陈秀英") && !told.to_string().contains("湘雅路"), "{told}");
    assert!(!String::from_utf8_lossy(&post.body).contains("ask"));
    let header = |name: &str| post.headers[name].clone();
    assert_eq!((header("content-encoding"), header("urgency")), ("aes128gcm".into(), "high".into()));
    assert!(header("authorization").starts_with("vapid t=ey") && header("authorization").ends_with(&server_key));
    assert!((1..=30).contains(&header("ttl").parse::<i64>().unwrap()), "{}", header("ttl"));
    assert!(Phone::new().key != phone.key && decrypt(post.body, &Phone::new().key, Auth::from_slice(&AUTH)).is_err());
}

#[sqlx::test(migrations = "./migrations")]
async fn a_browser_that_has_gone_is_forgotten_and_the_responder_is_sent_a_text_instead(pool: PgPool) {
    let service = FarEnd::open([Mood::Says(410, "gone"), Mood::Says(404, "gone")]).await;
    let provider = FarEnd::open([]).await;
    let (push, server_key) = push_config();
    let sms = Some(sms(&provider.url).link().unwrap());
    let district = District::with(pool, Config { push: Some(push), sms, ..Config::default() }).await;
    Phone::new().subscribes(&district, &service.url, &server_key).await;
    Phone::new().subscribes(&district, &format!("{}?2", service.url), &server_key).await;
    // One that was made for a key that we do not have any more is not even tried.
    Phone::new().subscribes(&district, &format!("{}?3", service.url), "another key").await;
    district.press("P1", 1).await;
    run_until(
        &district,
        "the responder is sent a text",
        "select count(*) = 1 from outbox o join delivery d on d.outbox_id = o.id
         where o.what = 'ask' and d.way = 'sms' and d.state = 'accepted'",
    )
    .await;
    assert_eq!(service.posts().len(), 2);
    let left = rows(&district, "select server_key from push_subscription").await;
    assert_eq!(left, ["another key"]);
    let text = provider.said().into_iter().find(|said| said["to"] == "13900000000").unwrap();
    assert!(text["content"].as_str().unwrap().starts_with("新派单：紧急求助"), "{text}");
}

#[sqlx::test(migrations = "./migrations")]
async fn a_push_service_that_fails_or_hangs_is_tried_again_while_the_offer_waits(pool: PgPool) {
    let service = FarEnd::open([Mood::Says(500, ""), Mood::Hangs, Mood::Says(201, "")]).await;
    let (config, server_key) = push_config();
    let district = District::with(pool, Config { push: Some(config), ..Config::default() }).await;
    let phone = Phone::new();
    phone.subscribes(&district, &service.url, &server_key).await;
    district.press("P1", 1).await;
    run_until(
        &district,
        "it is pushed",
        "select count(*) = 1 from outbox where what = 'ask' and state = 'accepted' and tries = 3",
    )
    .await;
    let offers: Vec<Value> = service.posts().iter().map(|post| phone.reads(post)["offer"].clone()).collect();
    assert!(offers.len() == 3 && offers.iter().all(|offer| *offer == offers[0]), "{offers:?}");
}
