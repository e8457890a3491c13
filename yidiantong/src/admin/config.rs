//! `yidiantong config`: every setting there is.

/// Prints a settings file with every setting, its default, its unit and its variable in the environment.
#[derive(Debug, clap::Args)]
pub struct Config {}

impl Config {
    /// Prints it.
    pub fn run(&self) {
        super::say(crate::settings::document().trim_end());
    }
}
