//! `yidiantong resident`: what is kept of where a person went, and how it is erased.

use anyhow::Context as _;
use dispatcher::store;
use dispatcher::store::erasure::{self, Erased};
use tokio_util::sync::CancellationToken;

use super::terminal::meant;
use super::{Place, say, with_database};

/// What is kept of where a person went.
#[derive(Debug, clap::Args)]
pub struct Resident {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Debug, clap::Subcommand)]
enum Deed {
    /// Erase where somebody went: what was learnt of their usual places, the positions that their terminals told, and the
    /// ways in their closed cases. Without --yes it only says how much that would be.
    Erase {
        /// Who: number (编号), id or name.
        resident: String,
        /// Do it. It cannot be taken back, but from a backup.
        #[arg(long)]
        yes: bool,
    },
}

impl Resident {
    /// Does it.
    pub async fn run(self, place: &Place, stop: &CancellationToken) -> anyhow::Result<()> {
        with_database(place, stop, async |_, database| {
            let mut tx = store::begin(&database.pool).await?;
            let Deed::Erase { resident, yes } = &self.deed;
            let who = meant(&mut tx, resident).await?;
            let erased = erasure::whereabouts(&mut tx, who).await?;
            if *yes {
                tx.commit().await.context("nothing was changed")?;
            } else {
                tx.rollback().await?;
            }
            tell(&erased, if *yes { "erased" } else { "to be erased" });
            if !yes {
                say("nothing was changed; with --yes it is");
            }
            Ok(())
        })
        .await
    }
}

fn tell(erased: &Erased, how: &str) {
    let Erased { learnt, fixes, lines, open_cases } = erased;
    say(format_args!("{how}: {learnt} stays, places and suspicions, {fixes} positions, {lines} lines of closed cases"));
    if *open_cases > 0 {
        say(format_args!(
            "{open_cases} of their cases are open: what these reach back to stays; do it again when they are closed"
        ));
    }
}
