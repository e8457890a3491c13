//! Sends what decisions wrote: leases due messages, checks each against its incident, hands it to its
//! channel, records what the far end said. Nothing waits in memory: what is not taken lies in the database until its
//! next try.

mod centre;
mod email;
mod push;
mod responder;
mod sms;
mod webhook;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use domain::id::{HandoverId, IncidentId};
use domain::incident::Input;
use futures_util::future::join_all;
use jiff::SignedDuration;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wire::command::{Carried, Order};
use wire::notice::Notice;
use wire::signature;

use crate::clock;
use crate::desk::Desk;
use crate::store::outbox::{self, Attempt, Channel, Message, Said, Still, Tried};
use crate::store::{StoreError, contacts};
use crate::together::{Book, Writing, writing};

/// How often it is looked for messages when nobody says that there are some.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// While many cases wait to be decided so long is waited for more messages, before it is looked for those to send.
const GATHER_FOR: Duration = Duration::from_millis(200);
/// How many are on their way at once, by each channel.
const LEASED_MAX: usize = 64;
/// The desk is told of so many messages at once.
const TOLD_MAX: usize = 16;
/// More of an answer than this is not read.
const ANSWER_MAX_BYTES: usize = 16 * 1024;
/// So much of an answer is written down, in characters.
const EXCERPT_MAX: usize = 200;
/// News is repeated this soon at first; then ever more slowly.
const REPEAT_AFTER_S: [i64; 4] = [3, 5, 10, 20];
/// A far end that does not take a message is tried again this soon; then ever more slowly.
const RETRY_AFTER_S: [i64; 5] = [1, 2, 4, 8, 15];
/// A contact's far end, which may be away for hours and whose every attempt is written down.
const RETRY_LETTER_AFTER_S: [i64; 5] = [1, 5, 15, 60, 300];

/// The way to wearers' terminals: the gateway.
#[async_trait]
pub trait Terminals: Send + Sync + 'static {
    /// Hands a notice on. That it was handed on does not mean that the terminal has it.
    async fn tell(&self, notice: Notice) -> Result<(), String>;

    /// Hands an order on, and says how far it got. An error: it may be tried again.
    async fn order(&self, order: Order) -> Result<Carried, String>;
}

/// Everything that a message can leave by.
#[derive(Clone)]
struct Channels {
    desk: Desk,
    http: reqwest::Client,
    terminals: Arc<dyn Terminals>,
    clerk: mpsc::Sender<(IncidentId, Input)>,
    record: Writing<Tried>,
}

/// Where it is recorded what came of messages.
struct Record(Desk);

impl Book for Record {
    type Line = Tried;

    async fn write(&self, tried: &[Tried]) -> Result<(), StoreError> {
        let Self(desk) = self;
        if outbox::record(&mut *desk.conn().await?, tried).await? {
            desk.unsent.notify_waiters();
        }
        Ok(())
    }
}

/// What the far end made of a message.
enum Answer {
    /// It has it.
    Taken(Said),
    /// It is on its way, and nobody says whether it has arrived.
    HandedOn(Said),
    /// It did not take it; try again.
    NotTaken(Said),
    /// There is no way to it at all.
    NoWay(Said),
}

/// Sends until told to stop.
pub async fn run(desk: Desk, terminals: Arc<dyn Terminals>, stop: CancellationToken) -> Result<(), reqwest::Error> {
    let desk = desk.for_sending();
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let (clerk, news) = mpsc::channel(TOLD_MAX);
    let (record, recorder) = writing(LEASED_MAX);
    let channels = Channels { desk: desk.clone(), http, terminals, clerk, record };
    // Each channel has its own room: a mail server that hangs holds up no ambulance.
    let sending = async move { join_all(Channel::ALL.map(|channel| send_all(&channels, channel, &stop))).await };
    tokio::join!(sending, tell_desk(&desk, news), recorder.write_into(Record(desk.clone())));
    Ok(())
}

/// Tells the desk what became of messages: as many at once as there are meanwhile. Ends with the last who has something to
/// tell.
async fn tell_desk(desk: &Desk, mut news: mpsc::Receiver<(IncidentId, Input)>) {
    let mut some = Vec::new();
    while news.recv_many(&mut some, TOLD_MAX).await > 0 {
        let together = std::mem::take(&mut some);
        let left = if together.len() > 1 && desk.planner.is_behind() {
            desk.apply_together(together.clone()).await.unwrap_or_else(|cause| {
                warn!(%cause, inputs = together.len(), "the desk could not be told of messages together");
                together
            })
        } else {
            together
        };
        join_all(left.into_iter().map(async |(incident, input)| {
            if let Err(cause) = desk.apply(incident, input).await {
                warn!(incident.id = %incident, %cause, "the desk could not be told what became of a message");
            }
        }))
        .await;
    }
}

async fn send_all(channels: &Channels, channel: Channel, stop: &CancellationToken) {
    let desk = &channels.desk;
    let mut sending = JoinSet::new();
    loop {
        let unsent = desk.unsent.notified();
        tokio::pin!(unsent);
        unsent.as_mut().enable();
        while sending.try_join_next().is_some() {}
        let room = LEASED_MAX.saturating_sub(sending.len());
        let leased = if room > 0 { lease(desk, channel, room).await } else { Vec::new() };
        let is_more = leased.len() == room;
        for (message, still) in leased {
            let channels = channels.clone();
            sending.spawn(async move { channels.deliver(message, still).await });
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = unsent => if desk.planner.is_behind() {
                // There will be more in a moment, and each look costs as much as several messages.
                tokio::time::sleep(GATHER_FOR).await;
            },
            // As soon as there is room for many of those that wait.
            () = half_done(&mut sending, LEASED_MAX), if is_more => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    sending.join_all().await;
}

/// Waits until half of the `max` that may be on their way at once are not.
pub(crate) async fn half_done(sending: &mut JoinSet<()>, max: usize) {
    while sending.len() > max / 2 && sending.join_next().await.is_some() {}
}

/// Messages that are due, and whether each is still wanted.
async fn lease(desk: &Desk, channel: Channel, room: usize) -> Vec<(Message, Still)> {
    let leased = async {
        let mut tx = desk.begin().await?;
        let leased = outbox::lease(&mut tx, channel, room).await?;
        let ids: Vec<i64> = leased.iter().map(|message| message.id).collect();
        let mut still = outbox::still(&mut tx, &ids).await?;
        tx.commit().await?;
        // What is gone meanwhile is not sent.
        Ok(leased.into_iter().filter_map(|message| still.remove(&message.id).map(|still| (message, still))).collect())
    };
    leased.await.unwrap_or_else(|cause: StoreError| {
        warn!(%cause, "what is to be sent cannot be read");
        Vec::new()
    })
}

impl Channels {
    async fn deliver(&self, message: Message, still: Still) {
        if let Err(cause) = self.try_deliver(&message, still).await {
            // The lease runs out and it is tried again.
            warn!(incident.id = %message.incident, outbox.id = message.id, %cause, "a message could not be recorded");
        }
    }

    async fn try_deliver(&self, message: &Message, still: Still) -> Result<(), StoreError> {
        match still {
            Still::Withdrawn => return self.record(message, Attempt::Withdrawn, "no longer wanted".into()).await,
            Still::Expired => {
                self.record(message, Attempt::Expired, "too late".into()).await?;
                return self.report_unreachable(message).await;
            }
            Still::Wanted => {}
        }
        let answer = match message.channel {
            Channel::Centre => centre::send(self, message).await,
            Channel::Responder => responder::send(self, message).await?,
            Channel::Terminal => self.tell_terminal(message).await,
            Channel::Email => email::send(self, message).await,
            Channel::Webhook => webhook::send(self, message).await?,
            Channel::Sms => sms::send_letter(self, message).await,
        };
        match answer {
            Answer::HandedOn(said) => {
                self.record(message, Attempt::HandedOn(step(&REPEAT_AFTER_S, message.tries)), said).await
            }
            Answer::Taken(said) => {
                self.record(message, Attempt::Taken, said).await?;
                info!(incident.id = %message.incident, outbox.id = message.id, what = message.what, "a message was taken");
                match (message.channel, message.what.as_str(), message.about, message.contact) {
                    (Channel::Centre, "help", Some(about), _) => {
                        self.tell_desk(message, Input::CentreHasIt { handover: HandoverId(about) }).await;
                    }
                    // A provider that tells when a message has arrived is waited for.
                    (Channel::Sms, ..) if self.desk.config.sms.as_ref().is_some_and(|sms| sms.status.is_some()) => {}
                    (_, "alert", _, Some(rank)) => self.tell_desk(message, Input::ContactReached { rank }).await,
                    _ => {}
                }
                Ok(())
            }
            Answer::NotTaken(said) => {
                warn!(incident.id = %message.incident, outbox.id = message.id, what = message.what, answer = said.brief, "a message was not taken");
                let waits: &[i64] =
                    if message.channel.is_to_contact() { &RETRY_LETTER_AFTER_S } else { &RETRY_AFTER_S };
                self.record(message, Attempt::RetryIn(step(waits, message.tries)), said).await
            }
            Answer::NoWay(said) => {
                self.record(message, Attempt::Failed, said).await?;
                self.report_unreachable(message).await
            }
        }
    }

    async fn record(&self, message: &Message, attempt: Attempt, said: Said) -> Result<(), StoreError> {
        self.record.write(Tried { id: message.id, attempt, said }).await
    }

    /// A centre that cannot be reached by data is telephoned; a contact who cannot be reached in any way
    /// makes it the next one's turn.
    async fn report_unreachable(&self, message: &Message) -> Result<(), StoreError> {
        match (message.channel, message.what.as_str(), message.about, message.contact) {
            (Channel::Centre, "help", Some(about), _) => {
                self.tell_desk(message, Input::CentreUnreachable { handover: HandoverId(about) }).await;
            }
            (_, "alert", _, Some(rank)) => {
                let is_lost = contacts::is_lost(&mut *self.desk.conn().await?, message.incident, rank).await?;
                if is_lost {
                    self.tell_desk(message, Input::ContactLost { rank }).await;
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn tell_desk(&self, message: &Message, input: Input) {
        // Nobody hears only after everybody has been stopped.
        let _ = self.clerk.send((message.incident, input)).await;
    }

    async fn tell_terminal(&self, message: &Message) -> Answer {
        match serde_json::from_value::<Notice>(message.payload.clone()) {
            Err(cause) => Answer::NoWay(format!("the notice cannot be read: {cause}").into()),
            Ok(notice) => match self.terminals.tell(notice).await {
                Ok(()) => Answer::HandedOn("handed to the gateway".into()),
                Err(why) => Answer::NotTaken(why.into()),
            },
        }
    }
}

/// What is posted.
struct Body {
    content_type: &'static str,
    text: String,
}

impl Body {
    fn json(message: &Message) -> Self {
        Self { content_type: "application/json", text: message.payload.to_string() }
    }
}

/// One POST, signed as `wire::signature` tells.
async fn post(http: &reqwest::Client, url: &str, secret: &str, message: &Message, body: Body) -> Answer {
    let Body { content_type, text: body } = body;
    let request = http
        .post(url)
        .header(CONTENT_TYPE, content_type)
        .header("idempotency-key", message.key.to_string())
        .header(signature::HEADER, signature::sign(secret.as_bytes(), clock::now(), body.as_bytes()))
        .body(body);
    match hear(request).await {
        Ok(heard) if heard.status.is_success() => Answer::Taken(heard.said(&[secret])),
        Ok(heard) => Answer::NotTaken(heard.said(&[secret])),
        Err(why) => Answer::NotTaken(why.into()),
    }
}

/// An answer, as far as it was read.
struct Heard {
    status: StatusCode,
    body: Vec<u8>,
}

/// Makes a call, and reads the beginning of its answer: a far end that never stops talking costs nothing.
async fn hear(request: reqwest::RequestBuilder) -> Result<Heard, String> {
    let mut response = request.send().await.map_err(reason)?;
    let (status, mut body) = (response.status(), Vec::new());
    // With the status everything is known that must be; an answer that breaks off is read as far as it goes.
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece[..piece.len().min(ANSWER_MAX_BYTES - body.len())]);
        if body.len() == ANSWER_MAX_BYTES {
            break;
        }
    }
    Ok(Heard { status, body })
}

impl Heard {
    /// What is written down of it: the status, and the beginning of the rest without what is secret.
    fn said(&self, secrets: &[&str]) -> Said {
        Said { excerpt: excerpt(&self.body, secrets), ..self.status.to_string().into() }
    }
}

/// The beginning of an answer on one line. A far end may well repeat what it was told: secrets are struck out, in plain or
/// as addresses, JSON and base64 spell them.
fn excerpt(body: &[u8], secrets: &[&str]) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let in_json = serde_json::Value::from(*secret).to_string();
        let spelled = [
            (*secret).to_owned(),
            in_json.trim_matches('"').to_owned(),
            reqwest::Url::parse_with_params("http://x", [("", *secret)]).map_or_else(
                |_| String::new(),
                |url| url.query().unwrap_or_default().trim_start_matches('=').to_owned(),
            ),
            STANDARD_NO_PAD.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
        ];
        for spelling in spelled.iter().filter(|spelling| !spelling.is_empty()) {
            text = text.replace(spelling.as_str(), "…");
        }
        // Where the reading stopped, a secret may have begun.
        if body.len() >= ANSWER_MAX_BYTES {
            let longest = spelled.iter().map(String::len).max().unwrap_or_default();
            let end = text.floor_char_boundary(text.len().saturating_sub(longest));
            text.truncate(end);
        }
    }
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(EXCERPT_MAX).collect()
}

/// Why there was no answer, with what lies beneath: that a certificate is not trusted stands there. Without
/// the address, which may hold what should not be in a log.
fn reason(failed: reqwest::Error) -> String {
    let failed = failed.without_url();
    let causes = std::iter::successors(Some(&failed as &dyn Error), |cause| (*cause).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The wait after so many tries.
fn step(waits_s: &[i64], tries: i32) -> SignedDuration {
    let tries = usize::try_from(tries).unwrap_or(0);
    SignedDuration::from_secs(waits_s[tries.min(waits_s.len() - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_of_an_answer_is_short_and_holds_no_secret() {
        const SECRET: &str = "the \"family's\" key+1";
        let answer = format!(
            "you sent\n{SECRET} {} the%20%22family%27s%22%20key%2B1 the+%22family%27s%22+key%2B1 {} \u{0} thanks",
            serde_json::json!({ "key": SECRET }),
            STANDARD_NO_PAD.encode(SECRET),
        );
        let said = excerpt(answer.as_bytes(), &[SECRET, ""]);
        assert!(said.starts_with("you sent … {\"key\":\"…\"} ") && said.ends_with("… … thanks"), "{said}");
        assert_eq!(excerpt("长".repeat(900).as_bytes(), &[]).chars().count(), EXCERPT_MAX);
        // A secret that is cut off by the end of what is read is not told either.
        let mut endless = vec![b' '; ANSWER_MAX_BYTES - 5];
        endless.extend_from_slice(&SECRET.as_bytes()[..5]);
        assert_eq!(excerpt(&endless, &[SECRET]), "");
    }
}
