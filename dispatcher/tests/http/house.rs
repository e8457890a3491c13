//! A call centre small enough to be seen whole, served on a port of its own, and callers of it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use dispatcher::access::Role;
use dispatcher::config::{CentreConfig, Certificates, Config, Secret};
use dispatcher::desk::Desk;
use dispatcher::http::{self, Api, Surroundings, password};
use dispatcher::store::registry::{self, NewNode, NewResident, NewResponder};
use dispatcher::{clock, store};
use domain::id::{IncidentId, ResidentId, ResponderId, UserId};
use domain::incident::{Centre, Input};
use domain::place::{Position, Source};
use domain::press::AlertKind;
use futures_util::{Stream, StreamExt as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::directory::{Dialect, Terminal, hash_secret};
use wire::receipt::Outcome;
use wire::report::{Event, Fix, Freshness, Report, Stamp, VERSION};
use wire::topics::Lane;

/// Nothing that a test waits for takes longer.
pub(crate) const SOON: Duration = Duration::from_mins(2);
/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// The second responder's token; the first has a login.
pub(crate) const TOKEN: &str = "responder-token-0123456789abcdef";
/// 120's secret; 119 has another.
pub(crate) const SECRET_120: &str = "secret of 120";
pub(crate) const SECRET_119: &str = "secret of 119";

pub(crate) struct House {
    pub(crate) pool: PgPool,
    pub(crate) desk: Desk,
    pub(crate) base: String,
    pub(crate) client: reqwest::Client,
    pub(crate) resident: ResidentId,
    /// Near, with the login `responder`.
    pub(crate) near: ResponderId,
    /// Further away, with [`TOKEN`].
    pub(crate) far: ResponderId,
    pub(crate) operator: UserId,
    seq: std::sync::atomic::AtomicU32,
    _stop: DropGuard,
}

/// A caller with what it needs to say.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    Nobody,
    Cookie { cookie: String, csrf: String },
    Token(String),
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or("")
    }

    pub(crate) fn reason(&self) -> &str {
        self.body["error"]["reason"].as_str().unwrap_or("")
    }
}

impl House {
    pub(crate) async fn open(pool: PgPool) -> Self {
        Self::open_with(pool, Config::default()).await
    }

    /// With the two centres, and whatever else is reached.
    pub(crate) async fn open_with(pool: PgPool, config: Config) -> Self {
        let (resident, near, far, operator) = furnish(&pool).await;
        let centre = |centre, secret: &str| {
            let (url, secret) = ("http://127.0.0.1:1".into(), Secret(secret.into()));
            CentreConfig::new(centre, url, secret, &Certificates::default()).unwrap()
        };
        let config =
            Config { centres: vec![centre(Centre::Ambulance, SECRET_120), centre(Centre::Fire, SECRET_119)], ..config };
        let desk = Desk::new(pool.clone(), Arc::new(config));
        desk.open();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let surroundings = Surroundings { profiles: vec![crate::profiles::outline()], ..Surroundings::default() };
        tokio::spawn(http::serve(listener, Api::new(desk.clone(), surroundings), stop.clone()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let seq = std::sync::atomic::AtomicU32::new(1);
        Self { pool, desk, base, client, resident, near, far, operator, seq, _stop: stop.drop_guard() }
    }

    pub(crate) async fn call(&self, caller: &Caller, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.call_with(caller, method, path, body, &[]).await
    }

    pub(crate) async fn call_with(
        &self,
        caller: &Caller,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).timeout(SOON);
        request = match caller {
            Caller::Nobody => request,
            Caller::Cookie { cookie, csrf } => request.header("cookie", cookie).header("x-csrf-token", csrf),
            Caller::Token(token) => request.bearer_auth(token),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let is_stream = headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let text = if is_stream { String::new() } else { response.text().await.unwrap() };
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    pub(crate) async fn get(&self, caller: &Caller, path: &str) -> Answer {
        self.call(caller, Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, caller: &Caller, path: &str, body: Value) -> Answer {
        self.call(caller, Method::POST, path, Some(body)).await
    }

    pub(crate) async fn try_log_in(&self, login: &str, password: &str) -> Answer {
        self.post(&Caller::Nobody, "/api/v1/session", json!({ "login": login, "password": password })).await
    }

    pub(crate) async fn log_in(&self, login: &str) -> Caller {
        let answer = self.try_log_in(login, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let cookie = answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        Caller::Cookie { cookie, csrf: answer.body["csrf"].as_str().unwrap().to_owned() }
    }

    /// A press on the resident's pager, and what the policy does about it.
    pub(crate) async fn press(&self) -> IncidentId {
        self.press_of("P1").await
    }

    /// A press on a pager.
    pub(crate) async fn press_of(&self, serial: &str) -> IncidentId {
        let seq = self.seq.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let report = Report {
            version: VERSION,
            id: clock::fresh_id(),
            serial: serial.into(),
            dialect: Dialect::Ydt,
            authenticated: true,
            drill: false,
            lane: Lane::Alert,
            topic: format!("ydt/1/{serial}/alert"),
            received_at: clock::now(),
            repeated: false,
            raw: format!("press {seq}").into_bytes(),
            stamp: Stamp { boot: Some(1), seq: Some(seq), device_at: None },
            event: Some(Event::Alert { kind: AlertKind::Sos }),
            fixes: vec![Fix {
                lat_deg: 28.2281,
                lon_deg: 112.9381,
                accuracy_m: Some(8.0),
                device_at: None,
                source: Source::Gnss,
                speed_kmh: None,
                course_deg: None,
                altitude_m: None,
                freshness: Freshness::Live,
            }],
            status: None,
            also: Vec::new(),
            surroundings: wire::report::Surroundings::default(),
            vitals: Vec::new(),
            doubts: vec![],
        };
        let receipts = self.desk.take(&[report]).await.unwrap();
        let Outcome::Committed { incident: Some(id) } = receipts[0].outcome else { panic!("{receipts:?}") };
        self.desk.apply(IncidentId(id), Input::Wake).await.unwrap();
        IncidentId(id)
    }

    /// Somebody else who wears a pager, born in a year.
    pub(crate) async fn neighbour(&self, serial: &str, name: &str, born_in: i16) {
        let mut conn = self.pool.acquire().await.unwrap();
        let node = sqlx::query_scalar("select serving_node from resident where id = $1").bind(self.resident.0);
        let neighbour = NewResident {
            name,
            sex: "male",
            born_in,
            phone: "0731-80000009",
            category: "空巢",
            address: "湘雅路 2 号",
            door_access: "",
            home: Position::new(28.228, 112.938).unwrap(),
            node: node.fetch_one(&mut *conn).await.unwrap(),
            handover_policy: None,
            medical_card: "无",
            contacts: &[],
        };
        let resident = registry::add_resident(&mut conn, &neighbour).await.unwrap();
        let terminal = Terminal {
            serial: serial.into(),
            login: serial.into(),
            secret_sha256: hash_secret(b"secret"),
            dialect: Dialect::Ydt,
            manual_publish_means_help: false,
            profile: None,
            drill: false,
            concentrator: None,
            certificate: None,
        };
        registry::put_terminal(&mut conn, &terminal, "sim", Some(resident)).await.unwrap();
    }

    /// A fence of 300 m around the resident's home.
    pub(crate) async fn fence(&self) -> uuid::Uuid {
        let admin = self.log_in("admin").await;
        let shape = json!({ "type": "circle", "center": [112.938, 28.228], "radius_m": 300.0 });
        let path = format!("/api/v1/residents/{}/fences", self.resident);
        let answer = self.post(&admin, &path, json!({ "name": "家附近", "shape": shape })).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.body["id"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn scalar<T>(&self, sql: &'static str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.pool).await.unwrap();
    }

    /// Opens a stream, or gives the answer why not.
    pub(crate) async fn follow(
        &self,
        caller: &Caller,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Followed, Answer> {
        let mut request = self.client.get(format!("{}{path}", self.base));
        request = match caller {
            Caller::Nobody => request,
            Caller::Cookie { cookie, .. } => request.header("cookie", cookie),
            Caller::Token(token) => request.bearer_auth(token),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = tokio::time::timeout(SOON, request.send()).await.unwrap().unwrap();
        if response.status() != StatusCode::OK {
            let (status, headers) = (response.status(), response.headers().clone());
            let body = response.json().await.unwrap_or(Value::Null);
            return Err(Answer { status, headers, body });
        }
        let bytes = response.bytes_stream().map(|piece| piece.map(|bytes| bytes.to_vec()));
        Ok(Followed { bytes: Box::pin(bytes), text: String::new(), events: VecDeque::new() })
    }
}

/// An event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) event: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

/// A stream that is followed.
pub(crate) struct Followed {
    bytes: Pin<Box<dyn Stream<Item = reqwest::Result<Vec<u8>>> + Send>>,
    text: String,
    events: VecDeque<Told>,
}

impl Followed {
    /// The next event, soon; `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        tokio::time::timeout(SOON, self.read()).await.expect("an event comes soon")
    }

    /// The next event of a name, soon.
    pub(crate) async fn next_of(&mut self, event: &str) -> Told {
        loop {
            let told = self.next().await.expect("the stream goes on");
            if told.event == event {
                return told;
            }
        }
    }

    async fn read(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.events.pop_front() {
                return Some(told);
            }
            let piece = self.bytes.next().await?.ok()?;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
            while let Some(end) = self.text.find("\n\n") {
                let message: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    message.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
                };
                // A comment says only that the stream is alive.
                let Some(data) = field("data:") else { continue };
                let data = serde_json::from_str(&data).unwrap();
                self.events.push_back(Told { event: field("event:").unwrap(), id: field("id:"), data });
            }
        }
    }
}

async fn furnish(pool: &PgPool) -> (ResidentId, ResponderId, ResponderId, UserId) {
    let mut conn = pool.acquire().await.unwrap();
    let district = registry::name_root(&mut conn, "district", "开福区").await.unwrap();
    let mut communities = Vec::new();
    for name in ["湘雅社区", "江湾社区"] {
        let community = NewNode { parent: district, level: "community", name, handover_policy: None };
        communities.push(registry::add_node(&mut conn, &community).await.unwrap());
    }
    let (community, elsewhere) = (communities[0], communities[1]);
    let resident = NewResident {
        name: "陈秀英",
        sex: "female",
        born_in: 1941,
        phone: "0731-80000001",
        category: "空巢",
        address: "湘雅路 1 号",
        door_access: "钥匙在邻居家",
        home: Position::new(28.228, 112.938).unwrap(),
        node: community,
        handover_policy: None,
        medical_card: "高血压",
        contacts: &[("陈明", "儿子", "13800000000")],
    };
    let resident = registry::add_resident(&mut conn, &resident).await.unwrap();
    let terminal = Terminal {
        serial: "P1".into(),
        login: "P1".into(),
        secret_sha256: hash_secret(b"secret"),
        dialect: Dialect::Ydt,
        manual_publish_means_help: false,
        profile: None,
        drill: false,
        concentrator: None,
        certificate: None,
    };
    registry::put_terminal(&mut conn, &terminal, "sim", Some(resident)).await.unwrap();

    let hash = password::hash(PASSWORD).unwrap();
    let mut users = Vec::new();
    for (login, role, node) in [
        ("operator", Role::Operator, district),
        ("operator2", Role::Operator, community),
        ("supervisor", Role::Supervisor, district),
        ("admin", Role::Admin, district),
        ("responder", Role::Responder, district),
        // Has the role and is nobody in the field.
        ("stranger", Role::Responder, district),
        ("grid officer", Role::GridOfficer, community),
        // The same roles, over people who are not in this story.
        ("operator elsewhere", Role::Operator, elsewhere),
        ("supervisor elsewhere", Role::Supervisor, elsewhere),
        ("admin elsewhere", Role::Admin, elsewhere),
        ("grid officer elsewhere", Role::GridOfficer, elsewhere),
    ] {
        users.push(registry::put_user(&mut conn, login, login, &[(role, node)], &hash).await.unwrap());
    }
    let categories = ["emergency".to_owned()];
    let provider = registry::add_provider(&mut conn, "康乐家政", "0731-80000002", district, &categories).await.unwrap();
    let near = NewResponder {
        provider,
        user: Some(users[4]),
        name: "李卫",
        phone: "13900000001",
        token_sha256: None,
        place: Some(Position::new(28.2285, 112.9385).unwrap()),
    };
    let far = NewResponder {
        provider,
        user: None,
        name: "张兰",
        phone: "13900000002",
        token_sha256: Some(hash_secret(TOKEN.as_bytes())),
        place: Some(Position::new(28.240, 112.950).unwrap()),
    };
    let near = registry::add_responder(&mut conn, &near).await.unwrap();
    let far = registry::add_responder(&mut conn, &far).await.unwrap();
    (resident, near, far, users[0])
}

/// Where an incident's last event is, as the API says it.
pub(crate) async fn cursor_of(house: &House, id: IncidentId) -> String {
    let mut moment = store::moment(&house.pool).await.unwrap();
    store::live::last_of(&mut moment, &[id.0]).await.unwrap()[0].cursor.to_string()
}
