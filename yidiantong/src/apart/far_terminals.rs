//! Notices and orders, dispatcher → gateway → terminal.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use dispatcher::outbox::Terminals;
use wire::command::{Carried, Order};
use wire::internal::{Key, NOTICES, ORDERS};
use wire::notice::Notice;

use super::caller::{BadAddress, Begin, Caller};
use super::served::Away;

/// All gateways together; below the lease of a message in the outbox.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// The gateways in other processes.
#[derive(Debug)]
pub(crate) struct FarTerminals(Caller);

impl FarTerminals {
    /// Gateways at these addresses. A notice that is repeated goes through another one each time: a gateway may have
    /// lost the very bus that leads to the terminal, and be well otherwise.
    pub(crate) fn new(gateways: &[String], key: Key) -> Result<Self, BadAddress> {
        Caller::new(gateways, key, Begin::WithTheNext).map(Self)
    }
}

#[async_trait]
impl Terminals for FarTerminals {
    async fn tell(&self, notice: Notice) -> Result<(), String> {
        self.0.post(NOTICES, &notice, TOLD_WITHIN).await.map_err(|error| error.to_string())
    }

    /// A terminal with a connection of its own has it to one gateway only: they are asked one after the other until one
    /// does not call it away.
    async fn order(&self, order: Order) -> Result<Carried, String> {
        let count = self.0.count();
        let each = TOLD_WITHIN / u32::try_from(count).unwrap_or(u32::MAX);
        let mut answer = Err("no gateway was asked".to_owned());
        for at in 0..count {
            match self.0.post_at(at, ORDERS, &order, each).await {
                Ok(Carried::Away) => answer = Ok(Carried::Away),
                Ok(carried) => return Ok(carried),
                Err(error) => answer = answer.map_err(|_| error.to_string()),
            }
        }
        answer
    }
}

/// What a gateway serves.
pub(crate) fn router(terminals: Arc<dyn Terminals>) -> Router {
    Router::new().route(NOTICES, post(tell)).route(ORDERS, post(order)).with_state(terminals)
}

async fn tell(State(terminals): State<Arc<dyn Terminals>>, Json(notice): Json<Notice>) -> Result<StatusCode, Away> {
    terminals.tell(notice).await.map(|()| StatusCode::NO_CONTENT).map_err(Away)
}

async fn order(State(terminals): State<Arc<dyn Terminals>>, Json(order): Json<Order>) -> Result<Json<Carried>, Away> {
    terminals.order(order).await.map(Json).map_err(Away)
}
