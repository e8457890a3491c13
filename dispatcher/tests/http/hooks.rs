//! What brokers of somebody else's ask, in the words in which they ask it, and the answers that they understand.

use std::sync::Arc;

use dispatcher::hooks;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::directory::{Concentrator, Dialect, Directory, Fingerprint, Terminal, Update, hash_secret};
use wire::internal::{EMQX_AUTHENTICATE, EMQX_AUTHORIZE, Key, RMQTT_ACL, RMQTT_AUTH};
use wire::topics::{Mapping, Mappings};

const SECRET: &str = "a secret & more=";

fn terminal(serial: &str, dialect: Dialect) -> Terminal {
    Terminal {
        serial: serial.into(),
        login: format!("login of {serial}").into(),
        secret_sha256: hash_secret(SECRET.as_bytes()),
        dialect,
        manual_publish_means_help: false,
        profile: None,
        drill: false,
        concentrator: None,
        certificate: None,
    }
}

/// The hooks as they are served, without a database.
struct Hooks {
    base: String,
    client: Client,
    directory: Arc<Directory>,
    _stop: DropGuard,
}

fn key() -> Key {
    Key::of([7; 32])
}

impl Hooks {
    async fn bare() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (directory, stop) = (Arc::new(Directory::default()), CancellationToken::new());
        let routes = hooks::router(Arc::clone(&directory), Some(key()));
        let serving = axum::serve(listener, routes).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(serving.into_future());
        Self { base, client: Client::builder().no_proxy().build().unwrap(), directory, _stop: stop.drop_guard() }
    }

    async fn open() -> Self {
        let hooks = Self::bare().await;
        let concentrator =
            Concentrator { login: "hub".into(), secret_sha256: hash_secret(SECRET.as_bytes()), certificate: None };
        let upserts = vec![
            terminal("P1", Dialect::Ydt),
            terminal("li/phone", Dialect::OwnTracks),
            Terminal { concentrator: Some("hub".into()), ..terminal("P2", Dialect::Ydt) },
            Terminal {
                certificate: Some(Box::new(Fingerprint::of(b"its certificate"))),
                ..terminal("P3", Dialect::Ydt)
            },
            Terminal { profile: Some("g616".into()), ..terminal("8600", Dialect::Mapped) },
            Terminal { concentrator: Some("hub".into()), ..terminal("8601", Dialect::Mapped) },
            // Somebody has called a terminal as gateways are called.
            Terminal { login: "gateway".into(), ..terminal("P4", Dialect::Ydt) },
        ];
        let update = Update { to: 1, upserts, concentrators: vec![concentrator], ..Update::default() };
        hooks.directory.apply(update).unwrap();
        let template = |text: &str| text.parse().unwrap();
        let mapping = |name: &str| Mapping {
            name: name.to_owned(),
            up: vec![template(&format!("{name}/status/{{serial}}"))],
            answers: vec![template(&format!("{name}/cmd/{{serial}}/{{word}}"))],
            down: Some(template(&format!("{name}/cmd/{{serial}}/{{word}}"))),
        };
        hooks.directory.map(Arc::new(Mappings::new(vec![mapping("g616"), mapping("other")]).unwrap()));
        hooks
    }

    /// As `rmqtt-auth-http` posts by default; the body is all that it looks at.
    async fn rmqtt(&self, path: &str, form: &[(&str, &str)]) -> String {
        let answer = self.client.post(format!("{}{path}", self.base)).form(form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(!answer.headers().contains_key("x-superuser") && !answer.headers().contains_key("x-cache"));
        answer.text().await.unwrap()
    }

    /// As EMQX posts a template in JSON.
    async fn emqx(&self, path: &str, body: Value) -> String {
        let answer = self.client.post(format!("{}{path}", self.base)).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "application/json");
        let said: Value = answer.json().await.unwrap();
        assert_eq!(said["is_superuser"], false);
        said["result"].as_str().unwrap().to_owned()
    }

    async fn may(&self, username: &str, action: &str, topic: &str) -> bool {
        let access = if action == "subscribe" { "1" } else { "2" };
        let asked =
            [("access", access), ("username", username), ("clientid", "x"), ("ipaddr", "1.2.3.4"), ("topic", topic)];
        let rmqtt = self.rmqtt(RMQTT_ACL, &asked).await;
        let asked = json!({ "username": username, "clientid": "x", "action": action, "topic": topic, "qos": 1 });
        let emqx = self.emqx(EMQX_AUTHORIZE, asked).await;
        assert_eq!(rmqtt, emqx, "{username} {action} {topic}");
        rmqtt == "allow"
    }
}

#[tokio::test]
async fn whoever_knows_the_secret_of_the_directory_is_let_in_in_the_words_of_either_broker() {
    let hooks = Hooks::open().await;
    for (username, password, answer) in [
        ("login of P1", SECRET, "allow"),
        ("hub", SECRET, "allow"),
        ("login of P1", "another", "deny"),
        ("login of P1", "", "deny"),
        ("P1", SECRET, "deny"),
        ("", "", "deny"),
        // Whose certificate it is, nobody here can see.
        ("login of P3", SECRET, "deny"),
        ("gateway", SECRET, "deny"),
        ("gateway", key().reveal(), "allow"),
    ] {
        let form = [("clientid", "x"), ("username", username), ("password", password)];
        assert_eq!(hooks.rmqtt(RMQTT_AUTH, &form).await, answer, "{username} {password}");
        let body = json!({ "clientid": "x", "username": username, "password": password });
        assert_eq!(hooks.emqx(EMQX_AUTHENTICATE, body.clone()).await, answer, "{username} {password}");
        // RMQTT can be told to speak JSON, and EMQX to speak in forms.
        let answered = hooks.client.post(format!("{}{RMQTT_AUTH}", hooks.base)).json(&body).send().await.unwrap();
        assert_eq!(answered.text().await.unwrap(), answer);
    }
}

#[tokio::test]
async fn a_terminal_speaks_and_listens_below_its_own_topics_only() {
    let hooks = Hooks::open().await;
    for (username, action, topic, may) in [
        ("login of P1", "publish", "ydt/1/P1/alert", true),
        ("login of P1", "subscribe", "ydt/1/P1/notice", true),
        ("login of P1", "subscribe", "ydt/1/P1/#", true),
        ("login of P1", "publish", "ydt/1/P1/notice", false),
        ("login of P1", "publish", "ydt/1/P2/alert", false),
        ("login of P1", "subscribe", "ydt/1/P2/notice", false),
        ("login of P1", "subscribe", "ydt/1/+/notice", false),
        ("login of P1", "subscribe", "$share/g/ydt/1/P1/notice", false),
        ("login of P1", "subscribe", "#", false),
        ("login of li/phone", "publish", "owntracks/li/phone", true),
        ("login of li/phone", "publish", "owntracks/li/other", false),
        ("hub", "publish", "ydt/1/P2/alert", true),
        ("hub", "publish", "ydt/1/P1/alert", false),
        ("hub", "subscribe", "ydt/1/P2/notice", true),
        // Our own door would give it what is its own; another broker gives everybody's.
        ("hub", "subscribe", "ydt/1/+/notice", false),
        ("login of 8600", "publish", "g616/status/8600", true),
        ("login of 8600", "subscribe", "g616/cmd/8600/#", true),
        ("login of 8600", "publish", "g616/status/8601", false),
        ("login of 8600", "subscribe", "g616/cmd/+/MESSAGE", false),
        ("login of 8600", "publish", "other/status/8600", false),
        ("login of 8600", "publish", "ydt/1/8600/alert", false),
        ("hub", "publish", "other/status/8601", true),
        ("hub", "subscribe", "g616/cmd/8601/#", true),
        ("hub", "subscribe", "g616/cmd/8600/#", false),
        ("hub", "subscribe", "g616/cmd/+/#", false),
        ("gateway", "subscribe", "$share/ydt/ydt/1/+/alert", true),
        ("gateway", "publish", "ydt/1/P1/notice", true),
        ("nobody", "publish", "ydt/1/P1/alert", false),
    ] {
        assert_eq!(hooks.may(username, action, topic).await, may, "{username} {action} {topic}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_and_whoever_is_not_known_yet_is_denied() {
    let hooks = Hooks::open().await;
    for body in ["{", "[]", "null", r#"{"username":7}"#, r#"{"username":"login of P1"}"#] {
        for path in [RMQTT_AUTH, RMQTT_ACL, EMQX_AUTHENTICATE, EMQX_AUTHORIZE] {
            let asked = hooks.client.post(format!("{}{path}", hooks.base)).header("content-type", "application/json");
            let answer = asked.body(body).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{path} {body}");
            let said = answer.text().await.unwrap();
            assert!(said == "deny" || said.contains(r#""result":"deny""#), "{path} {body}: {said}");
        }
    }
    let unknown = json!({ "username": "login of P1", "action": "all", "topic": "ydt/1/P1/alert" });
    assert_eq!(hooks.emqx(EMQX_AUTHORIZE, unknown).await, "deny");
    // Nobody knows anybody before there is a directory.
    let bare = Hooks::bare().await;
    let form = [("username", "login of P1"), ("password", SECRET)];
    assert_eq!(bare.rmqtt(RMQTT_AUTH, &form).await, "deny");
}
