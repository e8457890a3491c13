//! What the executable says of itself while it runs, on standard error: a readable sentence and fields, as text for a
//! person or as JSON, a line an event, for a machine. The fields have the same names in both.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a person.
    #[default]
    Text,
    /// For a machine: `timestamp`, `level`, `target`, `message`, and the event's own fields beside them.
    Json,
}

/// Begins to log; `RUST_LOG` says of what.
pub fn begin(format: Format, usually: &str) {
    // The bus calls every connection that ends an error; the broker says what matters of it.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usually));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    match format {
        Format::Text => lines.init(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
    }
}
