//! Sends what decisions wrote: leases due messages, checks each against its incident, hands it to its
//! channel, records what the far end said.

mod centre;
mod responder;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::id::HandoverId;
use domain::incident::Input;
use jiff::SignedDuration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wire::notice::Notice;

use crate::desk::Desk;
use crate::store::StoreError;
use crate::store::outbox::{self, Attempt, Channel, Message, Still};

/// How often it is looked for messages when nobody says that there are some.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many are on their way at once.
const LEASED_MAX: i64 = 64;
/// News is repeated this soon at first; then ever more slowly.
const REPEAT_AFTER_S: [i64; 4] = [3, 5, 10, 20];
/// A far end that does not take a message is tried again this soon; then ever more slowly.
const RETRY_AFTER_S: [i64; 5] = [1, 2, 4, 8, 15];

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
    let channels = Channels { desk: desk.clone(), http, terminals };
    let mut sending = JoinSet::new();
    loop {
        let unsent = desk.unsent.notified();
        tokio::pin!(unsent);
        unsent.as_mut().enable();
        while sending.try_join_next().is_some() {}
        let room = LEASED_MAX - i64::try_from(sending.len()).unwrap_or(LEASED_MAX);
        let leased = if room > 0 { lease(&desk, room).await } else { Vec::new() };
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
    Ok(())
}

async fn lease(desk: &Desk, room: i64) -> Vec<Message> {
    let leased = async {
        let mut conn = desk.conn().await?;
        outbox::lease(&mut conn, room).await
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
                self.report_unreachable(message).await;
                return Ok(());
            }
            Still::Wanted => {}
        }
        let answer = match message.channel {
            Channel::Centre => centre::send(self, message).await,
            Channel::Responder => responder::send(self, message).await?,
            Channel::Terminal => self.tell_terminal(message).await,
        };
        match answer {
            Answer::Taken(said) if message.channel == Channel::Terminal => {
                self.record(message, Attempt::RepeatIn(step(&REPEAT_AFTER_S, message.tries)), &said).await
            }
            Answer::Taken(said) => {
                self.record(message, Attempt::Taken, &said).await?;
                info!(incident.id = %message.incident, outbox.id = message.id, what = message.what, "a message was taken");
                if let (Channel::Centre, "help", Some(about)) = (message.channel, message.what.as_str(), message.about)
                {
                    self.tell_desk(message, Input::CentreHasIt { handover: HandoverId(about) }).await;
                }
                Ok(())
            }
            Answer::NotTaken(said) => {
                warn!(incident.id = %message.incident, outbox.id = message.id, what = message.what, answer = said, "a message was not taken");
                self.record(message, Attempt::RetryIn(step(&RETRY_AFTER_S, message.tries)), &said).await
            }
            Answer::NoWay(said) => {
                self.record(message, Attempt::Withdrawn, &said).await?;
                self.report_unreachable(message).await;
                Ok(())
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

    /// A centre that cannot be reached by data is telephoned.
    async fn report_unreachable(&self, message: &Message) {
        if let (Channel::Centre, "help", Some(about)) = (message.channel, message.what.as_str(), message.about) {
            self.tell_desk(message, Input::CentreUnreachable { handover: HandoverId(about) }).await;
        }
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
