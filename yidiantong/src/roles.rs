//! Each role in a process of its own: `yidiantong broker`, `gateway`, `dispatcher`. As many of each as are wanted, on
//! as many machines; they find each other by the addresses in their settings, and know each other by the keys.

pub mod broker;
pub mod dispatcher;
pub mod gateway;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::office;
use crate::parts::Parts;
use crate::probe::{self, Probe};
use crate::settings::Settings;

/// What this process is called among its kind.
fn name(settings: &Settings) -> anyhow::Result<String> {
    settings
        .name
        .clone()
        .context("this process needs a name that no other of its kind has: --name, or `name` in the settings")
}

/// Answers probes, when it is said where.
async fn answer_probes(
    settings: &Settings,
    parts: &mut Parts,
    probe: Probe,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    if let Some(address) = settings.health_listen {
        let listener = office::listen(address).await?;
        parts.spawn(async move { Ok(probe::serve(listener, probe, stop).await?) });
    }
    Ok(())
}
