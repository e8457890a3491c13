//! The live stream: nothing missed, nothing doubled, whatever commits in whatever order.

use std::collections::BTreeSet;
use std::time::Duration;

use dispatcher::clock;
use dispatcher::store::{self, live};
use domain::id::IncidentId;
use reqwest::StatusCode;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use wire::report::Unstored;

use crate::house::{Followed, House, Told, cursor_of};

async fn tell(conn: &mut PgConnection, incident: IncidentId) {
    sqlx::query("insert into live_event (incident_id) values ($1)").bind(incident.0).execute(conn).await.unwrap();
}

/// All cursors in the order of the stream.
async fn cursors(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("select txid::text || '-' || seq::text from live_event order by txid, seq")
        .fetch_all(pool)
        .await
        .unwrap()
}

fn id(told: &Told) -> String {
    told.id.clone().expect("an incident event has a cursor")
}

#[sqlx::test(migrations = "./migrations")]
async fn a_reader_does_not_jump_over_what_commits_late(pool: PgPool) {
    let house = House::open(pool).await;
    let caller = house.log_in("operator").await;
    let incident = house.press().await;
    let from = house.get(&caller, "/api/v1/incidents").await.body["cursor"].as_str().unwrap().to_owned();
    let mut stream = house.follow(&caller, &format!("/api/v1/live?after={from}"), &[]).await.unwrap();
    assert_eq!(stream.next().await.unwrap().event, "hello");

    let mut early = store::begin(&house.pool).await.unwrap();
    tell(&mut early, incident).await;
    let mut late = store::begin(&house.pool).await.unwrap();
    tell(&mut late, incident).await;
    late.commit().await.unwrap();
    house.desk.wake();
    // Whoever tells the second event now will never tell the first.
    let mut moment = store::moment(&house.pool).await.unwrap();
    let so_far = live::after(&mut moment, from.parse().unwrap(), 10).await.unwrap();
    let latest = cursors(&house.pool).await.pop().unwrap();
    assert!(so_far.iter().all(|event| event.cursor.to_string() != latest), "{so_far:?}");
    drop(moment);
    early.commit().await.unwrap();

    let expected = cursors(&house.pool).await;
    let expected = &expected[expected.len() - 2..];
    // Other tests' transactions, in other databases of the cluster, hold the list's cursor back too: what
    // the press itself told may come once more.
    let mut told = vec![stream.next_of("incident").await];
    while told.last().map(id).as_ref() != expected.last() {
        told.push(stream.next_of("incident").await);
    }
    let told = &told[told.len() - 2..];
    assert_eq!(told.iter().map(id).collect::<Vec<_>>(), expected);
    assert_eq!(told[0].data["id"], incident.to_string());

    // Whoever breaks off between the two gets the second, and only it.
    let mut resumed = house.follow(&caller, &format!("/api/v1/live?after={}", expected[0]), &[]).await.unwrap();
    assert_eq!(id(&resumed.next_of("incident").await), expected[1]);
}

/// Follows from `cursor` until `count` events are in.
async fn take(stream: &mut Followed, count: usize, into: &mut Vec<String>) {
    for _ in 0..count {
        into.push(id(&stream.next_of("incident").await));
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn with_many_writers_and_a_connection_that_keeps_breaking_each_event_comes_once(pool: PgPool) {
    const WRITERS: usize = 6;
    const EACH: usize = 12;
    let house = House::open(pool).await;
    let caller = house.log_in("operator").await;
    let incident = house.press().await;
    let start = cursor_of(&house, incident).await;

    let writers = (0..WRITERS).map(|writer| {
        let pool = house.pool.clone();
        async move {
            for round in 0..EACH {
                let mut tx = store::begin(&pool).await.unwrap();
                tell(&mut tx, incident).await;
                // Some hold what they have written while others overtake them.
                if (writer + round) % 3 == 0 {
                    sqlx::query("select pg_sleep(0.02)").execute(&mut *tx).await.unwrap();
                }
                tx.commit().await.unwrap();
            }
        }
    });
    let reading = async {
        let mut got = Vec::new();
        let mut cursor = start.clone();
        while got.len() < WRITERS * EACH {
            let mut stream = house.follow(&caller, "/api/v1/live", &[("last-event-id", &cursor)]).await.unwrap();
            take(&mut stream, 7.min(WRITERS * EACH - got.len()), &mut got).await;
            cursor.clone_from(got.last().unwrap());
        }
        got
    };
    let (_, got) = tokio::join!(futures_util::future::join_all(writers), reading);

    let all = cursors(&house.pool).await;
    let first = all.iter().position(|cursor| *cursor == start).unwrap() + 1;
    assert_eq!(got, all[first..], "each once, in the order of the stream");
    assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), got.len());
}

#[sqlx::test(migrations = "./migrations")]
async fn list_and_stream_leave_nothing_between_them(pool: PgPool) {
    let house = House::open(pool).await;
    let caller = house.log_in("operator").await;
    let incident = house.press().await;
    // A change that is under way while the list is read, with later ones before it already.
    let mut change = store::begin(&house.pool).await.unwrap();
    sqlx::query("update incident set last_press_at = now()").execute(&mut *change).await.unwrap();
    tell(&mut change, incident).await;
    sqlx::query("select pg_current_xact_id()").execute(&house.pool).await.unwrap();
    let list = house.get(&caller, "/api/v1/incidents").await.body;
    change.commit().await.unwrap();
    let from = list["cursor"].as_str().unwrap();
    assert_ne!(list["incidents"][0]["cursor"], cursor_of(&house, incident).await);
    let mut stream = house.follow(&caller, &format!("/api/v1/live?after={from}"), &[]).await.unwrap();
    let told = stream.next_of("incident").await;
    assert_eq!(told.data["id"], incident.to_string());
    // The state after the change, with the cursor by which an answer is known to be as new.
    assert_eq!(told.data["cursor"], cursor_of(&house, incident).await);
    assert_eq!(told.data["subject"]["name"], "陈秀英");

    let detail = house.get(&caller, &format!("/api/v1/incidents/{incident}")).await.body;
    assert_eq!(detail["cursor"], told.data["cursor"]);
}

#[sqlx::test(migrations = "./migrations")]
async fn without_a_cursor_the_stream_starts_at_the_present(pool: PgPool) {
    let house = House::open(pool).await;
    let caller = house.log_in("operator").await;
    house.press().await;
    let before = cursors(&house.pool).await;
    let mut stream = house.follow(&caller, "/api/v1/live", &[]).await.unwrap();
    let hello = stream.next().await.unwrap();
    assert_eq!(hello.event, "hello");
    assert_eq!(hello.id.as_deref(), hello.data["cursor"].as_str());
    house.press().await;
    let told = stream.next_of("incident").await;
    assert!(!before.contains(&id(&told)), "what was before the hello is not told again");
}

#[sqlx::test(migrations = "./migrations")]
async fn an_unknown_or_forgotten_cursor_is_gone(pool: PgPool) {
    let house = House::open(pool).await;
    let caller = house.log_in("operator").await;
    let incident = house.press().await;
    let first = cursors(&house.pool).await[0].clone();
    for cursor in ["nonsense", "1", "-1", "99999999999-1", "1-1-1", "01-1"] {
        let Err(answer) = house.follow(&caller, &format!("/api/v1/live?after={cursor}"), &[]).await else {
            panic!("{cursor} leads nowhere");
        };
        assert_eq!((answer.status, answer.code()), (StatusCode::GONE, "cursor_gone"), "{cursor}");
    }
    assert!(house.follow(&caller, &format!("/api/v1/live?after={first}"), &[]).await.is_ok());

    // A day later the events are deleted; one comes after that.
    house.press().await;
    house.execute("update live_event set at = at - interval '25 h'").await;
    let last = cursors(&house.pool).await.pop().unwrap();
    forget(&house.pool).await;
    let Err(answer) = house.follow(&caller, &format!("/api/v1/live?after={first}"), &[]).await else {
        panic!("what came after {first} was deleted");
    };
    assert_eq!(answer.code(), "cursor_gone");
    let mut tx = store::begin(&house.pool).await.unwrap();
    tell(&mut tx, incident).await;
    tx.commit().await.unwrap();
    // Whoever had seen the last of them has missed nothing.
    let mut stream = house.follow(&caller, &format!("/api/v1/live?after={last}"), &[]).await.unwrap();
    stream.next_of("incident").await;
    // Nor has whoever starts from the list now, although no event is as old as that.
    house.execute("delete from live_event").await;
    let from = house.get(&caller, "/api/v1/incidents").await.body["cursor"].as_str().unwrap().to_owned();
    assert!(house.follow(&caller, &format!("/api/v1/live?after={from}"), &[]).await.is_ok());
}

/// Deletes what is old, once nobody else's transaction keeps it.
async fn forget(pool: &PgPool) {
    let forgetting = async {
        while sqlx::query_scalar::<_, i64>("select count(*) from live_event").fetch_one(pool).await.unwrap() > 0 {
            live::forget(&mut pool.acquire().await.unwrap(), Duration::from_hours(24), 2).await.unwrap();
        }
    };
    tokio::time::timeout(crate::house::SOON, forgetting).await.expect("old events can be deleted");
}

#[sqlx::test(migrations = "./migrations")]
async fn alerts_that_are_not_stored_ring_from_memory(pool: PgPool) {
    let house = House::open(pool).await;
    let caller = house.log_in("operator").await;
    let alert = |stored| Unstored {
        id: uuid::Uuid::from_u128(7),
        serial: "P1".into(),
        received_at: clock::now(),
        what: "sos".into(),
        stored,
    };
    house.desk.tell_unstored(alert(false));
    let mut stream = house.follow(&caller, "/api/v1/live", &[]).await.unwrap();
    assert_eq!(stream.next().await.unwrap().event, "hello", "so that the console forgets what it held");
    let told = stream.next_of("unstored").await;
    assert_eq!((told.data["serial"].as_str(), told.data["stored"].as_bool(), told.id), (Some("P1"), Some(false), None));
    assert_eq!(house.get(&caller, "/health").await.status, StatusCode::SERVICE_UNAVAILABLE);

    // More news at once than are kept for a slow reader: what counts is what is so in the end.
    for other in 0..600 {
        house.desk.tell_unstored(Unstored { id: uuid::Uuid::from_u128(100 + other), ..alert(false) });
        house.desk.tell_unstored(Unstored { id: uuid::Uuid::from_u128(100 + other), ..alert(true) });
    }
    house.desk.tell_unstored(alert(true));
    let mut ringing = BTreeSet::from(["00000000-0000-0000-0000-000000000007".to_owned()]);
    while !ringing.is_empty() {
        let told = stream.next_of("unstored").await.data;
        let id = told["id"].as_str().unwrap().to_owned();
        if told["stored"].as_bool().unwrap() {
            ringing.remove(&id);
        } else {
            ringing.insert(id);
        }
    }
}

/// Shuts everybody out of the database of a test, and lets them in again.
struct Door {
    conn: PgConnection,
    database: String,
}

impl Door {
    async fn of(pool: &PgPool) -> Self {
        let options = pool.connect_options();
        let database = options.get_database().unwrap().to_owned();
        let conn = PgConnection::connect_with(&options.as_ref().clone().database("postgres")).await.unwrap();
        Self { conn, database }
    }

    async fn set_open(&mut self, is_open: bool) {
        let sql = format!("alter database \"{}\" with allow_connections {is_open}", self.database);
        sqlx::query(AssertSqlSafe(sql)).execute(&mut self.conn).await.unwrap();
    }

    async fn shut(&mut self) {
        self.set_open(false).await;
        sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1")
            .bind(&self.database)
            .execute(&mut self.conn)
            .await
            .unwrap();
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn an_open_console_stays_open_while_the_database_is_away(pool: PgPool) {
    let house = House::open(pool).await;
    let caller = house.log_in("operator").await;
    let incident = house.press().await;
    let cursor = house.get(&caller, "/api/v1/incidents").await.body["cursor"].as_str().unwrap().to_owned();
    let mut stream = house.follow(&caller, &format!("/api/v1/live?after={cursor}"), &[]).await.unwrap();
    assert_eq!(stream.next().await.unwrap().event, "hello");

    let mut door = Door::of(&house.pool).await;
    door.shut().await;
    // Nobody new gets in, and whoever asks for something is told why not.
    assert_eq!(house.try_log_in("operator", crate::house::PASSWORD).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let answer = house.get(&caller, "/api/v1/incidents").await;
    assert_eq!((answer.status, answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    assert_eq!(house.get(&caller, "/api/v1/health").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(house.get(&caller, "/metrics").await.body.as_str().unwrap().contains("ydt_database_up 0\n"));
    // A console that was open gets its stream back, though nobody can look up its session, and hears what
    // rings from memory.
    let mut again = house.follow(&caller, &format!("/api/v1/live?after={cursor}"), &[]).await.unwrap();
    assert_eq!(again.next().await.unwrap().event, "hello");
    let alert = Unstored {
        id: uuid::Uuid::from_u128(9),
        serial: "P1".into(),
        received_at: clock::now(),
        what: "sos".into(),
        stored: false,
    };
    house.desk.tell_unstored(alert);
    for stream in [&mut stream, &mut again] {
        assert_eq!(stream.next_of("unstored").await.data["serial"], "P1");
    }

    door.set_open(true).await;
    let mut conn = PgConnection::connect_with(&house.pool.connect_options()).await.unwrap();
    tell(&mut conn, incident).await;
    for stream in [&mut stream, &mut again] {
        assert_eq!(stream.next_of("incident").await.data["id"], incident.to_string());
    }
}
