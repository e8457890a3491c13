//! Every row, one after the other. What is finished lies in a folder, so that one can stop and go on another day.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::table::HEAD;

/// Every row, one after the other.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the database lies, and in `rows` what was measured. A row that is there is not measured again: remove it.
    #[arg(long)]
    data: PathBuf,
    /// Everything small and short: to see that it works, not how well.
    #[arg(long)]
    quick: bool,
}

/// The commands, and what makes each of them quick.
const ROWS: [(&str, Needs, &[&str]); 8] = [
    ("connect", Needs::Nothing, &["--people", "500", "--runs", "2"]),
    ("telemetry", Needs::Nothing, &["--people", "500", "--rate", "1000", "--seconds", "3", "--runs", "2"]),
    ("fixes", Needs::District, &["--rate", "300", "--seconds", "4", "--runs", "2"]),
    ("durable", Needs::District, &["--rate", "200", "--presses", "5", "--seconds", "12"]),
    ("surge", Needs::District, &["--rate", "300", "--presses", "20", "--requests", "2", "--seconds", "5"]),
    ("cost", Needs::District, &["--few", "200", "--rate", "300", "--seconds", "5", "--runs", "2"]),
    ("restart", Needs::District, &["--rate", "300", "--presses", "5", "--seconds", "3", "--runs", "2"]),
    ("storm", Needs::District, &["--sockets", "1000", "--presses", "20", "--seconds", "3", "--runs", "2"]),
];

/// A district that is small enough to be quick.
const FEW: [&str; 4] = ["--people", "2000", "--concentrators", "4"];

/// What a row is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    District,
}

pub(crate) fn run(Arguments { data, quick }: &Arguments) -> anyhow::Result<()> {
    let data = if *quick { data.join("quick") } else { data.clone() };
    let rows = data.join("rows");
    std::fs::create_dir_all(&rows).with_context(|| format!("{} cannot be made", rows.display()))?;
    for (row, needs, quickly) in ROWS {
        let file = rows.join(format!("{row}.md"));
        if file.exists() {
            eprintln!("{row}: measured before, see {}", file.display());
            continue;
        }
        eprintln!("{row}");
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(row).stdout(Stdio::piped()).stderr(Stdio::inherit());
        if needs == Needs::District {
            command.arg("--data").arg(&data);
        }
        match (quick, needs) {
            (true, Needs::District) => command.args(quickly).args(FEW),
            (true, Needs::Nothing) => command.args(quickly),
            (false, _) => &mut command,
        };
        let measured = command.output()?;
        if !measured.status.success() {
            bail!("{row} could not be measured; what came before it is in {}", rows.display());
        }
        let told = String::from_utf8(measured.stdout)?;
        std::fs::write(file, told.strip_prefix(HEAD).unwrap_or(&told).trim_start())?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{HEAD}")?;
    for (row, ..) in ROWS {
        out.write_all(&std::fs::read(rows.join(format!("{row}.md")))?)?;
    }
    Ok(())
}
