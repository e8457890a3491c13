//! A simulated mail server: takes what it is sent over SMTP, keeps the last letters and shows them on a
//! page, and can put off, refuse or hang.
//!
//! It listens twice, like the [`crate::centre`]: for SMTP, and for whoever looks. `GET /mailbox` is the
//! page, `GET /mailbox.json` the same for programs, `PUT /behaviour` changes what it does. It knows no
//! passwords and no TLS: keep it on the loopback.

use std::collections::{HashMap, VecDeque};
use std::future::IntoFuture as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, put};
use axum::{Json, Router};
use jiff::Timestamp;
use mail_parser::MessageParser;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Letters kept; the oldest is forgotten first.
const LETTERS_MAX: usize = 500;
/// The longest line that a client may send, and the longest letter.
const LINE_MAX_BYTES: u64 = 4 * 1024;
const LETTER_MAX_BYTES: usize = 256 * 1024;

/// What a mailbox does with what it is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Behaviour {
    /// Takes it.
    #[default]
    Take,
    /// Says "later" (450) to the first tries for each recipient, then takes it.
    PutOff {
        /// How many.
        times: u32,
    },
    /// Says that there is no such mailbox (550).
    Refuse,
    /// Takes the connection and never says a word.
    Hang,
}

/// A letter that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// When.
    pub at: Timestamp,
    /// Whom it is from, on the envelope.
    pub from: String,
    /// Whom it is for, on the envelope.
    pub to: Vec<String>,
    /// Its subject, decoded.
    pub subject: String,
    /// Its text, decoded.
    pub text: String,
    /// Its identity, the same in a copy.
    pub message_id: String,
}

/// Why a mailbox does not start, or has ended.
#[derive(Debug, thiserror::Error)]
#[error("the mailbox cannot listen")]
pub struct MailboxError(#[from] io::Error);

/// A mailbox that runs as a task.
#[derive(Debug)]
pub struct Mailbox {
    smtp_addr: SocketAddr,
    page_addr: SocketAddr,
    room: Arc<Room>,
    servers: [JoinHandle<io::Result<()>>; 2],
}

/// The mailbox's inside.
#[derive(Debug)]
struct Room {
    letters: watch::Sender<VecDeque<Letter>>,
    behaviour: watch::Sender<Behaviour>,
    put_off: Mutex<HashMap<String, u32>>,
    stop: CancellationToken,
}

/// Starts one on the loopback, on ports of the system's choice, until `stop`.
pub async fn start(behaviour: Behaviour, stop: CancellationToken) -> Result<Mailbox, MailboxError> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let smtp = TcpListener::bind(any).await?;
    let page = TcpListener::bind(any).await?;
    let (smtp_addr, page_addr) = (smtp.local_addr()?, page.local_addr()?);
    let room = Arc::new(Room {
        letters: watch::Sender::default(),
        behaviour: watch::Sender::new(behaviour),
        put_off: Mutex::default(),
        stop: stop.clone(),
    });
    let router = Router::new()
        .route("/mailbox", get(show))
        .route("/mailbox.json", get(list))
        .route("/behaviour", put(change_behaviour))
        .with_state(Arc::clone(&room));
    let serving = axum::serve(page, router).with_graceful_shutdown(stop.cancelled_owned()).into_future();
    let servers = [tokio::spawn(accept(smtp, Arc::clone(&room))), tokio::spawn(serving)];
    Ok(Mailbox { smtp_addr, page_addr, room, servers })
}

impl Mailbox {
    /// How a sender reaches it.
    pub fn smtp_url(&self) -> String {
        format!("smtp://{}", self.smtp_addr)
    }

    /// Where a person sees the letters.
    pub fn page_url(&self) -> String {
        format!("http://{}/mailbox", self.page_addr)
    }

    /// What it has taken, oldest first; tells of every letter that comes.
    pub fn letters(&self) -> watch::Receiver<VecDeque<Letter>> {
        self.room.letters.subscribe()
    }

    /// Changes what it does from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.room.behaviour.send_replace(behaviour);
    }

    /// Waits until it has been stopped.
    pub async fn stopped(self) -> Result<(), MailboxError> {
        for server in self.servers {
            server.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        }
        Ok(())
    }
}

async fn accept(listener: TcpListener, room: Arc<Room>) -> io::Result<()> {
    while let Some(accepted) = room.stop.run_until_cancelled(listener.accept()).await {
        let (stream, _) = accepted?;
        let room = Arc::clone(&room);
        tokio::spawn(async move {
            let stop = room.stop.clone();
            if let Some(Err(cause)) = stop.run_until_cancelled(converse(stream, &room)).await {
                tracing::debug!(%cause, "a client of the mailbox went away");
            }
        });
    }
    Ok(())
}

/// One SMTP session (RFC 5321), as much of it as senders need.
async fn converse(stream: TcpStream, room: &Room) -> io::Result<()> {
    if *room.behaviour.borrow() == Behaviour::Hang {
        std::future::pending::<()>().await;
    }
    let mut stream = BufReader::new(stream);
    let (mut from, mut to) = (String::new(), Vec::new());
    stream.write_all(b"220 mailbox.invalid ESMTP simulated\r\n").await?;
    while let Some(line) = read_line(&mut stream).await? {
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        let (verb, rest) = line.split_once([' ', ':']).unwrap_or((&line, ""));
        let answer = match verb.to_ascii_uppercase().as_str() {
            "EHLO" => "250-mailbox.invalid\r\n250 8BITMIME".to_owned(),
            "HELO" | "NOOP" | "RSET" => "250 2.0.0 OK".to_owned(),
            "MAIL" => {
                (from, to) = (address(rest), Vec::new());
                "250 2.1.0 OK".to_owned()
            }
            "RCPT" => {
                let address = address(rest);
                let answer = room.receive(&address);
                if answer.starts_with("250") {
                    to.push(address);
                }
                answer.to_owned()
            }
            "DATA" if to.is_empty() => "503 5.5.1 no recipient".to_owned(),
            "DATA" => {
                stream.write_all(b"354 go ahead\r\n").await?;
                match read_letter(&mut stream).await? {
                    Some(raw) => format!("250 2.0.0 OK: queued as {}", room.keep(&from, std::mem::take(&mut to), &raw)),
                    None => "552 5.3.4 too large".to_owned(),
                }
            }
            "QUIT" => {
                stream.write_all(b"221 2.0.0 bye\r\n").await?;
                return Ok(());
            }
            _ => "502 5.5.1 what?".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await?;
        stream.write_all(b"\r\n").await?;
    }
    Ok(())
}

/// One line with its end; `None` when the client has gone.
async fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    stream.take(LINE_MAX_BYTES).read_until(b'\n', &mut line).await?;
    Ok((!line.is_empty()).then_some(line))
}

/// Everything up to the line with a lone dot; `None` when it is too large.
async fn read_letter(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let (mut letter, mut is_too_large) = (Vec::new(), false);
    loop {
        let line = read_line(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line == b".\r\n" {
            return Ok((!is_too_large).then_some(letter));
        }
        is_too_large |= letter.len() + line.len() > LETTER_MAX_BYTES;
        if !is_too_large {
            // A dot at the beginning was doubled on the way.
            letter.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }
}

/// What stands between the angle brackets of a path.
fn address(path: &str) -> String {
    let path = path.split_once('<').map_or(path, |(_, path)| path);
    path.split('>').next().unwrap_or_default().trim().to_owned()
}

impl Room {
    fn receive(&self, address: &str) -> &'static str {
        match *self.behaviour.borrow() {
            Behaviour::Take | Behaviour::Hang => "250 2.1.5 OK",
            Behaviour::Refuse => "550 5.1.1 no such mailbox",
            Behaviour::PutOff { times } => {
                let mut put_off = self.put_off.lock();
                let tries = put_off.entry(address.to_owned()).or_default();
                *tries += 1;
                if *tries <= times { "450 4.2.0 try again later" } else { "250 2.1.5 OK" }
            }
        }
    }

    /// Keeps a letter, and gives it a number.
    fn keep(&self, from: &str, to: Vec<String>, raw: &[u8]) -> usize {
        let parsed = MessageParser::default().parse(raw);
        let read = |field: Option<&str>| field.unwrap_or_default().to_owned();
        let letter = Letter {
            at: clock::now(),
            from: from.to_owned(),
            to,
            subject: read(parsed.as_ref().and_then(|parsed| parsed.subject())),
            text: parsed.as_ref().and_then(|parsed| parsed.body_text(0)).unwrap_or_default().into_owned(),
            message_id: read(parsed.as_ref().and_then(|parsed| parsed.message_id())),
        };
        let mut number = 0;
        self.letters.send_modify(|letters| {
            letters.push_back(letter);
            if letters.len() > LETTERS_MAX {
                letters.pop_front();
            }
            number = letters.len();
        });
        number
    }
}

async fn list(State(room): State<Arc<Room>>) -> Json<VecDeque<Letter>> {
    Json(room.letters.borrow().clone())
}

async fn change_behaviour(State(room): State<Arc<Room>>, Json(behaviour): Json<Behaviour>) -> StatusCode {
    room.behaviour.send_replace(behaviour);
    StatusCode::NO_CONTENT
}

/// The newest letter first.
async fn show(State(room): State<Arc<Room>>) -> Html<String> {
    let letters: Vec<String> = room.letters.borrow().iter().rev().map(article).collect();
    let letters = letters.concat();
    let letters = if letters.is_empty() { "<p>还没有邮件 No mail yet.</p>".to_owned() } else { letters };
    Html(format!(
        "<!doctype html><html lang=\"zh\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"3\">\
         <title>邮箱 Mailbox</title><style>body{{font-family:sans-serif;max-width:44rem;margin:2rem auto}}\
         article{{border-top:1px solid #ccc}}h2{{font-size:1.1rem}}pre{{white-space:pre-wrap}}</style>\
         <h1>模拟邮箱 Simulated mailbox</h1>\n{letters}</html>"
    ))
}

fn article(letter: &Letter) -> String {
    format!(
        "<article><h2>{}</h2><p>{} → {}</p><pre>{}</pre></article>\n",
        escape(&letter.subject),
        escape(&letter.at.to_string()),
        escape(&letter.to.join(", ")),
        escape(&letter.text),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
