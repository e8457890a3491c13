//! Sends what decisions wrote: leases due messages, checks each against its incident, hands it to its
//! channel, records what the far end said.

mod centre;
mod email;
mod responder;
mod webhook;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::id::HandoverId;
use domain::incident::Input;
use jiff::SignedDuration;
use reqwest::header::CONTENT_TYPE;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wire::notice::Notice;
use wire::signature;

use crate::clock;
use crate::desk::Desk;
use crate::store::outbox::{self, Attempt, Channel, Lane, Message, Still};
use crate::store::{StoreError, contacts};

/// How often it is looked for messages when nobody says that there are some.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many are on their way at once, on each lane.
const LEASED_MAX: i64 = 64;
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
}

/// Everything that a message can leave by.
#[derive(Clone)]
struct Channels {
    desk: Desk,
    http: reqwest::Client,
    terminals: Arc<dyn Terminals>,
}

/// What the far end made of a message.
enum Answer {
    /// It has it.
    Taken(String),
    /// It did not take it; try again.
    NotTaken(String),
    /// There is no way to it at all.
    NoWay(String),
}

/// Sends until told to stop.
pub async fn run(desk: Desk, terminals: Arc<dyn Terminals>, stop: CancellationToken) -> Result<(), reqwest::Error> {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let channels = Channels { desk, http, terminals };
    // Each lane has its own room: a mail server that hangs holds up no ambulance.
    tokio::join!(send_lane(&channels, Lane::Help, &stop), send_lane(&channels, Lane::Letters, &stop));
    Ok(())
}

async fn send_lane(channels: &Channels, lane: Lane, stop: &CancellationToken) {
    let desk = &channels.desk;
    let mut sending = JoinSet::new();
    loop {
        let unsent = desk.unsent.notified();
        tokio::pin!(unsent);
        unsent.as_mut().enable();
        while sending.try_join_next().is_some() {}
        let room = LEASED_MAX - i64::try_from(sending.len()).unwrap_or(LEASED_MAX);
        let leased = if room > 0 { lease(desk, lane, room).await } else { Vec::new() };
        if !leased.is_empty() {
            for message in leased {
                let channels = channels.clone();
                sending.spawn(async move { channels.deliver(message).await });
            }
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = unsent => {}
            Some(_) = sending.join_next() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    sending.join_all().await;
}

async fn lease(desk: &Desk, lane: Lane, room: i64) -> Vec<Message> {
    let leased = async {
        let mut conn = desk.conn().await?;
        outbox::lease(&mut conn, lane, room).await
    };
    leased.await.unwrap_or_else(|cause: StoreError| {
        warn!(%cause, "what is to be sent cannot be read");
        Vec::new()
    })
}

impl Channels {
    async fn deliver(&self, message: Message) {
        if let Err(cause) = self.try_deliver(&message).await {
            // The lease runs out and it is tried again.
            warn!(incident.id = %message.incident, outbox.id = message.id, %cause, "a message could not be recorded");
        }
    }

    async fn try_deliver(&self, message: &Message) -> Result<(), StoreError> {
        let still = {
            let mut conn = self.desk.conn().await?;
            outbox::still(&mut conn, message).await?
        };
        match still {
            Still::Withdrawn => return self.record(message, Attempt::Withdrawn, "no longer wanted").await,
            Still::Expired => {
                self.record(message, Attempt::Expired, "too late").await?;
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
        };
        match answer {
            Answer::Taken(said) if message.channel == Channel::Terminal => {
                self.record(message, Attempt::RepeatIn(step(&REPEAT_AFTER_S, message.tries)), &said).await
            }
            Answer::Taken(said) => {
                self.record(message, Attempt::Taken, &said).await?;
                info!(incident.id = %message.incident, outbox.id = message.id, what = message.what, "a message was taken");
                match (message.channel, message.what.as_str(), message.about, message.contact) {
                    (Channel::Centre, "help", Some(about), _) => {
                        self.tell_desk(message, Input::CentreHasIt { handover: HandoverId(about) }).await;
                    }
                    (_, "alert", _, Some(rank)) => self.tell_desk(message, Input::ContactReached { rank }).await,
                    _ => {}
                }
                Ok(())
            }
            Answer::NotTaken(said) => {
                warn!(incident.id = %message.incident, outbox.id = message.id, what = message.what, answer = said, "a message was not taken");
                let waits: &[i64] =
                    if message.channel.is_to_contact() { &RETRY_LETTER_AFTER_S } else { &RETRY_AFTER_S };
                self.record(message, Attempt::RetryIn(step(waits, message.tries)), &said).await
            }
            Answer::NoWay(said) => {
                self.record(message, Attempt::Withdrawn, &said).await?;
                self.report_unreachable(message).await
            }
        }
    }

    async fn record(&self, message: &Message, attempt: Attempt, answer: &str) -> Result<(), StoreError> {
        let answer: String = crate::lines::clean_text(answer.to_owned()).chars().take(500).collect();
        let mut tx = self.desk.begin().await?;
        outbox::record(&mut tx, message, attempt, &answer).await?;
        tx.commit().await?;
        Ok(())
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
        if let Err(cause) = self.desk.apply(message.incident, input).await {
            warn!(incident.id = %message.incident, %cause, "the desk could not be told what became of a message");
        }
    }

    async fn tell_terminal(&self, message: &Message) -> Answer {
        match serde_json::from_value::<Notice>(message.payload.clone()) {
            Err(cause) => Answer::NoWay(format!("the notice cannot be read: {cause}")),
            Ok(notice) => match self.terminals.tell(notice).await {
                Ok(()) => Answer::Taken("handed to the gateway".into()),
                Err(why) => Answer::NotTaken(why),
            },
        }
    }
}

/// One POST, signed as `wire::signature` tells.
async fn post(http: &reqwest::Client, url: &str, secret: &str, message: &Message) -> Answer {
    let body = message.payload.to_string();
    let sent = http
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header("idempotency-key", message.key.to_string())
        .header(signature::HEADER, signature::sign(secret.as_bytes(), clock::now(), body.as_bytes()))
        .body(body)
        .send()
        .await;
    match sent {
        Ok(response) if response.status().is_success() => Answer::Taken(response.status().to_string()),
        Ok(response) => Answer::NotTaken(response.status().to_string()),
        Err(cause) => Answer::NotTaken(reason(cause)),
    }
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
