//! Where alarms go that need no database: a person's telephone, in the real world.

use std::net::{Ipv4Addr, SocketAddr};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::wait::SOON;

/// Keeps what it is told. It hangs up when it is dropped.
#[derive(Debug)]
pub struct Hook {
    address: SocketAddr,
    alarms: watch::Receiver<Vec<Value>>,
    serving: JoinHandle<()>,
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Hook {
    /// Begins to listen.
    pub async fn listen() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let (tell, alarms) = watch::channel(Vec::new());
        let router = Router::new().route("/", post(keep)).with_state(tell);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, alarms, serving }
    }

    /// Where it is told.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Everything that it was told so far.
    pub fn alarms(&self) -> Vec<Value> {
        self.alarms.borrow().clone()
    }

    /// Waits for an alarm about a terminal, now or before.
    pub async fn rings_for(&self, serial: &str) -> Value {
        self.rings(serial, |alarm| alarm["serial"] == serial).await
    }

    /// Waits for an alarm, now or before.
    pub async fn rings(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut alarms = self.alarms.clone();
        let rang = timeout(SOON, alarms.wait_for(|alarms| alarms.iter().any(&is_it))).await;
        let rang = rang.unwrap_or_else(|_| panic!("no alarm for {what}: {:?}", self.alarms()));
        rang.expect("it listens").iter().find(|alarm| is_it(alarm)).cloned().expect("alarms are never taken back")
    }
}

async fn keep(State(tell): State<watch::Sender<Vec<Value>>>, Json(alarm): Json<Value>) -> StatusCode {
    tell.send_modify(|alarms| alarms.push(alarm));
    StatusCode::NO_CONTENT
}
