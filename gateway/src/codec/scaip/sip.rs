//! As much SIP (RFC 3261, RFC 3428, RFC 3581) as social alarms need: MESSAGE in both directions, and what is polite.
//!
//! Pure: bytes in, messages out. What a real user agent draws at random (tags, branches, Call-IDs) is here a digest of
//! what it answers, so that a request that comes again gets the very same answer.

use std::net::SocketAddr;

use sha2::{Digest as _, Sha256};

use super::super::framing::Cut;

/// The longest message.
pub(in super::super) const FRAME_MAX: usize = HEAD_MAX + BODY_MAX;
const HEAD_MAX: usize = 16 * 1024;
const BODY_MAX: usize = super::xml::MESSAGE_MAX_BYTES;
/// Header lines in one message.
const HEADERS_MAX: usize = 128;
/// The version that everybody speaks.
const VERSION: &str = "SIP/2.0";

/// A message taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'m> {
    /// Its first line.
    pub start: Start<'m>,
    headers: Vec<(String, String)>,
    /// What follows the empty line.
    pub body: &'m [u8],
}

/// A first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start<'m> {
    /// Somebody wants something.
    Request {
        /// MESSAGE, OPTIONS…
        method: &'m str,
        /// Whom it is for.
        uri: &'m str,
    },
    /// Somebody answers.
    Response {
        /// 200 and so on.
        code: u16,
    },
}

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no SIP message: {0}")]
pub struct NoMessage(pub &'static str);

/// Names that may be shortened to one letter.
const SHORT: [(&str, &str); 8] = [
    ("v", "via"),
    ("f", "from"),
    ("t", "to"),
    ("i", "call-id"),
    ("m", "contact"),
    ("c", "content-type"),
    ("l", "content-length"),
    ("k", "supported"),
];

impl<'m> Message<'m> {
    /// Takes a message apart.
    pub fn read(bytes: &'m [u8]) -> Result<Self, NoMessage> {
        let (head, body) = split(bytes).ok_or(NoMessage("its head does not end"))?;
        let head = std::str::from_utf8(head).map_err(|_| NoMessage("its head is not UTF-8"))?;
        let mut lines = head.lines();
        let start = start(lines.next().unwrap_or_default().trim_end()).ok_or(NoMessage("its first line"))?;
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with([' ', '\t']) {
                // A long line goes on in the next.
                let (_, value) = headers.last_mut().ok_or(NoMessage("its headers"))?;
                value.push(' ');
                value.push_str(line.trim());
                continue;
            }
            let (name, value) = line.split_once(':').ok_or(NoMessage("its headers"))?;
            let name = name.trim().to_ascii_lowercase();
            let name = SHORT.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| (*long).to_owned());
            headers.push((name, value.trim().to_owned()));
            if headers.len() > HEADERS_MAX {
                return Err(NoMessage("too many headers"));
            }
        }
        let message = Self { start, headers, body };
        // Over UDP the datagram may be longer than what it says, and what is beyond is to be left out.
        let told = message.header("content-length").map(str::parse::<usize>);
        match told {
            None => Ok(message),
            Some(Ok(len)) => match body.get(..len) {
                Some(body) => Ok(Self { body, ..message }),
                None => Ok(message),
            },
            Some(Err(_)) => Err(NoMessage("its content length")),
        }
    }

    /// The first header of this name, in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(told, _)| told == name).map(|(_, value)| value.as_str())
    }

    fn headers<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h str> {
        self.headers.iter().filter(move |(told, _)| told == name).map(|(_, value)| value.as_str())
    }

    /// Whether the body is shorter than it says.
    pub fn is_cut_short(&self) -> bool {
        let len = self.header("content-length").and_then(|len| len.parse::<usize>().ok());
        len.is_some_and(|len| self.body.len() < len)
    }

    /// The user in its From.
    pub fn from_user(&self) -> Option<&str> {
        let uri = uri(self.header("from")?);
        let rest = uri.split_once(':')?.1;
        Some(rest.split_once('@').map_or(rest, |(user, _)| user).split([';', ':']).next().unwrap_or(rest))
    }

    /// Whether it says of itself that it is a social alarm.
    pub fn is_social_alarm(&self) -> bool {
        let told = self.header("content-type").unwrap_or_default();
        told.get(..super::CONTENT_TYPE.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(super::CONTENT_TYPE))
    }

    /// Whether everything is there that an answer needs.
    pub fn is_answerable(&self) -> bool {
        ["via", "from", "to", "call-id", "cseq"].into_iter().all(|name| self.header(name).is_some())
    }

    /// What makes its transaction this one (RFC 3261, 17.1.3 and 17.2.3): the same in a request, in the same request
    /// again, and in its answers.
    pub fn transaction(&self) -> String {
        let via = self.header("via").unwrap_or_default();
        let mut parameters = via.split([';', ',']).map(str::trim);
        let branch = parameters.find_map(|parameter| parameter.strip_prefix("branch=")).unwrap_or_default();
        let part = |name| self.header(name).unwrap_or_default();
        [branch, part("call-id"), part("cseq"), part("from")].join("\n")
    }

    /// A digest of what makes this transaction this one.
    fn digest(&self, salt: &str) -> String {
        let mut hasher = Sha256::new();
        for part in [Some(salt), self.header("call-id"), self.header("cseq"), self.header("from"), self.header("via")] {
            hasher.update(part.unwrap_or_default());
            hasher.update([0]);
        }
        hex::encode(hasher.finalize())[..24].to_owned()
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (at, len) = end_of_head(bytes)?;
    Some((bytes.get(..at)?, bytes.get(at + len..)?))
}

/// Where the empty line is that ends the head, and how long its line ends are.
fn end_of_head(bytes: &[u8]) -> Option<(usize, usize)> {
    let found = |pattern: &[u8]| {
        let at = bytes.windows(pattern.len()).position(|window| window == pattern);
        at.map(|at| (at, pattern.len()))
    };
    match (found(b"\r\n\r\n"), found(b"\n\n")) {
        (Some(one), Some(other)) => Some(if one.0 <= other.0 { one } else { other }),
        (one, other) => one.or(other),
    }
}

fn start(line: &str) -> Option<Start<'_>> {
    let mut words = line.split(' ');
    let (first, second, third) = (words.next()?, words.next()?, words.next());
    if first == VERSION {
        return Some(Start::Response { code: second.parse().ok().filter(|code| (100..700).contains(code))? });
    }
    let is_method = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_method && third == Some(VERSION)).then_some(Start::Request { method: first, uri: second })
}

/// The address in a From, To or Contact: within angle brackets, or up to the first parameter.
fn uri(header: &str) -> &str {
    match header.split_once('<') {
        Some((_, rest)) => rest.split_once('>').map_or(rest, |(uri, _)| uri).trim(),
        None => header.split(';').next().unwrap_or(header).trim(),
    }
}

/// Finds the next message in a stream (TCP, TLS): the head, and as much as its Content-Length says.
pub(in super::super) fn cut(bytes: &[u8]) -> Cut {
    // Empty lines between messages keep a connection open.
    let filling = bytes.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0).count();
    let rest = bytes.get(filling..).unwrap_or_default();
    let Some(line_end) = rest.iter().position(|byte| *byte == b'\n') else {
        return if rest.len() > HEAD_MAX {
            Cut::junk(filling + rest.len(), "a line without an end")
        } else {
            Cut::More
        };
    };
    let line = rest.get(..line_end).and_then(|line| std::str::from_utf8(line).ok()).map(str::trim_end);
    if line.and_then(start).is_none() {
        return Cut::junk(filling + line_end + 1, "no SIP message begins there");
    }
    let Some((head, gap)) = end_of_head(rest) else {
        return if rest.len() > HEAD_MAX {
            Cut::junk(filling + line_end + 1, "a head without an end")
        } else {
            Cut::More
        };
    };
    let len = rest.get(..head).map_or(Some(0), content_length);
    let Some(len) = len.filter(|len| head <= HEAD_MAX && *len <= BODY_MAX) else {
        return Cut::junk(filling + head + gap, "a length that no message has");
    };
    let end = head + gap + len;
    if rest.len() < end { Cut::More } else { Cut::Frame { range: filling..filling + end, taken: filling + end } }
}

/// A datagram is one message, whatever length it tells.
pub(in super::super) fn whole(bytes: &[u8]) -> Cut {
    let filling = bytes.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0).count();
    let line = bytes.get(filling..).unwrap_or_default().split(|byte| *byte == b'\n').next().unwrap_or_default();
    match std::str::from_utf8(line).ok().map(str::trim_end).and_then(start) {
        Some(_) => Cut::Frame { range: filling..bytes.len(), taken: bytes.len() },
        None => Cut::junk(bytes.len(), "no SIP message begins there"),
    }
}

/// What a message is about: its body, which stays the same when a unit sends it again in another transaction; else all
/// of it.
pub(crate) fn content(bytes: &[u8]) -> &[u8] {
    match Message::read(bytes.trim_ascii_start()) {
        Ok(Message { start: Start::Request { method: "MESSAGE", .. }, body, .. }) if !body.is_empty() => body,
        _ => bytes,
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let told = lines.find(|(name, _)| {
        let name = name.trim();
        name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("l")
    });
    told.map_or(Some(0), |(_, value)| value.trim().parse().ok())
}

/// An answer to a request; `source` is where it came from.
pub fn response(
    request: &Message<'_>,
    (code, reason): (u16, &str),
    source: Option<SocketAddr>,
    body: Option<&str>,
) -> Vec<u8> {
    let header = |name| request.header(name).unwrap_or_default();
    let to = header("to");
    let tag = if to.contains(";tag=") { String::new() } else { format!(";tag={}", request.digest("tag")) };
    let mut head = vec![format!("{VERSION} {code} {reason}")];
    for (at, via) in request.headers("via").enumerate() {
        let via = if at == 0 { received(via, source) } else { via.to_owned() };
        head.push(format!("Via: {via}"));
    }
    head.push(format!("From: {}", header("from")));
    head.push(format!("To: {to}{tag}"));
    head.push(format!("Call-ID: {}", header("call-id")));
    head.push(format!("CSeq: {}", header("cseq")));
    let is_options = header("cseq").ends_with("OPTIONS");
    if code == 405 || is_options {
        head.push("Allow: MESSAGE, OPTIONS".to_owned());
    }
    if code == 415 || is_options {
        head.push(format!("Accept: {}, application/xml", super::CONTENT_TYPE));
    }
    with_body(head, body)
}

/// The topmost Via with where the request really came from (RFC 3261 18.2.1, RFC 3581).
fn received(via: &str, source: Option<SocketAddr>) -> String {
    let Some(source) = source else { return via.to_owned() };
    let mut values = via.splitn(2, ',');
    let (first, others) = (values.next().unwrap_or_default(), values.next());
    let mut first = first.trim_end().to_owned();
    let asks_for_port = first.split(';').any(|parameter| parameter.trim().eq_ignore_ascii_case("rport"));
    let sent_by = first.split_whitespace().nth(1).unwrap_or_default().split(';').next().unwrap_or_default();
    let host = sent_by.parse::<SocketAddr>().map_or_else(|_| sent_by.to_owned(), |addr| addr.ip().to_string());
    let is_there = host.trim_matches(['[', ']']) == source.ip().to_string();
    if asks_for_port {
        let parameters = first.split(';').map(|parameter| {
            let is_it = parameter.trim().eq_ignore_ascii_case("rport");
            if is_it { format!("rport={}", source.port()) } else { parameter.to_owned() }
        });
        first = parameters.collect::<Vec<_>>().join(";");
    }
    if asks_for_port || !is_there {
        first = format!("{first};received={}", source.ip());
    }
    match others {
        Some(others) => format!("{first},{others}"),
        None => first,
    }
}

/// A MESSAGE of our own that goes back to whoever sent a request. `local` is the address that we are reached at.
pub fn message_back(request: &Message<'_>, local: &str, body: &str) -> Vec<u8> {
    let header = |name| request.header(name).unwrap_or_default();
    let (to, from) = (uri(header("from")), uri(header("to")));
    let target = request.header("contact").map(uri).filter(|uri| uri.contains(':')).unwrap_or(to);
    let via = header("via");
    let transport = via.split_whitespace().next().and_then(|protocol| protocol.rsplit('/').next()).unwrap_or("UDP");
    let transport = if transport.is_empty() { "UDP" } else { transport };
    let (branch, tag, call_id) = (request.digest("branch"), request.digest("our tag"), request.digest("call"));
    let head = vec![
        format!("MESSAGE {target} {VERSION}"),
        format!("Via: {VERSION}/{transport} {local};branch=z9hG4bK{branch};rport"),
        "Max-Forwards: 70".to_owned(),
        format!("From: <{from}>;tag={tag}"),
        format!("To: <{to}>"),
        format!("Call-ID: {call_id}"),
        "CSeq: 1 MESSAGE".to_owned(),
    ];
    with_body(head, Some(body))
}

/// The lines of a head, with those that the body asks for, and the body.
fn with_body(mut head: Vec<String>, body: Option<&str>) -> Vec<u8> {
    if body.is_some() {
        head.push(format!("Content-Type: {}", super::CONTENT_TYPE));
    }
    let body = body.unwrap_or_default();
    head.push(format!("Content-Length: {}", body.len()));
    format!("{}\r\n\r\n{body}", head.join("\r\n")).into_bytes()
}
