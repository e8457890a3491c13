//! Who may connect, told to broker and gateway as it changes, wherever they are.

use std::time::Duration;

use tokio::time::Instant;
use wire::directory::Update;

use crate::desk::Desk;
use crate::store::{StoreError, directory};

/// How often it is looked for changes of who may connect: a share of [`wire::directory::REVOKED_WITHIN`].
pub const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A question about changes is answered after this at the latest, so that whoever asks another process knows soon
/// when that one stands still.
const ANSWER_AFTER: Duration = Duration::from_millis(1500);

impl Desk {
    /// What has changed since version `from`, as soon as something has; after a moment that nothing has. Everything,
    /// at once, for somebody who has no version yet.
    pub async fn directory_since(&self, from: Option<i64>) -> Result<Update, StoreError> {
        let asked = Instant::now();
        loop {
            if from.is_some() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            let update = directory::update_since(&mut *self.conn().await?, from).await?;
            if update.tells_something() || asked.elapsed() >= ANSWER_AFTER {
                return Ok(update);
            }
        }
    }
}
