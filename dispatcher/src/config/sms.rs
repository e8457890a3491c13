//! The provider that takes our text messages: any that is called over HTTP with a form or with JSON, and says in its
//! answer whether it has the message. Checked here, once, when the dispatcher is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Url};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Secret, is_private_url};

/// A provider that takes longer is tried again; less than what a message is leased for.
pub(crate) const SMS_TAKEN_WITHIN: Duration = Duration::from_secs(5);
/// Shorter keys of the address that statuses are told at are guessed.
const STATUS_KEY_MIN: usize = 16;

/// The provider that takes our text messages (docs/channels.md).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmsSettings {
    /// Where to call: `https`, or `http` on the loopback.
    #[schemars(example = "https://sms.example/v1/send")]
    pub url: String,
    /// `POST`, or `GET`: a form is then the query.
    #[serde(default)]
    pub method: SmsMethod,
    /// Headers; `{key}` stands for the key.
    #[serde(default)]
    #[schemars(example = BTreeMap::from([("Authorization", "Bearer {key}")]))]
    pub headers: BTreeMap<String, String>,
    /// How `body` is written: `json` or `form`.
    #[serde(default)]
    pub format: SmsFormat,
    /// What is said, with `{phone}`, `{text}`, `{id}` and `{key}` in its values.
    #[schemars(example = r#"{"to": "{phone}", "content": "{text}", "ref": "{id}"}"#)]
    pub body: String,
    /// What `{key}` stands for.
    #[schemars(example = "what the provider knows you by")]
    pub key: Option<Secret>,
    /// A file that holds the key, instead of `key`.
    #[schemars(example = "/etc/yidiantong/sms.key")]
    pub key_file: Option<PathBuf>,
    /// Where the answer, which is JSON, says whether the message was taken: a JSON pointer. Without it, every 2xx says so.
    #[schemars(example = "/code")]
    pub success_pointer: Option<String>,
    /// What stands there when it was.
    #[schemars(example = "0")]
    pub success_value: Option<String>,
    /// Where the answer says what the provider calls the message.
    #[schemars(example = "/data/id")]
    pub message_id_pointer: Option<String>,
    /// The key of the address at which the provider tells what became of a message; without it, nobody is listened to.
    #[schemars(example = "32 bytes and more that nobody can guess")]
    pub status_key: Option<Secret>,
    /// Where a status says which message it is about: by `{id}`, or by what the provider calls it.
    #[serde(default = "status_id")]
    pub status_id_pointer: String,
    /// Where a status says what became of it.
    #[serde(default = "status_state")]
    pub status_state_pointer: String,
    /// What stands there when the message has arrived.
    #[serde(default = "status_delivered")]
    pub status_delivered: Vec<String>,
    /// What stands there when it never will. Everything else is on its way.
    #[serde(default = "status_failed")]
    pub status_failed: Vec<String>,
}

fn status_id() -> String {
    "/id".into()
}

fn status_state() -> String {
    "/status".into()
}

fn status_delivered() -> Vec<String> {
    ["DELIVERED", "DELIVRD", "delivered", "SUCCESS"].map(String::from).into()
}

fn status_failed() -> Vec<String> {
    ["UNDELIVERED", "UNDELIV", "undelivered", "FAILED", "failed", "FAIL", "REJECTED", "EXPIRED"]
        .map(String::from)
        .into()
}

/// How a provider is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SmsMethod {
    /// With a body.
    #[default]
    Post,
    /// With a query.
    Get,
}

/// How a provider is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SmsFormat {
    /// As JSON.
    #[default]
    Json,
    /// As a form.
    Form,
}

/// The way to a provider.
#[derive(Debug, Clone)]
pub struct SmsConfig {
    url: Url,
    method: Method,
    headers: Vec<(HeaderName, String)>,
    body: Body,
    key: Secret,
    success: Option<(String, String)>,
    message_id_pointer: Option<String>,
    pub(crate) status: Option<StatusConfig>,
}

/// What is said, with its placeholders. Only values hold them, so that nothing that is filled in can be taken for
/// anything but a value.
#[derive(Debug, Clone)]
enum Body {
    Json(Value),
    Form(Vec<(String, String)>),
}

/// How a provider tells what became of a message.
#[derive(Debug, Clone)]
pub(crate) struct StatusConfig {
    pub(crate) key: Secret,
    id_pointer: String,
    state_pointer: String,
    delivered: Vec<String>,
    failed: Vec<String>,
}

/// What a provider says became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is on the telephone.
    Delivered,
    /// It will never be.
    Failed,
}

/// A message, as it is filled in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filling<'f> {
    pub(crate) phone: &'f str,
    pub(crate) text: &'f str,
    pub(crate) id: &'f str,
}

/// Why text messages cannot be sent as it is set up. None of them says what was set.
#[derive(Debug, thiserror::Error)]
pub enum SmsError {
    /// The provider is reached in the clear over a network.
    #[error("sms.url is to be an address that begins with https:// (http:// to this machine only)")]
    Url,
    /// A header cannot be sent.
    #[error("sms.headers: {name} is no header that can be sent")]
    Header {
        /// Its name.
        name: String,
    },
    /// The body is not of its format.
    #[error("sms.body is not what sms.format says: an object in JSON, or a form such as to={{phone}}&text={{text}}")]
    Body,
    /// A form was meant.
    #[error("sms.method = \"GET\" takes sms.format = \"form\"")]
    Query,
    /// Nobody would be told anything.
    #[error("sms.body must hold {0}")]
    Placeholder(&'static str),
    /// Nothing says what `{key}` is.
    #[error("sms.key or sms.key_file must say what {{key}} is, and only one of them")]
    Key,
    /// The file of the key cannot be read.
    #[error("sms.key_file {} cannot be read", .file.display())]
    KeyFile {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// Only one of the two.
    #[error("sms.success_pointer and sms.success_value belong together")]
    Success,
    /// A pointer is none.
    #[error("sms.{0} is no JSON pointer such as /data/id")]
    Pointer(&'static str),
    /// It can be guessed.
    #[error("sms.status_key takes {STATUS_KEY_MIN} plain characters or more")]
    StatusKey,
}

impl SmsSettings {
    /// The way to it, checked. Reads the key's file.
    pub fn link(&self) -> Result<SmsConfig, SmsError> {
        let url = Url::parse(&self.url).ok().filter(is_private_url).ok_or(SmsError::Url)?;
        let method = match self.method {
            SmsMethod::Post => Method::POST,
            SmsMethod::Get if self.format == SmsFormat::Json => return Err(SmsError::Query),
            SmsMethod::Get => Method::GET,
        };
        let key = self.key()?;
        let headers = self.headers.iter().map(|(name, value)| header(name, value, &key)).collect::<Result<_, _>>()?;
        for placeholder in ["{phone}", "{text}"] {
            if !self.body.contains(placeholder) {
                return Err(SmsError::Placeholder(placeholder));
            }
        }
        let success = match (&self.success_pointer, &self.success_value) {
            (Some(at), Some(value)) => Some((pointer(at, "success_pointer")?, value.clone())),
            (None, None) => None,
            _ => return Err(SmsError::Success),
        };
        let message_id_pointer = self.message_id_pointer.as_deref();
        let message_id_pointer = message_id_pointer.map(|at| pointer(at, "message_id_pointer")).transpose()?;
        let status = self.status_key.as_ref().map(|key| self.status(key)).transpose()?;
        Ok(SmsConfig { url, method, headers, body: self.body()?, key, success, message_id_pointer, status })
    }

    fn key(&self) -> Result<Secret, SmsError> {
        let is_asked_for = self.body.contains("{key}") || self.headers.values().any(|value| value.contains("{key}"));
        match (&self.key, &self.key_file) {
            (Some(key), None) => Ok(key.clone()),
            (None, Some(file)) => match std::fs::read_to_string(file) {
                Ok(text) => Ok(Secret(text.trim().to_owned())),
                Err(cause) => Err(SmsError::KeyFile { file: file.clone(), cause }),
            },
            (None, None) if !is_asked_for => Ok(Secret(String::new())),
            _ => Err(SmsError::Key),
        }
    }

    fn body(&self) -> Result<Body, SmsError> {
        match self.format {
            SmsFormat::Json => {
                let body: Value = serde_json::from_str(&self.body).map_err(|_| SmsError::Body)?;
                if body.is_object() { Ok(Body::Json(body)) } else { Err(SmsError::Body) }
            }
            SmsFormat::Form => {
                // A query is read as forms are.
                let mut read = self.url_of_nobody();
                read.set_query(Some(&self.body));
                let fields: Vec<(String, String)> = read.query_pairs().into_owned().collect();
                if fields.iter().any(|(name, _)| name.is_empty() || name.contains('{')) {
                    return Err(SmsError::Body);
                }
                Ok(Body::Form(fields))
            }
        }
    }

    fn url_of_nobody(&self) -> Url {
        let mut url = Url::parse(&self.url).unwrap_or_else(|_| unreachable!("it was read before"));
        url.set_query(None);
        url
    }

    fn status(&self, key: &Secret) -> Result<StatusConfig, SmsError> {
        if key.0.len() < STATUS_KEY_MIN || !key.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SmsError::StatusKey);
        }
        Ok(StatusConfig {
            key: key.clone(),
            id_pointer: pointer(&self.status_id_pointer, "status_id_pointer")?,
            state_pointer: pointer(&self.status_state_pointer, "status_state_pointer")?,
            delivered: self.status_delivered.clone(),
            failed: self.status_failed.clone(),
        })
    }
}

fn pointer(text: &str, setting: &'static str) -> Result<String, SmsError> {
    text.starts_with('/').then(|| text.to_owned()).ok_or(SmsError::Pointer(setting))
}

fn header(name: &str, value: &str, key: &Secret) -> Result<(HeaderName, String), SmsError> {
    let wrong = || SmsError::Header { name: name.to_owned() };
    let header = HeaderName::try_from(name).map_err(|_| wrong())?;
    HeaderValue::try_from(value.replace("{key}", &key.0)).map_err(|_| wrong())?;
    Ok((header, value.to_owned()))
}

impl SmsConfig {
    /// The call that hands a message to the provider.
    pub(crate) fn request(&self, http: &reqwest::Client, filling: Filling<'_>) -> RequestBuilder {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            if let Ok(mut value) = HeaderValue::try_from(value.replace("{key}", &self.key.0)) {
                value.set_sensitive(true);
                headers.insert(name.clone(), value);
            }
        }
        let request = http.request(self.method.clone(), self.url.clone()).timeout(SMS_TAKEN_WITHIN);
        let request = match &self.body {
            Body::Json(body) => {
                let body = filled(body, &|text| self.fill(text, filling));
                request.header(CONTENT_TYPE, "application/json").body(body.to_string())
            }
            Body::Form(fields) => {
                let fields: Vec<_> = fields.iter().map(|(name, value)| (name, self.fill(value, filling))).collect();
                if self.method == Method::GET { request.query(&fields) } else { request.form(&fields) }
            }
        };
        request.headers(headers)
    }

    fn fill(&self, template: &str, filling: Filling<'_>) -> String {
        // One pass, so that a name that looks like a placeholder stays a name.
        let (mut full, mut rest) = (String::new(), template);
        while let Some(at) = rest.find('{') {
            full.push_str(&rest[..at]);
            rest = &rest[at..];
            let values = [
                ("{phone}", filling.phone),
                ("{text}", filling.text),
                ("{id}", filling.id),
                ("{key}", self.key.0.as_str()),
            ];
            let found = values.into_iter().find(|(placeholder, _)| rest.starts_with(placeholder));
            let (placeholder, value) = found.unwrap_or(("{", "{"));
            full.push_str(value);
            rest = &rest[placeholder.len()..];
        }
        full + rest
    }

    /// What must not be written down, though the provider should say it.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let headers = self.headers.iter().filter(|(_, value)| value.contains("{key}"));
        let headers = headers.map(|(_, value)| value.replace("{key}", &self.key.0));
        headers.chain([self.key.0.clone()]).collect()
    }

    /// Whether an answer with a status of 2xx says that the provider has the message.
    pub(crate) fn is_taken(&self, answer: &[u8]) -> bool {
        self.success.as_ref().is_none_or(|(pointer, value)| said_at(answer, pointer).as_ref() == Some(value))
    }

    /// What the provider calls the message.
    pub(crate) fn message_id(&self, answer: &[u8]) -> Option<String> {
        said_at(answer, self.message_id_pointer.as_deref()?).filter(|id| !id.is_empty() && id.len() <= 200)
    }
}

impl StatusConfig {
    /// Which message a status is about, and what became of it; `None` when it does not say, or is still under way.
    pub(crate) fn read(&self, status: &Value) -> Option<(String, String, Option<Fate>)> {
        let id = word(status.pointer(&self.id_pointer)?)?;
        let state = word(status.pointer(&self.state_pointer)?)?;
        let fate = if self.delivered.contains(&state) {
            Some(Fate::Delivered)
        } else if self.failed.contains(&state) {
            Some(Fate::Failed)
        } else {
            None
        };
        Some((id, state, fate))
    }
}

fn said_at(answer: &[u8], pointer: &str) -> Option<String> {
    word(serde_json::from_slice::<Value>(answer).ok()?.pointer(pointer)?)
}

/// A value as one writes it in settings: without quotes.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn filled(body: &Value, fill: &impl Fn(&str) -> String) -> Value {
    match body {
        Value::String(text) => Value::String(fill(text)),
        Value::Array(items) => items.iter().map(|item| filled(item, fill)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), filled(value, fill))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "hunter2-hunter2-hunter2";

    fn settings(text: &str) -> SmsSettings {
        let table = format!("url = \"https://sms.example/send\"\n{text}");
        toml::from_str(&table).unwrap_or_else(|error| panic!("{error}"))
    }

    fn request(text: &str, filling: Filling<'_>) -> reqwest::Request {
        settings(text).link().unwrap().request(&reqwest::Client::new(), filling).build().unwrap()
    }

    const ODD: Filling<'static> = Filling { phone: "13900000000", text: "说 \"{key}\" & {id}\n", id: "0197" };

    #[test]
    fn whatever_is_filled_in_stays_one_value() {
        let json = request(
            r#"
            headers = { Authorization = "Bearer {key}" }
            key = "hunter2-hunter2-hunter2"
            body = '{"to": ["{phone}"], "content": "{text}", "ref": "{id}", "n": 1}'
            "#,
            ODD,
        );
        let body: Value = serde_json::from_slice(json.body().unwrap().as_bytes().unwrap()).unwrap();
        assert_eq!(body, serde_json::json!({ "to": ["13900000000"], "content": ODD.text, "ref": "0197", "n": 1 }));
        assert_eq!(json.headers()["authorization"], format!("Bearer {KEY}"));
        assert!(!format!("{:?}", json.headers()).contains(KEY));

        let form = request("format = \"form\"\nbody = \"to={phone}&text={text}\"", ODD);
        let body = std::str::from_utf8(form.body().unwrap().as_bytes().unwrap()).unwrap().to_owned();
        assert_eq!(body, "to=13900000000&text=%E8%AF%B4+%22%7Bkey%7D%22+%26+%7Bid%7D%0A");
        let query = request("method = \"GET\"\nformat = \"form\"\nbody = \"to={phone}&text={text}\"", ODD);
        assert!(query.url().query().unwrap().starts_with("to=13900000000&text=%E8%AF%B4"), "{}", query.url());
    }

    #[test]
    fn the_answer_says_whether_it_was_taken_and_what_it_is_called() {
        let sms = settings(
            r#"
            body = '{"to": "{phone}", "content": "{text}"}'
            success_pointer = "/code"
            success_value = "0"
            message_id_pointer = "/data/id"
            "#,
        );
        let sms = sms.link().unwrap();
        assert!(sms.is_taken(br#"{"code": 0, "data": {"id": 17}}"#) && sms.is_taken(br#"{"code": "0"}"#));
        for refused in ["{\"code\": 7}", "{}", "", "OK"] {
            assert!(!sms.is_taken(refused.as_bytes()), "{refused}");
        }
        assert_eq!(sms.message_id(br#"{"data": {"id": 17}}"#).as_deref(), Some("17"));
        assert_eq!(sms.message_id(b"{}"), None);
    }

    #[test]
    fn what_is_set_up_wrongly_is_named_and_the_key_is_not() {
        let body = r#"body = '{"to": "{phone}", "content": "{text} {key}"}'"#;
        let key = format!("key = \"{KEY}\"");
        for (text, named) in [
            (body.to_owned(), "sms.key"),
            (format!("{body}\n{key}\nkey_file = \"/not/there\""), "sms.key"),
            (format!("{body}\nkey_file = \"/not/there\""), "/not/there"),
            (format!("{key}\nbody = '{{phone}} {{text}}'"), "sms.body"),
            (format!("{key}\nbody = '{{\"text\": \"{{text}}\"}}'"), "{phone}"),
            (format!("{body}\n{key}\nmethod = \"GET\""), "sms.method"),
            (format!("{body}\n{key}\nheaders = {{ \"X Y\" = \"{{key}}\" }}"), "X Y"),
            (format!("{body}\n{key}\nheaders = {{ X = \"{{key}}\\n\" }}"), "sms.headers"),
            (format!("{body}\n{key}\nsuccess_pointer = \"/code\""), "sms.success_value"),
            (format!("{body}\n{key}\nsuccess_pointer = \"code\"\nsuccess_value = \"0\""), "sms.success_pointer"),
            (format!("{body}\n{key}\nstatus_key = \"short\""), "sms.status_key"),
        ] {
            let error = settings(&text).link().unwrap_err();
            assert!(error.to_string().contains(named), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
        }
        for url in ["http://sms.example", "ftp://localhost/", "sms.example"] {
            let settings = SmsSettings { url: url.into(), ..settings(&format!("{body}\n{key}")) };
            assert!(matches!(settings.link(), Err(SmsError::Url)), "{url}");
        }
    }

    #[test]
    fn the_key_does_not_print() {
        let settings = settings(&format!(
            "key = \"{KEY}\"\nstatus_key = \"{KEY}\"\nbody = '{{\"a\": \"{{phone}}{{text}}{{key}}\"}}'"
        ));
        assert!(!format!("{settings:?} {:?}", settings.link().unwrap()).contains(KEY));
        assert!(!serde_json::to_string(&settings).unwrap().contains(KEY));
        let error = toml::from_str::<SmsSettings>("url = \"\"\nbody = \"\"\nkey = 12345678901").unwrap_err();
        assert!(!error.message().contains("12345678901"), "{}", error.message());
    }

    #[test]
    fn a_status_says_which_message_and_what_became_of_it() {
        let status = settings(&format!("status_key = \"{KEY}\"\nbody = '{{\"a\": \"{{phone}}{{text}}\"}}'"));
        let status = status.link().unwrap().status.unwrap();
        let read = |text: &str| status.read(&serde_json::from_str(text).unwrap());
        let said = |state: &str, fate| Some(("7".to_owned(), state.to_owned(), fate));
        assert_eq!(read(r#"{"id": 7, "status": "DELIVRD"}"#), said("DELIVRD", Some(Fate::Delivered)));
        assert_eq!(read(r#"{"id": "7", "status": "UNDELIV"}"#), said("UNDELIV", Some(Fate::Failed)));
        assert_eq!(read(r#"{"id": "7", "status": "ROUTED"}"#), said("ROUTED", None));
        assert_eq!(read(r#"{"status": "DELIVRD"}"#), None);
    }
}
