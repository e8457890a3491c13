//! The rows of `docs/benchmarks.md`, ready to be pasted.

use std::fmt;

/// What stands above them.
pub(crate) const HEAD: &str = "| what | ours | beside it | ratio | aim | commits |\n|---|---|---|---|---|---|";

/// Whether an answer waits for the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Commits {
    /// Nothing is stored.
    None,
    /// What was acknowledged is on disk.
    Synchronous,
    /// A power cut may take the last moments; a killed process nothing.
    NotWaitedFor,
}

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) ours: String,
    /// What was measured in the same minute.
    pub(crate) beside: String,
    pub(crate) ratio: Option<f64>,
    pub(crate) aim: &'static str,
    pub(crate) commits: Commits,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, ours, beside, ratio, aim, commits } = self;
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let commits = match commits {
            Commits::None => "none",
            Commits::Synchronous => "synchronous",
            Commits::NotWaitedFor => "not waited for",
        };
        write!(f, "| {what} | {ours} | {beside} | {ratio} | {aim} | {commits} |")
    }
}

/// Milliseconds at so many quantiles, and of how many.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Quantiles {
    pub(crate) count: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

impl Quantiles {
    /// Of these.
    pub(crate) fn of(mut times_ms: Vec<f64>) -> Self {
        times_ms.sort_by(f64::total_cmp);
        let last = times_ms.len().saturating_sub(1);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a list"
        )]
        let at = |share: f64| {
            times_ms.get(((times_ms.len() as f64 * share).ceil() as usize).clamp(1, last + 1) - 1).copied()
        };
        Self {
            count: times_ms.len() as u64,
            p50_ms: at(0.5).unwrap_or(f64::NAN),
            p99_ms: at(0.99).unwrap_or(f64::NAN),
            p999_ms: at(0.999).unwrap_or(f64::NAN),
            max_ms: at(1.0).unwrap_or(f64::NAN),
        }
    }
}

impl From<firmware_sim::crowd::Latency> for Quantiles {
    fn from(seen: firmware_sim::crowd::Latency) -> Self {
        let firmware_sim::crowd::Latency { count, p50_ms, p99_ms, p999_ms, max_ms, .. } = seen;
        Self { count, p50_ms, p99_ms, p999_ms, max_ms }
    }
}

impl fmt::Display for Quantiles {
    /// A quantile that so few cannot have is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, p50_ms, p99_ms, p999_ms, max_ms } = self;
        write!(f, "p50 {p50_ms:.1}")?;
        if *count >= 100 {
            write!(f, ", p99 {p99_ms:.1}")?;
        }
        if *count >= 1000 {
            write!(f, ", p99.9 {p999_ms:.1}")?;
        }
        write!(f, ", worst of {count} {max_ms:.1} ms")
    }
}

/// The middle one; with an even number the upper of the two.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// From the least to the most.
pub(crate) fn span(values: impl IntoIterator<Item = f64>, unit: &str) -> String {
    let (least, most) = values
        .into_iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    // Two places say nothing of thousands.
    let places = if most < 100.0 { 2 } else { 0 };
    format!("{least:.places$}–{most:.places$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_those_that_were_measured_and_no_finer_than_their_number() {
        let hundred = Quantiles::of((1..=100).rev().map(f64::from).collect());
        assert_eq!(hundred.to_string(), "p50 50.0, p99 99.0, worst of 100 100.0 ms");
        assert_eq!(Quantiles::of(vec![7.0]).to_string(), "p50 7.0, worst of 1 7.0 ms");
        assert_eq!(Quantiles::of(vec![]).count, 0);
    }

    #[test]
    fn a_span_is_told_as_finely_as_it_is_known() {
        assert_eq!(span([1.5, 0.25], "s"), "0.25–1.50 s");
        assert_eq!(span([19_000.4, 21_000.0], "/s"), "19000–21000 /s");
    }

    #[test]
    fn a_row_can_be_pasted() {
        let row = Row {
            what: "connect".into(),
            ours: "1 s".into(),
            beside: "2 s".into(),
            ratio: Some(0.5),
            aim: "≤ 1.0",
            commits: Commits::None,
        };
        assert_eq!(row.to_string(), "| connect | 1 s | 2 s | 0.50 | ≤ 1.0 | none |");
        assert_eq!(row.to_string().matches('|').count(), HEAD.lines().next().unwrap().matches('|').count());
    }
}
