//! Opens the listeners of a gateway, and what they share.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{GatewayError, Inside, OUTSIDE_MAX, Tasks};
use crate::ledger::Answer;
use crate::listeners::{self, Intake, Listener, ListenerConfig, ListensAt, Phones, Sessions, Waiters};
use crate::presence;
use crate::voices::{BusNumber, Door};

/// Whom terminals with a connection of their own, or with questions of their own, are reached through.
#[derive(Debug, Clone, Default)]
pub(super) struct Reached {
    pub(super) sessions: Arc<Sessions>,
    pub(super) phones: Arc<Phones>,
}

/// Opens all of them; answers to their alerts come by `answers`, as to the bus of that number.
pub(super) async fn open(
    listeners: Vec<ListenerConfig>,
    inside: &Inside,
    (number, answers): (BusNumber, Option<mpsc::Receiver<Answer>>),
    tasks: &mut Tasks,
) -> Result<(Reached, Vec<ListensAt>), GatewayError> {
    let (reached, waiters) = (Reached::default(), Waiters::default());
    let mut listens_at = Vec::new();
    let (Some(answers), false) = (answers, listeners.is_empty()) else { return Ok((reached, listens_at)) };
    let Inside { alerts, telemetry, directory, counters, handover, tries, .. } = inside;
    let intake = Arc::new(Intake {
        alerts: Arc::clone(alerts),
        telemetry: Arc::clone(telemetry),
        directory: Arc::clone(directory),
        sessions: Arc::clone(&reached.sessions),
        waiters: waiters.clone(),
        phones: Arc::clone(&reached.phones),
        counters: Arc::clone(counters),
        door: Door { bus: number, name: listeners::DOOR.to_owned() },
    });
    let end = || tasks.ending.clone();
    let ((news, news_queue), sessions) = (mpsc::channel(OUTSIDE_MAX), Arc::clone(&reached.sessions));
    let looking = listeners::look_after(sessions, Arc::clone(directory), news, end());
    let passing_on = presence::pass_on(handover.clone(), news_queue, *tries, end());
    for listener in listeners {
        let address = listener.listen;
        let bound = Listener::bind(listener, Arc::clone(&intake)).await;
        let bound = bound.map_err(|cause| GatewayError::Listen { address, why: cause.to_string() })?;
        listens_at.push(bound.at());
        let stop = tasks.ending.clone();
        tasks.add("listener", bound.run(stop));
    }
    tasks.add("listener answers", waiters.answer(answers, Arc::clone(counters)));
    tasks.add("listener presence", looking);
    tasks.add("listener presence told", passing_on);
    Ok((reached, listens_at))
}
