//! `yidiantong migrate`: brings the tables up to date, and nothing else.

use anyhow::Context as _;
use dispatcher::store::schema::{self, MIGRATIONS};
use tokio_util::sync::CancellationToken;

use super::{Database, Place, say};

/// Brings the database's tables up to date. `serve` does the same when it starts.
#[derive(Debug, clap::Args)]
pub struct Migrate {}

impl Migrate {
    /// Does it, and says from which version to which.
    pub async fn run(&self, place: &Place, stop: &CancellationToken) -> anyhow::Result<()> {
        let settings = place.settings()?;
        let database = Database::reach(place, &settings, stop).await?;
        let migrating = async {
            let before = database.standing().await?;
            let named =
                |version: Option<i64>| version.map_or_else(|| "nothing".to_owned(), |version| version.to_string());
            if before.is_current() {
                say(format_args!("the tables are up to date (version {})", named(before.version)));
                return Ok(());
            }
            // A migration is a transaction of its own: it is waited for, not cut off.
            MIGRATIONS.run(&database.pool).await.context("the tables cannot be brought up to date")?;
            say(format_args!(
                "brought the tables from version {} to {}",
                named(before.version),
                named(schema::newest())
            ));
            Ok(())
        };
        let done = migrating.await;
        let left = database.leave().await;
        done.and(left)
    }
}
